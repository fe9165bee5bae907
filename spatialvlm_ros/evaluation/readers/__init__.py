"""Readers of published spatial benchmarks: local files or the hub -> items, with each benchmark's own metric."""
