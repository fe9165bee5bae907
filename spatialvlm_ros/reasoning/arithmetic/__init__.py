"""Sums over measurements that carry their errors along."""
