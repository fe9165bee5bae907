"""A small rendered bench (primitives) for the whole folder, and the models that know it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from spatialvlm_ros.evaluation.bench_build import build_bench
from spatialvlm_ros.evaluation.bench_config import BenchConfig
from spatialvlm_ros.evaluation.settings import EvaluationSettings

# Small enough to be rendered in a few seconds; a real bench never has primitives.
SMALL = {
    "name": "tiny",
    "seed": 3,
    "views_per_part": 6,
    "splits": ["new_scenes", "new_cameras"],
    "out_of_range_every": 2,
    "least_questions": 4,
    "pack": None,
    "simulation": {"width": 160, "height": 120, "antialiasing": 0, "shadow_size": 0, "min_visible_pixels": 20},
}


@pytest.fixture(scope="session")
def small_config():
    return BenchConfig.load(**SMALL)


@pytest.fixture(scope="session")
def bench(small_config, tmp_path_factory):
    pytest.importorskip("mujoco")
    return build_bench(tmp_path_factory.mktemp("bench") / "tiny", small_config)


@pytest.fixture
def settings():
    return EvaluationSettings.load(controls=("median by family", "median by name"), bootstrap_draws=200)
