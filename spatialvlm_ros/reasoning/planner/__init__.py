"""The embedded planner: the usual questions of several steps, without a language model."""
