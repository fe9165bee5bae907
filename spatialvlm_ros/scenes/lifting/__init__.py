"""Lifting: one RGB-D frame and the masks of its objects become a Scene in metres."""
