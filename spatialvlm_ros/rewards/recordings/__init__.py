"""Rewards written into recordings: what is read, how it is judged, and how each format keeps it."""
