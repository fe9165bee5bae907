"""Readers of published spatial benchmarks: local files or the hub -> `BenchItem`s, with each benchmark's own metric."""

from spatialvlm_ros.evaluation.readers.records import BenchItem, Benchmark, ItemKind
from spatialvlm_ros.evaluation.readers.registry import READERS, Reader, read_benchmark, score_benchmark

__all__ = ["READERS", "BenchItem", "Benchmark", "ItemKind", "Reader", "read_benchmark", "score_benchmark"]
