"""Whether a located object is the one that was named: its recognition is a probability."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracle import Noise, Oracle, scenes

from spatialvlm_ros.models.calibration import Calibration, LocationCalibration
from spatialvlm_ros.models.calibration_examples import collect_readings
from spatialvlm_ros.models.query import Region
from spatialvlm_ros.models.recognition import scores
from spatialvlm_ros.models.recognition_fitting import fit_recognition
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

FITTED, NEW = 120, 60


class Mistaken(Oracle):
    """Takes another place for every third thing, just as sure that the thing is there, but less sure of the place."""

    def mistaken(self, observation: Any, name: str) -> bool:
        return bool(self._rng(observation, "mistaken", name).random() < 1 / 3)

    def _locate(self, observation: Any, given: Any) -> Any:
        found = super()._locate(observation, given)
        if isinstance(given, Region) or not self.mistaken(observation, given):
            return found
        width = observation.camera.width
        away = np.where(found.boxes[:, :1] > width / 2, -width / 3, width / 3)
        spread = 6 * found.box_stds * self._rng(observation, "spread", given).lognormal(0, 0.3)
        return replace(found, boxes=found.boxes + away, centers=found.centers + away, box_stds=spread)


@pytest.fixture(scope="module")
def world() -> Any:
    return scenes(FITTED + NEW)


@pytest.fixture(scope="module")
def weights(world: Any) -> tuple[float, ...]:
    shown = [(s.observation, s) for s in list(world.values())[:FITTED]]
    examples = list(collect_readings(SpatialVLM(Mistaken(world, Noise())), shown, pairs=2))
    assert fit_recognition(examples[:2]) == ()  # too few to say anything
    return fit_recognition(examples)


@pytest.fixture(scope="module")
def told(world: Any, weights: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Scores of things on new views, and whether each is a mistake."""
    oracle = Mistaken(world, Noise())
    model = SpatialVLM(oracle, Calibration(location=LocationCalibration(recognition=weights)))
    said, mistakes = [], []
    for scene in list(world.values())[FITTED:]:
        names = [o.label for o in scene.objects if [p.label for p in scene.objects].count(o.label) == 1]
        for found in model.look(scene.observation).locate_many(names):
            said.append(found.recognition)
            mistakes.append(oracle.mistaken(scene.observation, found.name))
    return np.array(said), np.array(mistakes)


def test_mistakes_are_hardly_recognised(told: tuple[np.ndarray, np.ndarray]) -> None:
    said, mistakes = told
    assert mistakes.sum() > 30
    assert np.median(said[mistakes]) < 0.2 < 0.8 < np.median(said[~mistakes])


def test_it_is_a_probability(told: tuple[np.ndarray, np.ndarray]) -> None:
    said, mistakes = told
    assert said.mean() == pytest.approx((~mistakes).mean(), abs=0.08)
    doubtful = (said > 0.1) & (said < 0.9)
    brier, constant = ((said - ~mistakes) ** 2).mean(), mistakes.mean() * (1 - mistakes.mean())
    assert brier < 0.4 * constant and doubtful.mean() < 0.5


def test_without_weights_nothing_is_said_of_recognition(world: Any) -> None:
    scene = next(iter(world.values()))
    found = SpatialVLM(Mistaken(world, Noise())).look(scene.observation).locate(scene.objects[0].label)
    assert found.score == pytest.approx(0.95) and np.isnan(found.recognition)


def test_what_the_caller_points_at_is_not_doubted(world: Any, weights: tuple[float, ...]) -> None:
    scene = next(iter(world.values()))
    model = SpatialVLM(Oracle(world, Noise()), Calibration(location=LocationCalibration(recognition=weights)))
    box = tuple(float(v) for v in scene.objects[0].box2d)
    assert model.look(scene.observation).locate(Region(box, scene.objects[0].label)).recognition == 1.0


def test_a_model_that_does_not_say_where_says_nothing_of_recognition(world: Any, weights: tuple[float, ...]) -> None:
    scene = next(iter(world.values()))
    found = Oracle(world, Noise())._locate(scene.observation, scene.objects[0].label)
    nowhere = replace(found, boxes=np.full((1, 4), np.nan))
    assert np.isnan(scores(nowhere, scene.observation.camera, weights)[0])


def test_the_weights_survive_a_file(weights: tuple[float, ...], tmp_path: Any) -> None:
    calibration = Calibration("oracle", "0123", 5, LocationCalibration(recognition=weights))
    again = Calibration.load(calibration.save(tmp_path / "c.json"))
    assert again.location.recognition == pytest.approx(weights, rel=1e-4) and len(weights) == 6
