"""Experts for open-world pictures: filter, detect, segment, caption, depth, field of view."""
