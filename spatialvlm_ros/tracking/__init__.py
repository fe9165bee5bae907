"""Measurements over time: filtered quantities with their rate and an honest interval, objects that keep their ids."""
