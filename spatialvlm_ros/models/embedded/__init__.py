"""The embedded model: a small vision-language model with quantity and location tokens, shipped with the package."""
