"""Reading answers back: lengths, yes or no, which of two, which word; from templates, people and language models."""
