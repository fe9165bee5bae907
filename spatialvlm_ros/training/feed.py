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
from spatialvlm_ros.training.view_store import SceneFile, StoredView

_NAME = re.compile(r"\d+\.npz")


class Feed:
    """Views of a store in a random order that has no end.

    Views are read one by one when they are drawn, and kept while there is room; with several processes each reads its
    own part of the scenes.

    Args:
        folder: of the view store.
        shape: of the model.
        cell: pixels per cell of the label maps.
        augmentation: how views are changed.
        seed: of the order and the changes.
        rank, world: number of this process and of all processes.
        camera_mode: how pictures lie on the canvas.
        keep_mib: memory for views that were read. Every view is as likely to be drawn next, so the first ones stay.

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
        keep_mib: float = 2048,
    ) -> None:
        paths = sorted(p for p in Path(folder).rglob("*.npz") if _NAME.fullmatch(p.name))
        if len(paths) < world:
            raise TrainingError("the view store has too few scenes", (str(folder), len(paths)), "Render more of them.")
        self._paths = paths[rank::world]
        self._shape, self._cell, self._augmentation = shape, cell, augmentation
        self._seed, self.rank, self.camera_mode = seed, rank, camera_mode
        self._shown: dict[int, tuple[int, ...]] = {}
        self._kept: dict[tuple[int, int], StoredView] = {}
        self._room = keep_mib * 2**20

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
            view = self._view(int(order[(place + k) % len(order)]), rng)
            if view is not None:
                return view, rng
        raise TrainingError("the view store has no views", str(self._paths[0].parent), "Render it again.")

    def _view(self, scene: int, rng: np.random.Generator) -> StoredView | None:
        """One of a scene's views that show any object; None where there is none."""
        if scene not in self._shown:
            with SceneFile(self._paths[scene]) as file:
                self._shown[scene] = file.shown()
        shown = self._shown[scene]
        if not shown:
            return None
        number = shown[int(rng.integers(len(shown)))]
        return self._kept.get((scene, number)) or self._read(scene, number)

    def _read(self, scene: int, number: int) -> StoredView:
        with SceneFile(self._paths[scene]) as file:
            view = file.view(number)
        if self._room >= (size := view.nbytes()):
            self._room -= size
            self._kept[scene, number] = view
        return view


@lru_cache(maxsize=4)
def _order(seed: int, rank: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, rank, epoch, 7]).permutation(n)
