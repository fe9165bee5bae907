"""Ablations: many short training runs that differ in one thing each, judged alike; resumable at any point."""
