"""The objects of a task from frame to frame: a rigid thing keeps its shape, and moves by itself or with the hand."""
