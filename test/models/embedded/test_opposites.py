"""What a relation says, its opposite says with the other sign."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.calibration import (
    COMBINE,
    COMPOSED,
    MONOCULAR,
    Calibration,
    LengthCalibration,
    PredicateCalibration,
)
from spatialvlm_ros.models.embedded.vocabulary import OPPOSITES
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.opposites import with_opposites_alike
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.relations import RELATIONS

PLACES = ((60, 80, 200, 300), (240, 60, 330, 160), (380, 200, 600, 420))


@pytest.fixture(scope="module")
def shipped() -> SpatialVLM:
    return SpatialVLM.from_pretrained("embedded", dtype="float32", device="cpu")


@pytest.mark.parametrize("with_depth", [False, True])
def test_a_thing_is_never_bigger_and_smaller_than_another(shipped: SpatialVLM, with_depth: bool) -> None:
    """Whatever the picture shows, and however the calibration of each relation came out."""
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 255, (480, 640, 3), np.uint8)
    depth = np.linspace(3.0, 1.0, 480, dtype=np.float32)[:, None] + 0.05 * rng.random((480, 640), np.float32)
    camera = Camera.from_hfov(640, 480, np.radians(65))
    view = shipped.look(Observation(rgb, camera, depth if with_depth else None))
    pairs = [(a, b) for a in PLACES for b in PLACES if a != b]
    asked = [(Query(a, b, one), Query(a, b, other)) for one, other in OPPOSITES.items() for a, b in pairs]
    found = view.measure_many([query for both in asked for query in both])
    for one, other in zip(found[::2], found[1::2], strict=True):
        assert (one.valid, one.reason, one.sources) == (other.valid, other.reason, other.sources)
        if one.valid:
            _mirrored(one, other)
    assert sum(e.valid for e in found) > len(found) / 2


def _mirrored(one: Estimate, other: Estimate) -> None:
    if RELATIONS[one.relation].predicate:
        assert one.value + other.value == pytest.approx(1, abs=1e-6)
        return
    assert one.value == pytest.approx(-other.value, abs=1e-6)
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]), abs=1e-6)
    assert one.std == pytest.approx(other.std, abs=1e-6)


def test_what_was_fitted_for_both_counts_once() -> None:
    fitted = Calibration(
        lengths={
            MONOCULAR: {
                "left_diff": LengthCalibration(direct_bias=0.3, direct_factor=1.0, low=0.1, high=4.0, mode=COMPOSED),
                "right_diff": LengthCalibration(direct_bias=0.1, direct_factor=2.0, low=0.0, high=5.0, mode=COMBINE),
                "behind_diff": LengthCalibration(direct_bias=0.7),
                "above_diff": LengthCalibration(direct_bias=0.5),
                "below_diff": LengthCalibration(direct_bias=0.4),
            }
        },
        predicates={MONOCULAR: {"big": PredicateCalibration(0.2, 0.4), "small": PredicateCalibration(-0.1, 0.6)}},
    )
    made = with_opposites_alike(fitted, OPPOSITES)
    lengths, predicates = made.lengths[MONOCULAR], made.predicates[MONOCULAR]
    mean = LengthCalibration(direct_bias=0.1, direct_factor=1.5, low=0.0, high=5.0, mode=COMBINE)
    assert lengths["left_diff"].direct_bias == pytest.approx(0.1)
    assert replace(lengths["left_diff"], direct_bias=0.1) == mean
    assert replace(lengths["right_diff"], direct_bias=0.1) == mean
    assert lengths["right_diff"].direct_bias == pytest.approx(-0.1)
    # Heights of tops and of bottoms are two things; one of a pair alone stays as it is.
    for name in ("behind_diff", "above_diff", "below_diff"):
        assert lengths[name] == fitted.lengths[MONOCULAR][name]
    assert (predicates["big"].intercept, predicates["big"].direct) == pytest.approx((0.15, 0.5))
    assert (predicates["small"].intercept, predicates["small"].direct) == pytest.approx((-0.15, 0.5))
    again = with_opposites_alike(made, OPPOSITES)
    assert again.lengths == made.lengths and again.predicates == made.predicates
    assert with_opposites_alike(fitted, {}).lengths == fitted.lengths
