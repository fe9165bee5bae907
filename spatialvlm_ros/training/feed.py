"""Which view is seen at which step: a function of seed, step and process alone, so that a run resumes exactly."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.models.embedded.architecture import ModelShape
from spatialvlm_ros.models.embedded.picture import RAYS
from spatialvlm_ros.training.augmentation import Augmentation, Sample, augmented
from spatialvlm_ros.training.view_store import StoredView, read_scene

_NAME = re.compile(r"\d+\.npz")


class Feed:
    """Views of a store in a random order that has no end.

    Scenes are read when they are first needed and kept in memory; with several processes each reads its own part.

    Args:
        folder: of the view store.
        shape: of the model.
        cell: pixels per cell of the label maps.
        augmentation: how views are changed.
        seed: of the order and the changes.
        rank, world: number of this process and of all processes.
        camera_mode: how pictures lie on the canvas.

    Raises:
        TrainingError: the store has fewer scenes than there are processes.
    """

    def __init__(
        self,
        folder: str | Path,
        shape: ModelShape,
        cell: int,
        augmentation: Augmentation,
        seed: int,
        rank: int = 0,
        world: int = 1,
        camera_mode: str = RAYS,
    ) -> None:
        paths = sorted(p for p in Path(folder).rglob("*.npz") if _NAME.fullmatch(p.name))
        if len(paths) < world:
            raise TrainingError("the view store has too few scenes", (str(folder), len(paths)), "Render more of them.")
        self._paths = paths[rank::world]
        self._shape, self._cell, self._augmentation = shape, cell, augmentation
        self._seed, self.rank, self.camera_mode = seed, rank, camera_mode
        self._scenes: dict[int, list[StoredView]] = {}

    def scenes(self) -> int:
        """Number of scenes this process sees."""
        return len(self._paths)

    def batch(self, step: int, size: int) -> list[Sample]:
        """The samples of one step: ``size`` views of different scenes where there are as many."""
        views = [self._draw(step * size + k) for k in range(size)]
        width, height = self._shape.width, self._shape.height
        return [
            augmented(view, width, height, self._cell, self._augmentation, rng, self.camera_mode) for view, rng in views
        ]

    def _draw(self, number: int) -> tuple[StoredView, np.random.Generator]:
        rng = np.random.default_rng([self._seed, self.rank, number])
        epoch, place = divmod(number, len(self._paths))
        order = _order(self._seed, self.rank, epoch, len(self._paths))
        for k in range(len(order)):  # a scene may have no view at all
            views = self._views(int(order[(place + k) % len(order)]))
            if views:
                return views[int(rng.integers(len(views)))], rng
        raise TrainingError("the view store has no views", str(self._paths[0].parent), "Render it again.")

    def _views(self, scene: int) -> list[StoredView]:
        if scene not in self._scenes:
            self._scenes[scene] = [v for v in read_scene(self._paths[scene]) if v.scene.objects]
        return self._scenes[scene]


@lru_cache(maxsize=4)
def _order(seed: int, rank: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, rank, epoch, 7]).permutation(n)
