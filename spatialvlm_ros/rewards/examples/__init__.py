"""Learners that use these rewards: what docs/reinforcement_learning.md describes and measures."""
