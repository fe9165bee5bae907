"""Readers of the packages that the asset pack is made from. They read files only; nothing of the packages is run."""
