"""Whether a named thing is there, once, by two looks at its name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracle import Noise, Oracle
from test_closer import Cropped
from test_depth_fusion import CAMERA, SOLIDS, seen

from spatialvlm_ros.errors import CalibrationError
from spatialvlm_ros.models import recognition
from spatialvlm_ros.models.backend import ABSENT, AMBIGUOUS, PRESENT, Locations
from spatialvlm_ros.models.calibration import Calibration, Thresholds
from spatialvlm_ros.models.closer import Window
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.second_look import N_FEATURES, features, refusal_odds
from spatialvlm_ros.models.second_look_fitting import LookedTwice, fit_second_looks, second_looks
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

WINDOW = Window(100, 50, 320, 240)
SURE, NOT_THERE, SEVERAL = [0.95, 0.03, 0.02], [0.04, 0.9, 0.06], [0.2, 0.1, 0.7]


def weights(**of_feature: float) -> tuple[float, ...]:
    """Weights of the second look's log-odds: they come behind the first look's six features."""
    found = np.zeros(N_FEATURES)
    for name, value in of_feature.items():
        found[{"once": 6, "absent": 7, "several": 8}[name]] = value
    return tuple(found.tolist())


LEARNT = Thresholds(present=0.5, closer_absent=weights(once=-1, absent=1), closer_several=weights(once=-1, several=1))


def said(presence: list[float], box: tuple[float, ...] = (200.0, 100, 260, 190)) -> Locations:
    return replace(
        Locations.unknown(1), presence=np.array([presence]), boxes=np.array([box]), box_stds=np.full((1, 4), 3.0)
    )


class Doubting(Cropped):
    """Another opinion of names in a window than in the whole picture: name -> (first, second) presence."""

    opinions: dict[str, tuple[list[float], list[float]]] = {}
    looks = 0

    def encode(self, observation: Any) -> Any:
        self.looks += 1
        return super().encode(observation)

    def locate(self, encoded: Any, objects: Any) -> Any:
        found = super().locate(encoded, [o if o in SOLIDS else "can" for o in objects])
        near = encoded.camera.width < CAMERA.width
        presence = [self.opinions.get(o, (SURE, SURE))[near] for o in objects]
        return replace(found, presence=np.array(presence))


def doubting(opinions: dict[str, tuple[list[float], list[float]]], thresholds: Thresholds = LEARNT):
    observation, scene = seen(tuple(SOLIDS))
    oracle = Doubting({1: scene}, Noise(shared=0.0, own=0.01, size=0.0, center=0.0))
    oracle.opinions = opinions
    return SpatialVLM(oracle, Calibration(thresholds=thresholds)).look(observation), oracle


# ---- features ----


def test_features_are_those_of_either_look_and_their_overlap() -> None:
    camera = CAMERA
    near = said(NOT_THERE, (110.0, 50, 170, 140))  # in the picture: 210, 100, 270, 190
    (row,) = features(said(SURE), camera, near, WINDOW)
    first = recognition.features(said(SURE), camera)[0]
    second = recognition.features(near, camera.cropped(100, 50, 320, 240))[0]
    np.testing.assert_allclose(row[:6], first)
    np.testing.assert_allclose(row[6:11], second[[0, 1, 2, 4, 5]])
    assert row[11] == pytest.approx(50 / 70)


def test_without_a_window_the_first_look_counts_twice() -> None:
    (row,) = features(said(SURE), CAMERA)
    np.testing.assert_array_equal(row[6:11], row[[0, 1, 2, 4, 5]])
    assert row[11] == 1.0


def test_where_there_is_no_second_look_or_no_weight_the_first_one_answers() -> None:
    known = np.stack([features(said(SURE), CAMERA, said(NOT_THERE), WINDOW)[0], np.full(N_FEATURES, np.nan)])
    first = np.array([[-2.0, -3.0], [4.0, 5.0]])
    odds = refusal_odds(known, first, LEARNT)
    assert odds[0, 0] > odds[0, 1] > first[0, 1]
    np.testing.assert_array_equal(odds[1], first[1])
    np.testing.assert_array_equal(
        refusal_odds(known, first, Thresholds(closer_absent=LEARNT.closer_absent))[:, 1], [-3, 5]
    )


# ---- views ----


def test_both_looks_decide_whether_a_name_is_there() -> None:
    view, _ = doubting({"ghost": (SURE, NOT_THERE), "twin": (SURE, SEVERAL), "can": (NOT_THERE, SURE)})
    names = ["ghost", "twin", "can", "brick"]
    assert [f.reason for f in view.locate_many(names)] == [Reason.OK, Reason.OK, Reason.NOT_VISIBLE, Reason.OK]
    view.look_closer(names)
    after = [Reason.NOT_VISIBLE, Reason.AMBIGUOUS, Reason.OK, Reason.OK]
    assert [f.reason for f in view.locate_many(names)] == after
    assert [view.measure(name, None, "height").reason for name in names] == after


def test_each_name_is_looked_at_once_more_and_never_again() -> None:
    view, oracle = doubting({})
    assert oracle.looks == 1
    view.look_closer(["can", "brick", "can", "camera", (10, 10, 60, 60)])
    view.look_closer(["brick"])
    assert oracle.looks == 3


def test_a_model_that_has_not_learnt_it_does_not_look() -> None:
    view, oracle = doubting({"ghost": (SURE, NOT_THERE)}, Thresholds())
    view.look_closer(["ghost"])
    assert oracle.looks == 1 and view.locate("ghost").valid


def test_a_second_look_that_fails_leaves_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    view, oracle = doubting({"ghost": (SURE, NOT_THERE)})
    monkeypatch.setattr(oracle, "encode", lambda observation: 1 / 0)
    view.look_closer(["ghost"])
    assert view.locate("ghost").valid


def test_unknown_names_stay_unknown() -> None:
    view, oracle = doubting({})
    oracle.vocabulary = frozenset({"can"})
    view.look_closer(["gizmo"])
    assert oracle.looks == 1 and view.locate("gizmo").reason is Reason.UNKNOWN_NAME


# ---- fitting ----


def drawn(rng: np.random.Generator, kind: int, n: int) -> np.ndarray:
    """Two looks that each see a little: log-odds of the three, spreads, overlap."""
    means = {PRESENT: (2.0, -2.0, -3.0), ABSENT: (0.5, -0.5, -3.0), AMBIGUOUS: (1.2, -2.0, -1.5)}[kind]
    rows = np.ones((n, N_FEATURES))
    for start in (0, 6):
        rows[:, start : start + 3] = rng.normal(means, 1.0, (n, 3))
    rows[:, [4, 5, 9, 10]] = rng.normal(-3.0, 0.3, (n, 4))
    rows[:, 11] = rng.uniform(0.5 if kind == PRESENT else 0.0, 1.0, n)
    return rows


def test_what_is_fitted_refuses_more_than_either_look_for_the_same_price() -> None:
    rng = np.random.default_rng(5)
    sizes = {PRESENT: 3000, ABSENT: 900, AMBIGUOUS: 300}
    looked = [LookedTwice(drawn(rng, k, n), np.full(n, k, np.int64)) for k, n in sizes.items()]
    fitted = fit_second_looks(Thresholds(overflow=0.3), looked)
    assert fitted.overflow == 0.3
    fresh = {k: drawn(rng, k, 4000) for k in sizes}
    nothing = np.full((4000, 2), -np.inf)
    odds = {k: refusal_odds(rows, nothing, fitted) for k, rows in fresh.items()}
    price = (odds[PRESENT] > 0).mean(axis=0)
    assert (price < 0.015).all()
    for column, kind in ((0, ABSENT), (1, AMBIGUOUS)):
        both = (odds[kind][:, column] > 0).mean()
        for start in (0, 6):  # one look alone, with the limit that refuses as many of what is there
            alone = {k: fresh[k][:, start + kind] - fresh[k][:, start + PRESENT] for k in (PRESENT, kind)}
            limit = np.quantile(alone[PRESENT], 1 - price[column])
            assert both > (alone[kind] > limit).mean() + 0.1


def test_names_of_what_is_there_and_of_other_views_are_looked_at() -> None:
    observation, scene = seen(tuple(SOLIDS))
    other = replace(scene, objects=tuple(replace(o, label=f"{o.label} two") for o in scene.objects))
    oracle = Oracle({1: scene})
    views = [(observation, scene), (observation, other), (observation, scene)]
    looked = list(second_looks(SpatialVLM(oracle, Calibration()), views))
    assert [sorted(set(v.truth.tolist())) for v in looked] == [[PRESENT], [PRESENT, ABSENT], [PRESENT, ABSENT]]
    there = looked[0].features[looked[0].truth == PRESENT]
    assert there.shape == (min(len(SOLIDS), 6), N_FEATURES) and np.isfinite(there).all()
    with pytest.raises(CalibrationError, match="too few names"):
        fit_second_looks(Thresholds(), looked)
