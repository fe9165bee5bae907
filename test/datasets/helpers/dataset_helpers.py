"""Sources that misbehave, and digests of data sets. Importable by name, so that worker processes can unpickle them."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from spatialvlm_ros.datasets.pictures import decode_rgb
from spatialvlm_ros.datasets.reader import open_dataset
from spatialvlm_ros.datasets.synthetic import SyntheticViews
from spatialvlm_ros.datasets.views import SceneView, SkippedView
from spatialvlm_ros.errors import ConfigError, SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame

SMALL = SyntheticViews(scenes=5, views_per_scene=2, width=64, height=48)


def digest(folder: Path) -> dict[str, tuple[str, str]]:
    """view_id -> (hash of the decoded pixels, hash of all questions, answers and values)."""
    hashes = {}
    for row in open_dataset(folder).rows():
        pixels = decode_rgb(row["rgb"]["bytes"]).tobytes() + row["depth"]["bytes"] + row["instances"]["bytes"]
        text = "\n".join(f"{q['question']}\t{q['answer']}\t{q['value']!r}" for q in row["qa"])
        assert row["view_id"] not in hashes
        hashes[row["view_id"]] = (hashlib.sha256(pixels).hexdigest(), hashlib.sha256(text.encode()).hexdigest())
    return hashes


def a_view(scene: int = 0, **changes: object) -> SceneView:
    """The first view of a synthetic scene, 64x48."""
    view = next(iter(replace(SMALL, **changes).views(scene)))
    assert isinstance(view, SceneView)
    return view


@dataclass(frozen=True)
class DyingViews:
    """Kills its own process in a scene: once if ``marker`` is given (the file remembers it), else always."""

    deadly_scene: int
    marker: Path | None = None
    inner: SyntheticViews = SMALL
    name: str = "synthetic"

    def __len__(self) -> int:
        return len(self.inner)

    def views(self, scene_index: int) -> Iterator[SceneView | SkippedView]:
        if scene_index == self.deadly_scene and not (self.marker and self.marker.exists()):
            if self.marker is not None:
                self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield from self.inner.views(scene_index)

    def describe(self) -> object:
        return self.inner


@dataclass(frozen=True)
class HangingViews:
    """Its process does not end by itself, as with some renderers."""

    inner: SyntheticViews = SMALL
    name: str = "synthetic"

    def __len__(self) -> int:
        return len(self.inner)

    def views(self, scene_index: int) -> Iterator[SceneView | SkippedView]:
        if scene_index == 0:
            threading.Thread(target=time.sleep, args=(600,)).start()
        yield from self.inner.views(scene_index)


@dataclass(frozen=True)
class FaultyViews:
    """A synthetic source where the first view of scene i is spoilt by ``faults[i]`` (a function name below)."""

    faults: dict[int, str] = field(default_factory=dict)
    inner: SyntheticViews = SMALL
    name: str = "synthetic"

    def __len__(self) -> int:
        return len(self.inner)

    def views(self, scene_index: int) -> Iterator[SceneView | SkippedView]:
        views = list(self.inner.views(scene_index))
        if scene_index in self.faults:
            views[0] = FAULTS[self.faults[scene_index]](views[0])
        yield from views


def _with_observation(view: SceneView, **changes: object) -> SceneView:
    return replace(view, scene=replace(view.scene, observation=replace(view.observation, **changes)))


def _with_object(view: SceneView, index: int, **changes: object) -> SceneView:
    objects = list(view.scene.objects)
    objects[index] = replace(objects[index], **changes)
    return replace(view, scene=replace(view.scene, objects=tuple(objects)))


def blank_picture(view: SceneView) -> SceneView:
    return _with_observation(view, rgb=np.full_like(view.observation.rgb, 7))


def nan_depth(view: SceneView) -> SceneView:
    return _with_observation(view, depth=np.full_like(view.observation.depth, np.nan))


def missing_depth(view: SceneView) -> SceneView:
    return _with_observation(view, depth=None)


def empty_mask(view: SceneView) -> SceneView:
    return _with_object(view, 0, mask=np.zeros(view.observation.rgb.shape[:2], dtype=bool))


def lost_instance(view: SceneView) -> SceneView:
    gone = view.scene.objects[0].instance_id
    return replace(view, instances=np.where(view.instances == gone, 0, view.instances).astype(np.uint16))


def empty_box(view: SceneView) -> SceneView:
    return _with_object(view, 0, box2d=np.array([9.0, 9.0, 9.0, 20.0]))


def wrong_camera(view: SceneView) -> SceneView:
    camera = view.observation.camera
    other = Camera(camera.width, camera.height, camera.fx * 3, camera.fy * 3, camera.cx, camera.cy)
    return _with_observation(view, camera=other)


def nan_box(view: SceneView) -> SceneView:
    box = view.scene.objects[0].box3d
    return _with_object(view, 0, box3d=replace(box, centers=box.centers * np.nan))


def no_objects(view: SceneView) -> SceneView:
    return replace(view, scene=replace(view.scene, objects=(), gaps=None, contacts=None))


def plain_picture(view: SceneView) -> SceneView:
    """Nothing but colours, names and 2D and 3D boxes."""
    view = _with_observation(view, depth=None, up=None, camera_height=None)
    scene = replace(view.scene, frame=CanonicalFrame.unknown(), gaps=None, contacts=None)
    return replace(view, scene=scene, instances=None)


def points_instead_of_gaps(view: SceneView) -> SceneView:
    objects = tuple(replace(o, points=o.box3d.corners()[0]) for o in view.scene.objects)
    return replace(view, scene=replace(view.scene, objects=objects, gaps=None))


def source_error(view: SceneView) -> SceneView:
    raise SourceError("the recording ends in the middle of a message", "run.mcap", "Record it again.")


def library_error(view: SceneView) -> SceneView:
    raise ZeroDivisionError("a fault of some library")


def fatal_error(view: SceneView) -> SceneView:
    raise ConfigError("there is no such model", "magic")


FAULTS = {
    function.__name__: function
    for function in (
        blank_picture,
        nan_depth,
        missing_depth,
        empty_mask,
        lost_instance,
        empty_box,
        wrong_camera,
        nan_box,
        no_objects,
        plain_picture,
        points_instead_of_gaps,
        source_error,
        library_error,
        fatal_error,
    )
}
