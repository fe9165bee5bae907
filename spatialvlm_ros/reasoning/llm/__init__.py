"""Language models that a chain of thought can be led by."""
