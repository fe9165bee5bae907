"""Lifting: depth and masks of one frame become objects in metres on a support plane (paper section 3.1, A.2)."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.lifting import report as reasons
from spatialvlm_ros.scenes.lifting.amodal import camera_aligned_box, centre_deviation, completed_box, visible_box
from spatialvlm_ros.scenes.lifting.calibration import Calibration, default_calibration
from spatialvlm_ros.scenes.lifting.detection import Detection, tight_box
from spatialvlm_ros.scenes.lifting.masks import owner_map, usable_mask
from spatialvlm_ros.scenes.lifting.noise import inverse_depth_noise, smoothed_depth
from spatialvlm_ros.scenes.lifting.options import LiftingOptions
from spatialvlm_ros.scenes.lifting.outliers import edge_pixels, object_points
from spatialvlm_ros.scenes.lifting.plane_search import FoundPlane, find_planes
from spatialvlm_ros.scenes.lifting.report import LiftedScene
from spatialvlm_ros.scenes.lifting.shape import seen_shape
from spatialvlm_ros.scenes.lifting.support import (
    Support,
    carrying_plane,
    level_supports,
    main_support,
    object_supports,
)
from spatialvlm_ros.scenes.lifting.surfels import Surfels, surfels
from spatialvlm_ros.scenes.lifting.vertical import candidates
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene, SceneObject

Float = NDArray[np.float64]

_log = logging.getLogger(__name__)

_SNAP_SHARE = 0.6  # of an object's size: a base further above its support than this is taken for real (hung, held)
_SNAP_M = 0.02
_STEEP = 0.5  # sine of the angle of sight below the horizontal from which an object hides its base
_SNAP_FROM_ABOVE = 4.0


@dataclass(frozen=True)
class _Part:
    """A detection that has enough valid depth."""

    index: int
    detection: Detection
    mask: NDArray[np.bool_]
    points: Float
    noise: float  # metres along the line of sight


@dataclass(frozen=True)
class _Ground:
    """The vertical and the level surfaces of a view."""

    up: Float | None
    source: str
    supports: list[Support]


def lift(
    observation: Observation,
    detections: Sequence[Detection],
    options: LiftingOptions | None = None,
    calibration: Calibration | None = None,
) -> Scene:
    """The scene of one RGB-D frame; `lift_with_report` also says what was left out and why."""
    return lift_with_report(observation, detections, options, calibration).scene


def lift_with_report(
    observation: Observation,
    detections: Sequence[Detection],
    options: LiftingOptions | None = None,
    calibration: Calibration | None = None,
) -> LiftedScene:
    """Lift one RGB-D frame to a scene in metres.

    Bad input of one object (empty or foreign mask, no valid depth) skips that object with a reason; a frame without
    depth gives a scene without objects. Boxes are in the optical frame; with a known vertical they stand upright
    and are amodal, without one they are aligned to the camera and hold the visible points.

    Args:
        observation: with depth; its ``up`` is used if known, else the vertical is found from the planes in view.
        detections: objects; masks are (H, W) bool.
        options: defaults if None.
        calibration: fitted constants; those of the package if None.
    """
    start = time.perf_counter()
    options = options or LiftingOptions()
    calibration = calibration or default_calibration()
    parts, skipped = _clean_parts(observation, detections, options)
    ground = _Ground(None, "", [])
    seen: Surfels | None = None
    if observation.depth is not None:
        owners = owner_map([(p.index, p.mask) for p in parts], observation.depth.shape)
        seen = surfels(observation.depth, observation.camera, owners)
        ground = _find_ground(observation, seen, parts, [d.label for d in detections], options, calibration)
    lifted = _build(observation, parts, seen, ground, [d.label for d in detections], options, calibration)
    for label, reason in skipped:
        _log.debug("not lifted: %s: %s", label, reason)
    return LiftedScene(
        scene=lifted[0],
        kept=tuple(p.index for p in parts),
        skipped=tuple(skipped),
        center_deviation=lifted[1],
        cut_by_border=tuple(_cut_by_border(p.mask) for p in parts),
        up_source=ground.source,
        milliseconds=1000.0 * (time.perf_counter() - start),
    )


def _clean_parts(
    observation: Observation, detections: Sequence[Detection], options: LiftingOptions
) -> tuple[list[_Part], list[tuple[str, str]]]:
    """The detections with enough points, and label and reason of the others."""
    depth = observation.depth
    if depth is None:
        return [], [(d.label, reasons.NO_DEPTH) for d in detections]
    if not (np.isfinite(depth) & (depth > 0)).any():
        return [], [(d.label, reasons.NO_VALID_DEPTH) for d in detections]
    edges = edge_pixels(depth, options.outliers.edge_step)
    smooth = smoothed_depth(depth) if options.smooth else depth
    noise = inverse_depth_noise(smooth)
    parts: list[_Part] = []
    skipped: list[tuple[str, str]] = []
    for index, detection in enumerate(detections):
        mask, reason = usable_mask(detection, depth)
        if mask is None:
            skipped.append((detection.label, reason))
            continue
        points = object_points(smooth, observation.camera, mask, edges, options.outliers)
        if len(points) < options.outliers.min_points:
            skipped.append((detection.label, reasons.TOO_FEW_POINTS))
            continue
        parts.append(_Part(index, detection, mask, points, noise * float(np.median(points[:, 2])) ** 2))
    return parts, skipped


def _find_ground(
    observation: Observation,
    seen: Surfels,
    parts: list[_Part],
    labels: list[str],
    options: LiftingOptions,
    calibration: Calibration,
) -> _Ground:
    """Up from gravity, else from the planes; and the level surfaces."""
    planes = find_planes(seen, options.planes)
    tilt = np.radians(options.planes.max_tilt_deg)
    if options.use_gravity and observation.up is not None:
        return _Ground(observation.up, "gravity", level_supports(planes, seen, observation.up, labels, tilt, False))
    up = vertical_of(planes, seen, {p.index: p.points for p in parts}, options, calibration)
    if up is None:
        return _Ground(None, "", [])
    return _Ground(up, "planes", level_supports(planes, seen, up, labels, tilt, True))


def vertical_of(
    planes: list[FoundPlane],
    seen: Surfels,
    objects: dict[int, Float],
    options: LiftingOptions,
    calibration: Calibration,
) -> Float | None:
    """(3,) up from the planes of a view, or None where none of them is likely enough to be level."""
    ranked = [(c.score(calibration), c) for c in candidates(planes, seen, objects) if c.carries]
    if not ranked:
        return None
    score, best = max(ranked, key=lambda pair: pair[0])
    if score < options.planes.min_support_score:
        return None
    return best.up


def _build(
    observation: Observation,
    parts: list[_Part],
    seen: Surfels | None,
    ground: _Ground,
    labels: list[str],
    options: LiftingOptions,
    calibration: Calibration,
) -> tuple[Scene, tuple[float, ...]]:
    """Boxes, supports and the frame."""
    up = ground.up
    bases: dict[int, Support | None] = {}
    if up is not None and seen is not None:
        bases = object_supports({p.index: p.points for p in parts}, ground.supports, seen, up, labels)
    chosen = [carrying_plane(p.index, bases, up) if up is not None else None for p in parts]
    objects: list[SceneObject] = []
    deviations: list[float] = []
    for part, support in zip(parts, chosen, strict=True):
        box, deviation = _object_box(part, up, bases.get(part.index), options, calibration)
        known = support is not None and up is not None
        objects.append(
            SceneObject(
                label=part.detection.label,
                box2d=tight_box(part.mask),
                box3d=box,
                noun=part.detection.noun,
                attributes=part.detection.attributes,
                mask=part.mask,
                points=part.points,
                instance_id=part.index + 1,
                camera_height=support.camera_height(up) if known else None,  # type: ignore[union-attr, arg-type]
                support_id=support.name if known else None,  # type: ignore[union-attr]
            )
        )
        deviations.append(deviation)
    return Scene(observation, tuple(objects), _frame(observation, ground, chosen, options)), tuple(deviations)


def _frame(
    observation: Observation, ground: _Ground, chosen: list[Support | None], options: LiftingOptions
) -> CanonicalFrame:
    if ground.up is None:
        return CanonicalFrame.unknown()
    main = main_support(chosen, ground.supports)
    if main is not None:
        return CanonicalFrame.from_up(ground.up, main.camera_height(ground.up), main.name)
    return CanonicalFrame.from_up(ground.up, observation.camera_height if options.use_gravity else None)


def _object_box(
    part: _Part, up: Float | None, support: Support | None, options: LiftingOptions, calibration: Calibration
) -> tuple[Boxes, float]:
    """The box of one object and the standard deviation of its centre in metres."""
    points = part.points
    if up is None:
        box = camera_aligned_box(points)
        return box, float(0.25 * np.linalg.norm(box.sizes[0]))
    shape = seen_shape(points, up, None, part.noise)
    if not options.complete:
        return visible_box(shape), centre_deviation(shape, calibration)
    if support is not None:
        level = support.height_at(points.mean(axis=0), up)
        # Seen from above an object hides its own sides.
        share = _SNAP_SHARE + _SNAP_FROM_ABOVE * max(0.0, shape.elevation - _STEEP)
        limit = _SNAP_M + share * max(shape.top - shape.bottom, shape.width)
        if shape.bottom - level < limit and level < shape.top:
            shape = seen_shape(points, up, level, part.noise)
    return completed_box(shape, calibration)


def _cut_by_border(mask: NDArray[np.bool_]) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
