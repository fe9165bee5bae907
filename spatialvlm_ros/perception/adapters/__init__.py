"""One module per expert. Models of `transformers` are imported when one is loaded, not before."""
