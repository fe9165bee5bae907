"""Your own recordings as training views: a data set of the data engine becomes a view store at the training size."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spatialvlm_ros.datasets.reader import Dataset
from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.embedded.picture import without_lens
from spatialvlm_ros.scenes.scene import SceneObject
from spatialvlm_ros.simulation.assets.storage import sha256_of
from spatialvlm_ros.training.config import StoreConfig
from spatialvlm_ros.training.rendering import SETTINGS_FILE
from spatialvlm_ros.training.training_split import open_for_training
from spatialvlm_ros.training.view_store import scene_path, write_scene

Float = NDArray[np.float64]

WIDTH = 320
_VIEWS_PER_FILE = 16
_HELD_OUT = 10  # one file in ten is for validation
_EDGE_POINTS = 9  # along each side of a box that a lens has bent
_LEAST_SEEN = 0.1  # share of a box that must be left in the straightened picture
EXACT_SOURCES = ("simulation", "synthetic")  # sources that know metres; those of all others were lifted from depth
_MEASURED_SIDE = 0.1  # of the picture's width: smaller things come out of depth 10 to 30% too narrow
_MEASURED_EXTENT = 0.02  # of the range: thinner things are lost in the depth's noise


def store_dataset(
    dataset: str | Path, folder: str | Path, width: int = WIDTH, split: str | None = None
) -> tuple[StoreConfig, StoreConfig]:
    """Writes the views of a data set into two stores: resized, and straightened where the camera has a lens.

    Args:
        dataset: folder made by ``spatialvlm generate``.
        folder: of the stores; files that are there already are kept.
        width: of the stored pictures, pixels.
        split: of the data set; "train" by default, or all of it where it has none of that name.

    Returns:
        The stores for training and validation: runs of 16 consecutive views, every tenth run held out (where there are
        fewer than two runs both are the same).

    Raises:
        TrainingError: no view has an object with a known 3D box, or the stores hold another data set.
        DatasetError: the data set is not there or damaged, or has no such split.
    """
    folder = Path(folder)
    data = open_for_training(dataset, split)
    made_of = {
        "dataset": str(Path(dataset).resolve()),
        "views": len(data),
        "width": width,
        "splits": list(data.splits),
        "sha256": _content_hash(data),
    }
    for part in ("train", "validate"):
        _check_settings(folder / part, made_of)
    blocks: list[list[SceneView]] = [[]]
    count = 0
    for view, _ in data.views(masks=False):
        small = with_known_metres(_resized(_straightened(view), width))
        if not small.scene.objects:
            continue
        if len(blocks[-1]) == _VIEWS_PER_FILE:
            count = _write(folder, blocks.pop(), count)
            blocks.append([])
        blocks[-1].append(small)
    if blocks[-1]:
        count = _write(folder, blocks[-1], count)
    if not count:
        raise TrainingError("the data set has no objects in 3D", str(dataset), "Give it depth, or use another one.")
    held_out = folder / "validate" if count > 1 else folder / "train"
    return StoreConfig(str(folder / "train")), StoreConfig(str(held_out))


def _content_hash(data: Dataset) -> str:
    """Of the shards' files: a data set that was generated anew, with other names or metres, is another one."""
    return hashlib.sha256("".join(sha256_of(shard.path) for shard in data.shards).encode()).hexdigest()


def _check_settings(folder: Path, made_of: dict[str, Any]) -> None:
    """Says in the store what it was made of; files of another data set would be taken for those of this one."""
    path = folder / SETTINGS_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made_of, indent=1), encoding="utf-8")
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    if any(made_of.get(name) != value for name, value in there.items()):  # older stores know less of what they hold
        raise TrainingError("the view store was made of another data set", there, "Set `out` to another folder.")


def _write(folder: Path, views: list[SceneView], number: int) -> int:
    part = "validate" if number % _HELD_OUT == 1 else "train"
    path = scene_path(folder / part, number)
    if not path.exists():
        write_scene(path, views)
    return number + 1


def with_known_metres(view: SceneView) -> SceneView:
    """Without objects that have no place in 3D, and without sizes that depth cannot tell."""
    kept = [k for k, o in enumerate(view.scene.objects) if o.box3d is not None and 0 <= o.instance_id < 256]
    gaps = None if view.scene.gaps is None else view.scene.gaps[np.ix_(kept, kept)]
    objects = tuple(view.scene.objects[k] for k in kept)
    if view.source not in EXACT_SOURCES:
        objects = tuple(_measured(o, view.observation.camera.width) for o in objects)
    return replace(view, scene=replace(view.scene, objects=objects, gaps=gaps, contacts=None))


