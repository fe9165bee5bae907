"""Is a view fit for a data set? The data engine asks this of every view before it is written."""

from __future__ import annotations

import numpy as np

from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.scenes.scene import SceneObject

NO_OBJECTS = "no objects"
BLANK_PICTURE = "picture of one colour"
NO_VALID_DEPTH = "depth has no valid pixel"
EMPTY_MASK = "object with an empty mask"
BAD_BOX_2D = "2D box is empty or not finite"
BAD_BOX_3D = "3D box is not finite"
WRONG_CAMERA = "3D boxes do not project onto the objects (wrong camera intrinsics?)"

# An amodal box covers the visible part of its object, so its projection covers the 2D box; boxes lifted from
# noisy depth cover most of it. Half an object off (median over the view) is a camera model of another picture.
_LEAST_COVERAGE = 0.5


def fault_of(view: SceneView) -> str | None:
    """The reason why a view must be skipped (one of this module's constants), or None if it is fit."""
    observation, objects = view.observation, view.scene.objects
    if not objects:
        return NO_OBJECTS
    if (observation.rgb == observation.rgb[0, 0]).all():
        return BLANK_PICTURE
    if observation.depth is not None and not (np.isfinite(observation.depth) & (observation.depth > 0)).any():
        return NO_VALID_DEPTH
    if any(o.mask is not None and not o.mask.any() for o in objects) or _missing_instances(view):
        return EMPTY_MASK
    if not all(_box2d_area(o) > 0 for o in objects):
        return BAD_BOX_2D
    if not all(_finite_box3d(o) for o in objects):
        return BAD_BOX_3D
    if _coverage(objects, observation.camera) < _LEAST_COVERAGE:
        return WRONG_CAMERA
    return None


def _missing_instances(view: SceneView) -> bool:
    named = {o.instance_id for o in view.scene.objects if o.instance_id > 0}
    if view.instances is None or not named:
        return False
    present = np.bincount(view.instances.ravel(), minlength=max(named) + 1)
    return any(present[i] == 0 for i in named)


def _box2d_area(item: SceneObject) -> float:
    x0, y0, x1, y1 = item.box2d
    area = (x1 - x0) * (y1 - y0)
    return float(area) if np.isfinite(area) and x1 > x0 and y1 > y0 else 0.0


def _finite_box3d(item: SceneObject) -> bool:
    box = item.box3d
    return box is None or bool(
        np.isfinite(box.centers).all() and np.isfinite(box.sizes).all() and np.isfinite(box.rotations).all()
    )


def _coverage(objects: tuple[SceneObject, ...], camera: Camera) -> float:
    """Median over the objects of the share of the 2D box that the projected 3D box covers; 1 if none can tell."""
    shares = []
    for item in objects:
        if item.box3d is None:
            continue
        corners = camera.project(item.box3d.corners()[0])
        if not np.isfinite(corners).all() or (np.abs(corners) > 2 * (camera.width + camera.height)).any():
            continue  # partly behind the camera, or so far to the side that a lens model folds over
        x0, y0 = np.maximum(corners.min(axis=0), item.box2d[:2])
        x1, y1 = np.minimum(corners.max(axis=0) + 1, item.box2d[2:])
        shares.append(max(x1 - x0, 0) * max(y1 - y0, 0) / _box2d_area(item))
    return float(np.median(shares)) if shares else 1.0
