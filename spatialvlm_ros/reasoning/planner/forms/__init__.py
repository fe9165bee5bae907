"""The forms of questions that the planner knows, one file per group."""
