"""A benchmark of questions that take several steps, with exact truth."""
