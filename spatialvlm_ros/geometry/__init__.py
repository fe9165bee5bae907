"""Cameras, depth, point clouds, planes, boxes and frames. NumPy only."""
