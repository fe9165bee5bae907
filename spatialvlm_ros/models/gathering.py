"""Collects the readings of one view: distinct objects, what the backend says, what depth and the robot add."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import QueryError, RemoteError
from spatialvlm_ros.models.backend import Backend, FrameReading, Locations, Readings
from spatialvlm_ros.models.depth_reading import read_depth
from spatialvlm_ros.models.distributions import N_LEVELS, RELATION_INDEX, quantiles_of_bins
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.known_sizes import checked_sizes, known_size_table
from spatialvlm_ros.models.quantities import N_BINS
from spatialvlm_ros.models.query import ObjectRef, Query, Region, is_camera, is_gripper
from spatialvlm_ros.models.readings import CAMERA, FIXED, NAMED, REGION, DepthReadings, ViewReadings
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_log = logging.getLogger(__name__)

_POINT_BOX_SHARE = 0.06  # of the picture's width: the box that stands for a point until the model gives a better one


@dataclass(frozen=True)
class RobotKnowledge:
    """What the caller of `SpatialVLM.look` knows beside the observation.

    Attributes:
        known_sizes: plain name (see `query.plain_name`) -> (3,) width, depth, height in metres.
        gripper: (3,) tool centre point in the optical frame, metres, or None.
    """

    known_sizes: Mapping[str, Float] | None = None
    gripper: Float | None = None

    @staticmethod
    def of(known_sizes: Mapping[str, Sequence[float]] | None, gripper: object) -> RobotKnowledge:
        """Checked; `QueryError` names what is wrong."""
        sizes = checked_sizes(known_sizes)
        if gripper is None:
            return RobotKnowledge(sizes)
        try:
            point = np.asarray(gripper, dtype=np.float64)
        except (TypeError, ValueError):
            point = np.zeros(0)
        if point.shape != (3,) or not np.isfinite(point).all():
            raise QueryError("the gripper is not a point in the optical frame", gripper, "Pass x, y, z in metres.")
        return RobotKnowledge(sizes, point)

    def position(self, given: ObjectRef) -> tuple[int, Float]:
        """How an object is known: its kind, and (3,) metres where that is exact."""
        if isinstance(given, Region):
            return REGION, np.full(3, np.nan)
        if is_camera(given):
            return CAMERA, np.zeros(3)
        if is_gripper(given) and self.gripper is not None:
            return FIXED, self.gripper
        return NAMED, np.full(3, np.nan)


@dataclass(frozen=True)
class Failure:
    """A query that the backend could not read."""

    reason: Reason
    detail: str


def failure_of(error: Exception) -> Failure:
    """What a backend's exception means for an answer."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, TimeoutError) or "timeout" in type(chain).__name__.lower():
            return Failure(Reason.TIMEOUT, str(error))
        chain = chain.__cause__
    return Failure(Reason.MODEL_ERROR, f"{type(error).__name__}: {error}")


def read_queries(backend: Backend, encoded: Any, queries: Sequence[Query]) -> tuple[Readings, dict[int, Failure]]:
    """All queries in one batch; if that fails, one by one, so that a bad one does not take the others with it."""
    try:
        return _checked(backend.read(encoded, list(queries)), len(queries)), {}
    except Exception as error:  # noqa: BLE001  whatever a model raises, an answer says so
        _log.warning("reading %d queries failed: %s", len(queries), error)
        failure = failure_of(error)
        if len(queries) == 1 or isinstance(error, RemoteError):
            return nothing_read(len(queries)), dict.fromkeys(range(len(queries)), failure)
    parts, failures = [], {}
    for n, query in enumerate(queries):
        try:
            parts.append(_checked(backend.read(encoded, [query]), 1))
        except Exception as error:  # noqa: BLE001
            parts.append(nothing_read(1))
            failures[n] = failure_of(error)
    return _joined(parts), failures


def nothing_read(n: int) -> Readings:
    """n queries of which nothing is known."""
    return Readings(np.full((n, N_BINS), np.nan), np.full(n, np.nan), Locations.unknown(n), Locations.unknown(n))


def _checked(readings: Readings, n: int) -> Readings:
    if readings.lengths.shape != (n, N_BINS) or not len(readings.p_true) == len(readings.subjects) == n:
        raise QueryError("a backend must read one row per query", (readings.lengths.shape, n), "Mend the backend.")
    return readings


def _joined(parts: Sequence[Readings]) -> Readings:
    return Readings(
        np.concatenate([p.lengths for p in parts]),
        np.concatenate([p.p_true for p in parts]),
        concatenated([p.subjects for p in parts]),
        concatenated([p.references for p in parts]),
    )


