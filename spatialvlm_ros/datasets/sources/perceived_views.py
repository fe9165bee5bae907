"""Recorded captures become views: the open-world pipeline (or boxes from a sidecar file) makes their scenes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.sources.captures import CaptureSource
from spatialvlm_ros.datasets.views import SceneView, SkippedView
from spatialvlm_ros.errors import ConfigError, PerceptionError, SourceError
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.pipeline import OpenWorldPipeline
from spatialvlm_ros.perception.registry import build_pipeline
from spatialvlm_ros.scenes.scene import Scene

# Detector configuration for pictures with hand-drawn boxes beside them: no weights at all.
_SIDECAR_PIPELINE: Mapping[str, Any] = {
    "detector": {"expert": "sidecar"},
    "segmenter": {"expert": "sidecar"},
    "options": {
        "max_overlap": 0.95,
        "max_objects": 40,
        "max_box_share": 1.0,
        "min_box_share": 0.0,
        "max_caption_words": 12,
    },
}


def sidecar_pipeline(labels: str) -> dict[str, Any]:
    """The configuration of a pipeline that takes its boxes and masks from a labels file."""
    config = {name: dict(value) for name, value in _SIDECAR_PIPELINE.items()}
    config["detector"]["labels"] = config["segmenter"]["labels"] = str(labels)
    return config


@dataclass(frozen=True)
class PerceivedViews:
    """Views of recorded pictures (`ViewSource`).

    Attributes:
        captures: the pictures.
        pipeline: configuration of the open-world pipeline, as in config/open_world.yaml. Each process loads the models
            itself, when it needs them first.
        split: name of the split that all views belong to.
        captures_per_scene: so many consecutive captures make one scene of the engine, and one batch of the experts.
        every: take every n-th capture only (neighbouring frames of a recording show the same).
        batch_size: pictures that filter, detector and depth model see at a time.
        digests: of the files that people may edit between two runs, by name (`digests_of`): they decide the views
            as the settings do.
    """

    captures: CaptureSource
    pipeline: Mapping[str, Any]
    split: str = "train"
    captures_per_scene: int = 8
    every: int = 1
    batch_size: int = 4
    digests: Mapping[str, str] = field(default_factory=dict)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        for name in ("captures_per_scene", "every", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be positive", getattr(self, name), "Give 1 or more.")
        object.__setattr__(self, "name", self.captures.name)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_loaded"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __len__(self) -> int:
        return -(-self._count // self.captures_per_scene)

    @property
    def _count(self) -> int:
        return -(-len(self.captures) // self.every)

    def views(self, scene_index: int) -> Iterator[SceneView | SkippedView]:
        start = scene_index * self.captures_per_scene
        indices = range(start, min(start + self.captures_per_scene, self._count))
        for low in range(0, len(indices), self.batch_size):
            yield from self._some([self.captures.capture(i * self.every) for i in indices[low : low + self.batch_size]])

    def _some(self, items: list[Capture | SkippedView]) -> Iterator[SceneView | SkippedView]:
        results = iter(self._experts().run_batch([item for item in items if isinstance(item, Capture)]))
        for item in items:
            if isinstance(item, SkippedView):
                yield SkippedView(self._view_id(item.view_id), item.reason)
                continue
            result = next(results)
            if result.scene is None:
                yield SkippedView(self._view_id(item.name), result.skipped)
            else:
                yield self._view(item.name, result.scene)

    def _view(self, name: str, scene: Scene) -> SceneView:
        scene, instances = with_instances(scene)
        return SceneView(self._view_id(name), self.split, self.name, self.captures.licence, 0, scene, instances)

    def _view_id(self, name: str) -> str:
        return f"{self.name}/{self.split}/{name}"

    def _experts(self) -> OpenWorldPipeline:
        """The pipeline of this process.

        Raises:
            ConfigError: it cannot be built, also where a model or the labels cannot be loaded: no view can ever come
                of it.
        """
        if "_loaded" not in self.__dict__:
            try:
                object.__setattr__(self, "_loaded", build_pipeline(self.pipeline))
            except (PerceptionError, SourceError) as error:
                raise ConfigError(error.fault, error.value, error.remedy) from error
        return self.__dict__["_loaded"]


def digests_of(files: Iterable[Path]) -> dict[str, str]:
    """File -> digest of its content.

    Raises:
        SourceError: a file cannot be read.
    """
    found = {}
    for path in files:
        try:
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise SourceError(f"the file {path} cannot be read", error.strerror, "Check the path.") from error
    return found


def with_instances(scene: Scene) -> tuple[Scene, NDArray[np.uint16] | None]:
    """The scene with instance ids 1, 2, ... and their picture; (scene, None) if an object has no mask.

    Where masks overlap the smaller object is shown; one that is hidden completely keeps no instance id.
    """
    masks = [item.mask for item in scene.objects if item.mask is not None]
    if scene.observation is None or not masks or len(masks) != len(scene.objects):
        return scene, None
    instances = np.zeros(scene.observation.rgb.shape[:2], np.uint16)
    for index in sorted(range(len(masks)), key=lambda i: -int(np.count_nonzero(masks[i]))):
        instances[masks[index]] = index + 1
    seen = set(np.unique(instances).tolist())
    objects = tuple(
        replace(item, instance_id=index + 1 if index + 1 in seen else 0) for index, item in enumerate(scene.objects)
    )
    return replace(scene, objects=objects), instances
