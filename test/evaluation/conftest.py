"""A small rendered bench (primitives) for the whole folder, and the models that know it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from judged_models import SMALL_BENCH

from spatialvlm_ros.evaluation.bench_build import build_bench
from spatialvlm_ros.evaluation.bench_config import BenchConfig
from spatialvlm_ros.evaluation.settings import EvaluationSettings


@pytest.fixture(scope="session")
def small_config():
    return BenchConfig.load(**SMALL_BENCH)


@pytest.fixture(scope="session")
def bench(small_config, tmp_path_factory):
    pytest.importorskip("mujoco")
    return build_bench(tmp_path_factory.mktemp("bench") / "tiny", small_config)


@pytest.fixture
def settings():
    return EvaluationSettings.load(controls=("median by family", "median by name"), bootstrap_draws=200)
