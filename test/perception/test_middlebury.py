"""Real pictures with metric truth: distances from stereo matching against those from measured disparity."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skimage")

BENCH = Path(__file__).parents[2] / "bench" / "middlebury.py"


@pytest.fixture(scope="module")
def bench():  # noqa: ANN201
    import sys

    spec = importlib.util.spec_from_file_location("middlebury_bench", BENCH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scenes(bench):  # noqa: ANN001, ANN201
    try:
        picture, truth, stereo = bench.load()
    except OSError as error:
        pytest.skip(f"the pictures are not in this scikit-image: {error}")
    return bench.scene_of(picture, truth), bench.scene_of(picture, stereo)


def test_stereo_distances_are_within_three_per_cent(bench, scenes) -> None:  # noqa: ANN001
    distances = bench.compare(*scenes)
    names = {d.second for d in distances if d.first == "camera"}
    assert len(names) >= 10, names
    result = bench.summary(distances)
    assert result["camera to object"]["median_percent"] < 3
    assert result["object to object"]["median_percent"] < 3
    assert result["all"]["median_percent"] < 3


def test_the_distances_are_those_of_a_garage(scenes) -> None:  # noqa: ANN001
    """Guards against both being wrong in the same way: the pair's calibration says 2.1 to 5 m."""
    found = {o.label: o.box3d.centers[0] for o in scenes[1].objects}
    ranges = {name: float(np.linalg.norm(centre)) for name, centre in found.items()}
    assert all(2.0 < value < 5.0 for value in ranges.values()), ranges
    # The shelf stands behind the motorcycle, the engine below the tank, the tank left of the headlight.
    assert ranges["large cardboard box"] > ranges["fuel tank"] + 1
    assert found["engine"][1] > found["fuel tank"][1]
    assert found["fuel tank"][0] < found["headlight"][0]


def test_the_calibration_constants_give_the_known_range(bench) -> None:  # noqa: ANN001
    # Z = f B / (d + doffs): 31.086 px of offset and no disparity is 6.18 m.
    assert bench.RIG.depth(np.zeros((1, 1)))[0, 0] == pytest.approx(994.978 * 0.193001 / 31.086)
