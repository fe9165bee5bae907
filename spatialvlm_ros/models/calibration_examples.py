"""Readings of a model on views with known truth: what a calibration is fitted on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.models.backend import ABSENT, AMBIGUOUS, PRESENT
from spatialvlm_ros.models.query import CAMERA_NAME, Query, asked_name
from spatialvlm_ros.models.readings import NAMED, ViewReadings
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.pairs import CAMERA, scene_pairs
from spatialvlm_ros.scenes.relations import RELATIONS, Relation, relation_values
from spatialvlm_ros.scenes.scene import Scene

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_log = logging.getLogger(__name__)

LEAST_VISIBLE = 0.5
LEAST_SIDE_SHARE = 0.03  # of the picture's width: shorter boxes are too small to be judged
_UNANSWERABLE = 2  # names a view, of either kind
_WORDS_KEPT = 400  # names of earlier views, to ask for what is not there
_ONE = tuple(r for r in Relation if RELATIONS[r].arity == 1)
_TWO = tuple(r for r in Relation if RELATIONS[r].arity == 2)
_WITH_CAMERA = (Relation.DISTANCE, Relation.HORIZONTAL_DISTANCE, Relation.VERTICAL_DISTANCE)
_CAMERA_SHARE = 0.2
_MOST_UNREAD = 5  # views in a row: one fault passes, a server that has gone does not


@dataclass(frozen=True)
class ViewTruth:
    """What is true of a `ViewReadings`.

    Attributes:
        values: (N,) of its queries: metres (m3), margins of predicates; NaN where there is no answer.
        boxes: K true boxes in the optical frame, NaN rows for what is not there once.
        presence: (K,) `PRESENT`, `ABSENT` or `AMBIGUOUS`; -1 for what is not named.
        up: (3,) or None; camera_height: metres or NaN.
    """

    values: Float
    boxes: Boxes
    presence: Int
    up: Float | None
    camera_height: float


@dataclass(frozen=True)
class Example:
    """One view: what the model read, and the truth."""

    readings: ViewReadings
    truth: ViewTruth


def collect_readings(
    model: SpatialVLM, views: Iterable[tuple[Observation, Scene]], seed: int = 0, pairs: int = 2
) -> Iterator[Example]:
    """Ask a model about views with known truth.

    Views of which the model reads nothing are left out; after some of them in a row it is asked no more: it is away.

    Every relation is asked of ``pairs`` random pairs of clearly visible objects of a view; besides, two names that are
    not there and two that are there several times, where the view has such.

    Args:
        model: its calibration is not used.
        views: observation and scene of each.
        seed: of the choice of pairs.
        pairs: per relation and view.
    """
    rng = np.random.default_rng(seed)
    seen: list[str] = []
    unread = 0
    for observation, scene in views:
        asked = _questions(scene, observation, seen, pairs, rng)
        seen = list(dict.fromkeys([*(o.label for o in scene.objects), *seen]))[:_WORDS_KEPT]
        if not asked:
            continue
        readings = model.look(observation).readings([q for q, _ in asked])
        unread = 0 if _says_something(readings) else unread + 1
        if unread == _MOST_UNREAD:
            _log.warning("the model read nothing in %d views in a row: it is not asked about more of them", unread)
            return
        if unread:
            continue
        yield Example(readings, truth_of(readings, scene, [v for _, v in asked]))


def _says_something(readings: ViewReadings) -> bool:
    """Whether the model said a length, a probability, a place, or whether a named thing is there."""
    said = readings.locations
    named = readings.kinds == NAMED
    lengths = (readings.direct, readings.p_true, said.log_ranges[named])
    return any(np.isfinite(v).any() for v in (*lengths, said.boxes[named], said.centers[named], said.presence[named]))


def _questions(
    scene: Scene, observation: Observation, seen: Sequence[str], pairs: int, rng: np.random.Generator
) -> list[tuple[Query, float]]:
    # A thing that is called "camera" cannot be asked for by that name: it means the one that took the picture.
    names = [asked_name(o.label) for o in scene.objects]
    labels = [o.label if name else "" for o, name in zip(scene.objects, names, strict=True)]
    least = LEAST_SIDE_SHARE * observation.camera.width
    clear = [
        k
        for k, o in enumerate(scene.objects)
        if names[k]
        and names.count(names[k]) == 1
        and o.visible_fraction >= LEAST_VISIBLE
        and min(o.box2d[2] - o.box2d[0], o.box2d[3] - o.box2d[1]) >= least
        and o.box3d is not None
    ]
    found: list[tuple[Query, float]] = []
    if clear:
        found += _single(scene, labels, clear, pairs, rng)
    if len(clear) > 1:
        found += _paired(scene, labels, clear, pairs, rng)
    there = [label for label in labels if label]
    elsewhere = [name for name in seen if asked_name(name) and not any(_alike(name, label) for label in there)]
    twice = sorted({label for label in there if there.count(label) > 1})
    for unanswerable in (elsewhere, twice):
        for name in rng.permutation(unanswerable)[:_UNANSWERABLE].tolist():
            found.append((Query(name, None, Relation.WIDTH), float("nan")))
    return found


def _alike(a: str, b: str) -> bool:
    """Whether one name may stand for the other thing: their last words are the same."""
    return a.lower().split()[-1] == b.lower().split()[-1]


def _single(
    scene: Scene, labels: list[str], clear: list[int], pairs: int, rng: np.random.Generator
) -> list[tuple[Query, float]]:
    result = []
    for relation in _ONE:
        chosen = rng.permutation(clear)[:pairs]
        values = relation_values(relation, scene_pairs(scene, chosen))
        result += [(Query(labels[k], None, relation), float(v)) for k, v in zip(chosen, values, strict=True)]
    return result


def _paired(
    scene: Scene, labels: list[str], clear: list[int], pairs: int, rng: np.random.Generator
) -> list[tuple[Query, float]]:
    result = []
    for relation in _TWO:
        a = rng.choice(clear, pairs)
        b = np.array([rng.choice([k for k in clear if k != i]) for i in a])
        if relation in _WITH_CAMERA:
            b = np.where(rng.random(pairs) < _CAMERA_SHARE, CAMERA, b)
        values = relation_values(relation, scene_pairs(scene, a, b))
        names = [CAMERA_NAME if k == CAMERA else labels[k] for k in b]
        result += [(Query(labels[i], n, relation), float(v)) for i, n, v in zip(a, names, values, strict=True)]
    return result


def truth_of(readings: ViewReadings, scene: Scene, values: Sequence[float]) -> ViewTruth:
    """The truth beside readings of a scene, whose queries have these true values."""
    n = len(readings.objects)
    centers, sizes = np.full((n, 3), np.nan), np.full((n, 3), np.nan)
    rotations, presence = np.tile(np.eye(3), (n, 1, 1)), np.full(n, -1, np.int64)
    for k, given in enumerate(readings.objects):
        if not isinstance(given, str) or given == CAMERA_NAME:
            continue
        found = [o for o in scene.objects if o.label == given]
        presence[k] = PRESENT if len(found) == 1 else AMBIGUOUS if found else ABSENT
        if len(found) == 1 and found[0].box3d is not None:
            box = found[0].box3d
            centers[k], sizes[k], rotations[k] = box.centers[0], box.sizes[0], box.rotations[0]
    frame = scene.frame
    height = float("nan") if frame.camera_height is None else frame.camera_height
    up = frame.up if frame.level else None
    return ViewTruth(np.asarray(values, np.float64), Boxes(centers, sizes, rotations), presence, up, height)
