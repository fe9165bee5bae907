"""What a data source hands to the data engine: views with their scene, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene


@dataclass(frozen=True)
class SceneView:
    """One picture with its scene: what becomes one row of a data set.

    Attributes:
        view_id: unique within a data set and the same in every run, e.g. "simulation/train/000012/03".
        split: "train", "calibrate", ...
        source: kind of source, e.g. "simulation", "bag".
        licence: licence of the picture, as an SPDX expression where there is one.
        seed: seed of the scene it belongs to (0 for recorded pictures).
        scene: with an observation.
        instances: (H, W) uint16, `SceneObject.instance_id` per pixel, 0 background; None if unknown.
    """

    view_id: str
    split: str
    source: str
    licence: str
    seed: int
    scene: Scene
    instances: NDArray[np.uint16] | None = None

    def __post_init__(self) -> None:
        if self.scene.observation is None:
            raise DatasetError(
                "a view needs a picture", self.view_id, "Give the scene its observation, or yield a SkippedView."
            )
        shape = self.scene.observation.rgb.shape[:2]
        if self.instances is not None and self.instances.shape != shape:
            raise DatasetError(
                f"instances and picture of view {self.view_id} differ in size",
                (self.instances.shape, shape),
                "Render both with the same camera.",
            )

    @property
    def observation(self) -> Observation:
        """The camera frame (never None, see above)."""
        assert self.scene.observation is not None  # checked above; tells the type checker
        return self.scene.observation


@dataclass(frozen=True)
class SkippedView:
    """A view that could not be made, and why: counted in the manifest.

    Attributes:
        view_id: as in `SceneView`.
        reason: short and from a small set, e.g. "unreadable picture": reasons are counted by this text.
    """

    view_id: str
    reason: str


@runtime_checkable
class ViewSource(Protocol):
    """Where views come from.

    A source is picklable (each worker process gets a copy), and ``views(i)`` is a pure function of the source's
    configuration and ``i``: it may cache what is expensive, but neither the order of calls nor the process
    changes what it yields.
    """

    @property
    def name(self) -> str:
        """Kind of source, e.g. "simulation"."""
        ...

    def __len__(self) -> int:
        """Number of scenes."""
        ...

    def views(self, scene_index: int) -> Iterator[SceneView | SkippedView]:
        """The views of one scene, in a fixed order."""
        ...
