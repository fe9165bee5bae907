"""Rendered views at the training size, one file per scene: what the trainer reads instead of rendering again.

A store holds less than a data set of the data engine, and needs less to be read: NumPy and Pillow. Depth and instances
are kept at the coarser steps that dense supervision uses. Files are written whole or not at all, so a store that was
interrupted goes on where it stopped.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.scene import Scene, SceneObject

Float = NDArray[np.float64]

DEPTH_STEP = 4  # every fourth pixel of every fourth row
INSTANCE_STEP = 2
_JPEG_QUALITY = 95
_OBJECT_BYTES = 1500  # of a SceneObject with its arrays
_FORMAT = 1
_ARRAYS = ("rgb", "depth", "instances", "box2d", "centers", "sizes", "rotations", "gaps", "up")  # of each view


@dataclass(frozen=True)
class StoredView:
    """One view at the training size.

    Attributes:
        view_id: as in `SceneView`.
        jpeg: the picture's bytes (H, W, 3).
        camera: pinhole camera of the picture.
        depth: (ceil(H / 4), ceil(W / 4)) float16 metres of pixels (2, 2), (2, 6), ..., 0 where nothing was hit.
        instances: (ceil(H / 2), ceil(W / 2)) uint8 instance ids of pixels (1, 1), (1, 3), ...
        scene: objects with boxes, names and gaps; no observation, no masks.
    """

    view_id: str
    jpeg: bytes
    camera: Camera
    depth: NDArray[np.float16]
    instances: NDArray[np.uint8]
    scene: Scene

    def picture(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8."""
        with Image.open(io.BytesIO(self.jpeg)) as image:
            return np.asarray(image.convert("RGB"))

    def nbytes(self) -> int:
        """About the memory it takes, in bytes."""
        objects = len(self.scene.objects)
        return len(self.jpeg) + self.depth.nbytes + self.instances.nbytes + _OBJECT_BYTES * objects + 8 * objects**2


def scene_path(folder: str | Path, scene_index: int) -> Path:
    """Where the views of one scene are kept."""
    return Path(folder) / f"{scene_index // 1000:03d}" / f"{scene_index:06d}.npz"


def write_scene(path: str | Path, views: Sequence[SceneView]) -> None:
    """Writes the views of one scene (possibly none) in one step."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **_arrays(views))
    temporary.replace(path)


class SceneFile:
    """A stored scene whose views are read one by one: a training run draws one view of it at a time.

    Args:
        path: of the scene.

    Raises:
        DatasetError: the file is damaged or of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        with self._reading():
            self._file = np.load(path, allow_pickle=False)
            meta = json.loads(self._file["meta"].tobytes().decode())
            self._version, self._words = meta["format"], meta["views"]
        if self._version != _FORMAT:
            self.close()
            raise DatasetError("a stored scene has another format", self._version, "Delete the store; render again.")

    def __enter__(self) -> SceneFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._words)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def shown(self) -> tuple[int, ...]:
        """Numbers of the views that show any object."""
        return tuple(k for k, words in enumerate(self._words) if words["objects"])

    def view(self, k: int) -> StoredView:
        """The view of a number, counted from 0.

        Raises:
            DatasetError: it is damaged.
        """
        with self._reading():
            return _view({name: self._file[f"{name}{k}"] for name in _ARRAYS}, self._words[k])

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            fault, remedy = "a stored scene cannot be read", "Delete it; it is rendered again."
            raise DatasetError(fault, str(self._path), remedy) from error


def read_scene(path: str | Path) -> list[StoredView]:
    """The views of one scene.

    Raises:
        DatasetError: the file is damaged or of another version.
    """
    with SceneFile(path) as file:
        return [file.view(k) for k in range(len(file))]


def _arrays(views: Sequence[SceneView]) -> dict[str, NDArray[Any]]:
    meta = {"format": _FORMAT, "views": [_words(view) for view in views]}
    arrays: dict[str, NDArray[Any]] = {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    for k, view in enumerate(views):
        observation, scene = view.observation, view.scene
        boxes = scene.boxes() if scene.objects else Boxes.points(np.zeros((0, 3)))
        n, shape = len(scene.objects), observation.rgb.shape[:2]
        depth = np.zeros(shape, np.float32) if observation.depth is None else np.nan_to_num(observation.depth)
        instances = np.zeros(shape, np.uint16) if view.instances is None else view.instances
        arrays |= {
            f"rgb{k}": np.frombuffer(_jpeg(observation.rgb), np.uint8),
            f"depth{k}": depth[2::DEPTH_STEP, 2::DEPTH_STEP].astype(np.float16),
            f"instances{k}": instances[1::INSTANCE_STEP, 1::INSTANCE_STEP].astype(np.uint8),
            f"box2d{k}": np.array([o.box2d for o in scene.objects], np.float32).reshape(-1, 4),
            f"centers{k}": boxes.centers,
            f"sizes{k}": boxes.sizes,
            f"rotations{k}": boxes.rotations,
            f"gaps{k}": np.full((n, n), np.nan, np.float32) if scene.gaps is None else scene.gaps.astype(np.float32),
            f"up{k}": scene.frame.up if scene.frame.level else np.full(3, np.nan),
        }
    return arrays


def _words(view: SceneView) -> dict[str, Any]:
    camera, frame = view.observation.camera, view.scene.frame
    return {
        "id": view.view_id,
        "camera": [camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy],
        "camera_height": frame.camera_height,
        "support_id": frame.support_id,
        "objects": [
            {
                "label": o.label,
                "noun": o.noun,
                "attributes": list(o.attributes),
                "asset": o.asset,
                "visible": round(o.visible_fraction, 4),
                "instance": o.instance_id,
                "camera_height": o.camera_height,
                "support_id": o.support_id,
            }
            for o in view.scene.objects
        ],
    }


def _view(arrays: dict[str, NDArray[Any]], words: dict[str, Any]) -> StoredView:
    boxes = Boxes(arrays["centers"], arrays["sizes"], arrays["rotations"])
    objects = tuple(
        SceneObject(
            label=o["label"],
            box2d=arrays["box2d"][i],
            box3d=boxes[i],
            noun=o["noun"],
            attributes=tuple(o["attributes"]),
            visible_fraction=o["visible"],
            instance_id=o["instance"],
            asset=o["asset"],
            camera_height=o["camera_height"],
            support_id=o["support_id"],
        )
        for i, o in enumerate(words["objects"])
    )
    up = arrays["up"] if np.isfinite(arrays["up"]).all() else None
    frame = CanonicalFrame.from_up(up, words["camera_height"], words["support_id"])
    gaps = arrays["gaps"].astype(np.float64)
    contacts = frozenset((int(i), int(j)) for i, j in np.argwhere(np.triu(gaps == 0.0, k=1)))
    return StoredView(
        view_id=words["id"],
        jpeg=arrays["rgb"].tobytes(),
        camera=Camera(*words["camera"]),
        depth=arrays["depth"],
        instances=arrays["instances"],
        scene=Scene(None, objects, frame, gaps, contacts),
    )


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
