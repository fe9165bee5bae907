"""Fits the part of a calibration that says how wrong located objects are, by the model and in depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.backend import ABSENT, AMBIGUOUS, PRESENT
from spatialvlm_ros.models.calibration import DepthCalibration, LocationCalibration, Thresholds, Triple
from spatialvlm_ros.models.calibration_examples import Example
from spatialvlm_ros.models.distributions import RELATION_ORDER, quantile_at
from spatialvlm_ros.models.located import believable
from spatialvlm_ros.models.presence import fit_weights
from spatialvlm_ros.models.readings import N_BUCKETS
from spatialvlm_ros.models.robust_fitting import bias, drawn, factor, shared_variance
from spatialvlm_ros.scenes.relations import Relation

Float = NDArray[np.float64]

_NEVER_ZERO = np.array([r in (Relation.DISTANCE, Relation.HEIGHT, Relation.WIDTH) for r in RELATION_ORDER])
_LEAST_SHARED = 0.02
_MEDIAN_OF_ANGLE = 1.1774  # of the length of a 2D normal vector
# Of present objects of a calibration split, for either reason. Its meshes were trained on; such as were not are refused
# several times as often (docs/log.md), and with them questions about two objects are to stay below 5%.
_MOST_REFUSED = 0.0025
_REFUSED = 0.93  # wanted, of absent ones and of ambiguous ones
_FEWEST = 20
_DEPTH_WEIGHT = 30.0


def fit_locations(examples: Sequence[Example]) -> LocationCalibration:
    """From the located objects of all views."""
    parts = [_location_errors(e, number) for number, e in enumerate(examples)]
    errors = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]} if parts else {}
    if not parts or not np.isfinite(errors["range"]).any():
        return LocationCalibration(direct_bias=bias(np.concatenate([_direct_error(e) for e in examples])))
    default = LocationCalibration()
    range_bias = bias(errors["range"])
    ranges = errors["range"] - range_bias
    variance = shared_variance(ranges, errors["view"].astype(np.int64))
    n = int(np.isfinite(ranges).sum())
    shared = drawn(np.sqrt(max(variance, _LEAST_SHARED**2)), n // 3, default.shared_std, 15.0)
    size_bias = tuple(bias(errors["size"][:, k]) for k in range(3))
    sizes = errors["size"] - np.asarray(size_bias)
    follows = shared_variance(ranges, errors["view"].astype(np.int64), sizes.mean(axis=1)) / max(variance, 1e-4)
    heights = np.concatenate([_height_error(e) for e in examples])
    height_bias = bias(heights[:, 0])
    return LocationCalibration(
        range_bias=range_bias,
        range_factor=factor(ranges / errors["range_std"]),
        shared_std=float(shared),
        size_bias=_triple(size_bias),
        size_factor=_triple([factor(sizes[:, k] / errors["size_std"][:, k]) for k in range(3)]),
        size_shared=float(np.clip(drawn(float(np.clip(follows, 0, 1)), n // 3, default.size_shared, 15.0), 0, 1)),
        center_factor=factor((errors["center"] / errors["center_std"]).ravel()),
        box_factor=1.0,
        height_bias=height_bias,
        height_factor=factor((heights[:, 0] - height_bias) / heights[:, 1]),
        direct_bias=bias(np.concatenate([_direct_error(e) for e in examples])),
        up_factor=factor(heights[:, 2] / np.maximum(heights[:, 3], 1e-4) / _MEDIAN_OF_ANGLE * 0.9945),
    )


def _triple(values: Sequence[float]) -> Triple:
    a, b, c = (float(v) for v in values)
    return a, b, c


def _location_errors(example: Example, number: int) -> dict[str, Float]:
    said, boxes = example.readings.locations, example.truth.boxes
    frame = CanonicalFrame.from_up(example.truth.up)
    extents = np.stack([boxes.extent_along(a) for a in (frame.left, frame.forward, frame.up)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "view": np.full(len(said), float(number)),
            "range": said.log_ranges - np.log(np.linalg.norm(boxes.centers, axis=1)),
            "range_std": said.log_range_stds,
            "size": said.log_sizes - np.log(extents),
            "size_std": said.log_size_stds,
            "center": said.centers - example.readings.camera.project(boxes.centers),
            "center_std": np.maximum(said.center_stds, 0.3),
        }


def _direct_error(example: Example) -> Float:
    """Log errors of the direct medians of lengths that are never near zero."""
    said = quantile_at(example.readings.direct, 0.5)
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.log(said / example.truth.values)
    return errors[_NEVER_ZERO[example.readings.relations] & np.isfinite(errors)]


def _height_error(example: Example) -> Float:
    """(1, 4) error of the log height, its stated deviation, angle between the verticals, its stated deviation."""
    said, truth = example.readings.frame, example.truth
    if said is None or truth.up is None:
        return np.full((1, 4), np.nan)
    angle = np.arccos(np.clip(float(said.up @ truth.up), -1.0, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = said.log_height - np.log(truth.camera_height)
    return np.array([[error, said.log_height_std, angle, said.up_std]])


def fit_depth(examples: Sequence[Example], location: LocationCalibration) -> DepthCalibration:
    """From the objects that were measured in depth, by bucket; buckets with few objects stay near the defaults."""
    default = DepthCalibration()
    rows = [_depth_errors(e, location) for e in examples]
    errors = np.concatenate(rows) if rows else np.zeros((0, 7))
    errors = errors[np.isfinite(errors).all(axis=1)]
    found: dict[str, list[Triple]] = {"center_bias": [], "center_std": [], "size_bias": [], "size_std": []}
    for bucket in range(N_BUCKETS):
        own = errors[errors[:, 0] == bucket]
        for name, first in (("center", 1), ("size", 4)):
            part = own[:, first : first + 3]
            before = getattr(default, f"{name}_bias")[bucket], getattr(default, f"{name}_std")[bucket]
            biases = [bias(part[:, k], before[0][k], _DEPTH_WEIGHT) for k in range(3)]
            found[f"{name}_bias"].append(_triple(biases))
            found[f"{name}_std"].append(_triple([_scatter(part[:, k] - biases[k], before[1][k]) for k in range(3)]))
    return DepthCalibration(**{name: tuple(values) for name, values in found.items()})


def _scatter(errors: Float, default: float) -> float:
    """A deviation that is not ruled by outliers (what they do to answers, the intervals hold)."""
    if len(errors) == 0:
        return default
    found = max(float(np.quantile(np.abs(errors), 0.68)), 0.01)
    return drawn(found, len(errors), default, _DEPTH_WEIGHT)


def _depth_errors(example: Example, location: LocationCalibration) -> Float:
    """(K, 7) bucket; error of the centre along the box's depth and width axes, and of its bottom, over the scale; log
    errors of the extents along the frame's forward, left and up axes (how a round thing is turned is no error)."""
    measured, boxes = believable(example.readings, location), example.truth.boxes
    known = measured.known & np.isfinite(boxes.centers).all(axis=1)
    if not known.any():
        return np.zeros((0, 7))
    frame = CanonicalFrame.from_up(example.truth.up)
    seen = Boxes(measured.centers[known], measured.sizes[known], measured.rotations[known])
    offsets = np.einsum("kji,kj->ki", seen.rotations, seen.centers - boxes[known].centers)
    ups = seen.rotations[:, :, 2]
    offsets[:, 2] = seen.bottom_along(ups) - boxes[known].bottom_along(ups)
    axes = (frame.forward, frame.left, frame.up)
    sizes = [np.log(np.maximum(seen.extent_along(a), 1e-4) / boxes[known].extent_along(a)) for a in axes]
    parts = [measured.buckets[known].astype(float)[:, None], offsets / measured.scales[known][:, None]]
    return np.concatenate([*parts, np.stack(sizes, axis=1)], axis=1)


def fit_thresholds(examples: Sequence[Example]) -> Thresholds:
    """When a name is refused: most absent and ambiguous ones are, hardly any of a thing that is there once."""
    said = np.concatenate([np.zeros((0, 3)), *(e.readings.locations.presence for e in examples)])
    truth = np.concatenate([np.zeros(0, np.int64), *(e.truth.presence for e in examples)])
    use = np.isfinite(said).all(axis=1) & (truth >= 0)
    there = said[use & (truth == PRESENT)]

    def told(kind: int) -> tuple[float, ...]:
        gone = said[use & (truth == kind)]
        return fit_weights(there, gone, kind, _MOST_REFUSED, _REFUSED) if min(len(there), len(gone)) >= _FEWEST else ()

    return Thresholds(absent=told(ABSENT), several=told(AMBIGUOUS))
