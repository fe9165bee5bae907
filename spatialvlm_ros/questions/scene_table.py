"""Many scenes as one set of arrays, so that questions of all of them are computed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.scenes.pairs import Frames, Pairs
from spatialvlm_ros.scenes.scene import Scene

Float = NDArray[np.float64]
Int = NDArray[np.int64]

NO_ROW = -1


@dataclass(frozen=True)
class SceneTable:
    """S scenes with N objects in all, one row per object; row N is the camera of every scene.

    Attributes:
        scenes: S, how many scenes.
        scene: (N,) scene of each object.
        index: (N,) its index in that scene's objects.
        labels: N labels as given.
        visible: (N,) visible fraction.
        located: (N,) whether it has a 3D box.
        boxes: N + 1 boxes, optical frame of the object's own scene; NaN centres where not located.
        ranges: (N + 1,) metres from the camera to each centre.
        frames: S frames.
        own_heights: (N + 1,) metres of the camera over the plane that supports the object, NaN if unknown.
        gaps: all gap matrices one after another, flat, NaN unknown; `_gap_start` (S,) where each begins, -1 for none.
        counts: (S,) objects per scene.
    """

    scenes: int
    scene: Int
    index: Int
    labels: list[str]
    visible: Float
    located: NDArray[np.bool_]
    boxes: Boxes
    ranges: Float
    frames: Frames
    own_heights: Float
    gaps: Float
    _gap_start: Int
    counts: Int

    @property
    def camera(self) -> int:
        """The row of the camera."""
        return len(self.scene)

    @staticmethod
    def of(scenes: Sequence[Scene]) -> SceneTable:
        """The table of ``scenes``."""
        objects = [o for s in scenes for o in s.objects]
        counts = np.array([len(s.objects) for s in scenes], dtype=np.int64)
        total = len(objects)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else counts
        located = np.array([o.box3d is not None for o in objects], dtype=bool)
        centers = np.full((total + 1, 3), np.nan)
        sizes = np.zeros((total + 1, 3))
        rotations = np.broadcast_to(np.eye(3), (total + 1, 3, 3)).copy()
        rows = np.flatnonzero(located)
        known = [o.box3d for o in objects if o.box3d is not None]
        if known:
            centers[rows] = np.concatenate([b.centers for b in known])
            sizes[rows] = np.concatenate([b.sizes for b in known])
            rotations[rows] = np.concatenate([b.rotations for b in known])
        centers[total] = 0.0
        heights = [np.nan if o.camera_height is None else o.camera_height for o in objects]
        gap_start, gaps = _flat_gaps(scenes)
        return SceneTable(
            scenes=len(scenes),
            scene=np.repeat(np.arange(len(scenes)), counts),
            index=np.arange(total) - np.repeat(starts, counts),
            labels=[o.label for o in objects],
            visible=np.array([o.visible_fraction for o in objects], dtype=np.float64),
            located=located,
            boxes=Boxes(centers, sizes, rotations),
            ranges=np.sqrt(np.einsum("ni,ni->n", centers, centers)),
            frames=Frames.of([s.frame for s in scenes]),
            own_heights=np.array([*heights, np.nan]),
            gaps=gaps,
            _gap_start=gap_start,
            counts=counts,
        )

    def pairs(self, subjects: Int, references: Int | None) -> Pairs:
        """`Pairs` of rows; both objects of a pair belong to one scene, and the subject is not the camera.

        The rows carry what `scene_pairs` would give them (contacts, which no family needs, are left out).
        """
        scene = self.scene[subjects]
        frames = self.frames[scene]
        own = self.own_heights[subjects]
        frames = Frames(
            frames.levels,
            frames.ups,
            frames.forwards,
            frames.lefts,
            np.where(np.isnan(own), frames.camera_heights, own),
        )
        reference = None if references is None else self.boxes[references]
        return Pairs(self.boxes[subjects], reference, frames, self._pair_gaps(scene, subjects, references))

    def _pair_gaps(self, scene: Int, subjects: Int, references: Int | None) -> Float | None:
        if references is None or not len(self.gaps):
            return None
        known = (self._gap_start[scene] >= 0) & (references < self.camera)
        gaps = np.full(len(subjects), np.nan)
        s, r, k = subjects[known], references[known], scene[known]
        gaps[known] = self.gaps[self._gap_start[k] + self.index[s] * self.counts[k] + self.index[r]]
        return gaps


def _flat_gaps(scenes: Sequence[Scene]) -> tuple[Int, Float]:
    starts, parts, at = [], [], 0
    for scene in scenes:
        if scene.gaps is None:
            starts.append(-1)
            continue
        starts.append(at)
        parts.append(np.asarray(scene.gaps, dtype=np.float64).ravel())
        at += scene.gaps.size
    return np.array(starts, dtype=np.int64), np.concatenate(parts) if parts else np.zeros(0)
