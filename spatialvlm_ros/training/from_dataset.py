"""Your own recordings as training views: a data set of the data engine becomes a view store at the training size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from spatialvlm_ros.datasets.reader import open_dataset
from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.training.config import StoreConfig
from spatialvlm_ros.training.view_store import scene_path, write_scene

WIDTH = 320
_VIEWS_PER_FILE = 16
_HELD_OUT = 10  # one file in ten is for validation


def store_dataset(dataset: str | Path, folder: str | Path, width: int = WIDTH) -> tuple[StoreConfig, StoreConfig]:
    """Writes the views of a data set, resized, into two stores.

    Args:
        dataset: folder made by ``spatialvlm generate``.
        folder: of the stores; files that are there already are kept.
        width: of the stored pictures, pixels.

    Returns:
        The stores for training and validation: runs of 16 consecutive views, every tenth run held out (where there are
        fewer than two runs both are the same).

    Raises:
        TrainingError: no view has an object with a known 3D box.
    """
    folder = Path(folder)
    blocks: list[list[SceneView]] = [[]]
    count = 0
    for view, _ in open_dataset(dataset).views(masks=False):
        small = _usable(_resized(view, width))
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


def _write(folder: Path, views: list[SceneView], number: int) -> int:
    part = "validate" if number % _HELD_OUT == 1 else "train"
    path = scene_path(folder / part, number)
    if not path.exists():
        write_scene(path, views)
    return number + 1


def _usable(view: SceneView) -> SceneView:
    """Without objects that have no place in 3D."""
    kept = [k for k, o in enumerate(view.scene.objects) if o.box3d is not None and 0 <= o.instance_id < 256]
    gaps = None if view.scene.gaps is None else view.scene.gaps[np.ix_(kept, kept)]
    objects = tuple(view.scene.objects[k] for k in kept)
    return replace(view, scene=replace(view.scene, objects=objects, gaps=gaps, contacts=None))


def _resized(view: SceneView, width: int) -> SceneView:
    observation = view.observation
    camera = observation.camera
    if camera.width == width or camera.distortion_model != "none":
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