def _measured(thing: SceneObject, width: int) -> SceneObject:
    """With NaN for its sizes where depth does not tell them; where it is, depth tells to a per cent all the same."""
    box = thing.box3d
    assert box is not None  # asked before; tells the type checker
    x0, y0, x1, y1 = thing.box2d
    thin = float(box.sizes.min()) < _MEASURED_EXTENT * float(np.linalg.norm(box.centers[0]))
    if not thin and min(x1 - x0, y1 - y0) >= _MEASURED_SIDE * width:
        return thing
    return replace(thing, box3d=Boxes(box.centers, np.full((1, 3), np.nan), box.rotations))


def _resized(view: SceneView, width: int) -> SceneView:
    observation = view.observation
    camera = observation.camera
    if camera.width == width:
        return view
    height = max(round(camera.height * width / camera.width), 1)
    rgb = np.asarray(Image.fromarray(observation.rgb).resize((width, height), Image.Resampling.BILINEAR))
    rows = np.minimum((np.arange(height) + 0.5) * camera.height / height, camera.height - 1).astype(np.int64)
    columns = np.minimum((np.arange(width) + 0.5) * camera.width / width, camera.width - 1).astype(np.int64)
    depth = None if observation.depth is None else observation.depth[rows[:, None], columns]
    instances = None if view.instances is None else view.instances[rows[:, None], columns]
    scale = np.array([width / camera.width, height / camera.height] * 2)
    objects = tuple(replace(o, box2d=o.box2d * scale, mask=None) for o in view.scene.objects)
    small = replace(observation, rgb=rgb, camera=camera.resized(width, height), depth=depth)
    return replace(view, instances=instances, scene=replace(view.scene, observation=small, objects=objects))


def _straightened(view: SceneView) -> SceneView:
    """As a pinhole camera with the same matrix sees it: what the model is shown of a camera with a lens."""
    camera = view.observation.camera
    if camera.distortion_model == "none":
        return view
    import cv2  # only pictures with a lens need it

    pinhole = without_lens(camera)
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    there = camera.project(pinhole.rays(np.column_stack([u.ravel(), v.ravel()]))).astype(np.float32)
    columns, rows = (np.nan_to_num(there[:, k], nan=-1e4).reshape(u.shape) for k in (0, 1))
    observation = view.observation
    grey = (127.0, 127.0, 127.0)
    rgb = cv2.remap(observation.rgb, columns, rows, cv2.INTER_LINEAR, borderValue=grey).astype(np.uint8)
    depth, instances = observation.depth, view.instances
    if depth is not None:
        depth = cv2.remap(depth, columns, rows, cv2.INTER_NEAREST, borderValue=np.nan).astype(np.float32)
    if instances is not None:
        instances = cv2.remap(instances, columns, rows, cv2.INTER_NEAREST, borderValue=0).astype(np.uint16)
    moved = [_straightened_object(o, camera, pinhole) for o in view.scene.objects]
    kept = [k for k, o in enumerate(moved) if o is not None]
    gaps = None if view.scene.gaps is None else view.scene.gaps[np.ix_(kept, kept)]
    objects = tuple(o for o in moved if o is not None)
    flat = replace(observation, rgb=rgb, camera=pinhole, depth=depth)
    scene = replace(view.scene, observation=flat, objects=objects, gaps=gaps, contacts=None)
    return replace(view, instances=instances, scene=scene)


def _straightened_object(thing: SceneObject, camera: Camera, pinhole: Camera) -> SceneObject | None:
    """With the box that holds its bent box; None where that is outside the picture."""
    x0, y0, x1, y1 = thing.box2d - 0.5  # edges, where the centre of the first pixel is 0
    along = np.linspace(0, 1, _EDGE_POINTS)[:, None]
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    border = np.concatenate([a + along * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)])
    moved = pinhole.project(camera.rays(border)) + 0.5
    if not np.isfinite(moved).all():
        return None
    whole = np.concatenate([moved.min(axis=0), moved.max(axis=0)])
    left = np.clip(whole, 0, [pinhole.width, pinhole.height] * 2)
    share = _area(left) / max(_area(whole), 1e-9)
    if share < _LEAST_SEEN:
        return None
    return replace(thing, box2d=left, mask=None, visible_fraction=thing.visible_fraction * share)


def _area(box: Float) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