def concatenated(parts: Sequence[Locations]) -> Locations:
    """All rows of several `Locations`."""
    names = Locations.__dataclass_fields__
    return Locations(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def distinct_objects(queries: Sequence[Query]) -> tuple[tuple[ObjectRef, ...], Int, Int]:
    """The objects that queries name, once each, and (N,) indices of subjects and references (-1: none)."""
    index: dict[ObjectRef, int] = {}
    subjects = [index.setdefault(q.subject, len(index)) for q in queries]
    references = [-1 if q.reference is None else index.setdefault(q.reference, len(index)) for q in queries]
    return tuple(index), np.array(subjects, np.int64), np.array(references, np.int64)


def grounded(readings: Readings, subjects: Int, references: Int, n_objects: int) -> Locations:
    """K locations out of those of each query: the first that says where an object is, else the first that says whether
    it is there, else the first."""
    both = concatenated([readings.subjects, readings.references])
    owners = np.concatenate([subjects, references])
    silent = np.isnan(both.log_ranges) & np.isnan(both.centers).any(axis=1) & np.isnan(both.boxes).any(axis=1)
    unsure = np.isnan(both.presence).any(axis=1)
    order = np.argsort(2 * silent + unsure, kind="stable")
    order = order[owners[order] >= 0]
    _, first = np.unique(owners[order], return_index=True)
    assert len(first) == n_objects
    return both[order[first]]


def with_regions(locations: Locations, objects: Sequence[ObjectRef], observation: Observation) -> Locations:
    """Objects given by box or point: their box is the given one, and they are there."""
    if not any(isinstance(o, Region) for o in objects):
        return locations
    boxes, stds = locations.boxes.copy(), locations.box_stds.copy()
    presence = locations.presence.copy()
    half = _POINT_BOX_SHARE * observation.camera.width / 2
    for k, given in enumerate(objects):
        if not isinstance(given, Region):
            continue
        presence[k] = (1.0, 0.0, 0.0)
        if not given.is_point:
            boxes[k], stds[k] = given.pixels, 1.0
        elif not np.isfinite(boxes[k]).all():
            u, v = given.pixels
            boxes[k], stds[k] = (u - half, v - half, u + half, v + half), half / 2
    kept = (getattr(locations, name) for name in list(Locations.__dataclass_fields__)[3:])
    return Locations(presence, boxes, stds, *kept)


def gather(
    observation: Observation,
    knowledge: RobotKnowledge,
    frame: FrameReading | None,
    objects: tuple[ObjectRef, ...],
    locations: Locations,
    depth: DepthReadings | None = None,
    queries: Sequence[Query] = (),
    subjects: Int | None = None,
    references: Int | None = None,
    readings: Readings | None = None,
) -> ViewReadings:
    """Put all that is known of a view together. ``locations`` and ``depth`` have one row per object."""
    kinds, positions = zip(*(knowledge.position(o) for o in objects), strict=True) if objects else ((), ())
    readings = readings or nothing_read(len(queries))
    direct, overflow = quantiles_of_bins(readings.lengths) if len(queries) else (np.zeros((0, N_LEVELS)), np.zeros(0))
    height = observation.camera_height
    return ViewReadings(
        camera=observation.camera,
        up=observation.up,
        camera_height=float("nan") if height is None else float(height),
        frame=frame,
        objects=objects,
        kinds=np.array(kinds, np.int64),
        positions=np.array(positions, np.float64).reshape(-1, 3),
        locations=locations,
        depth=DepthReadings.none(len(objects)) if depth is None else depth,
        known_sizes=known_size_table(knowledge.known_sizes, objects),
        relations=np.array([RELATION_INDEX[q.kind] for q in queries], np.int64),
        subjects=np.zeros(0, np.int64) if subjects is None else subjects,
        references=np.zeros(0, np.int64) if references is None else references,
        direct=direct,
        overflow=overflow,
        p_true=np.asarray(readings.p_true, np.float64),
    )


class DepthCache:
    """The objects of one view measured in depth, each once.

    Args:
        observation: with or without depth.
        knowledge: exactly known objects are not measured.
    """

    def __init__(self, observation: Observation, knowledge: RobotKnowledge) -> None:
        self._observation = observation
        self._knowledge = knowledge
        self._rows: dict[ObjectRef, DepthReadings] = {}
        self._up: Float | None = None

    def measure(self, objects: Sequence[ObjectRef], locations: Locations) -> DepthReadings | None:
        """K objects where ``locations`` has them, or None without a depth picture."""
        if self._observation.depth is None or not objects:
            return None
        new = [k for k, given in enumerate(objects) if given not in self._rows]
        if new:
            boxes = locations.boxes[new].copy()
            exact = [self._knowledge.position(objects[k])[0] in (CAMERA, FIXED) for k in new]
            boxes[np.array(exact, dtype=bool)] = np.nan
            found = read_depth(self._observation, boxes, locations.log_ranges[new], locations.log_range_stds[new])
            self._up = found.up if self._up is None else self._up
            for row, k in enumerate(new):
                # What could not be measured is tried again: another batch may say better where it is.
                if found.known[row] or exact[row]:
                    self._rows[objects[k]] = found[[row]]
        missing = DepthReadings.none(1)
        return DepthReadings.joined([self._rows.get(given, missing) for given in objects], self._up)
