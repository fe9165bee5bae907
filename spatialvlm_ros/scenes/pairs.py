"""Pairs of objects as arrays: what a relation is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import GeometryError, RelationError
from spatialvlm_ros.geometry.boxes import Boxes, Index
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.scene import Scene

Float = NDArray[np.float64]

CAMERA = -1  # the index that stands for the camera itself: a point at the origin of the optical frame


@dataclass(frozen=True)
class Frames:
    """N canonical frames (see `CanonicalFrame`), one per pair.

    Attributes:
        levels: (N,) 0, 1 or 2.
        ups, forwards, lefts: (N, 3) unit vectors in the optical frame.
        camera_heights: (N,) metres over the plane that supports the subject, NaN if unknown.
    """

    levels: NDArray[np.int64]
    ups: Float
    forwards: Float
    lefts: Float
    camera_heights: Float

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, index: Index) -> Frames:
        return Frames(
            self.levels[index],
            self.ups[index],
            self.forwards[index],
            self.lefts[index],
            self.camera_heights[index],
        )

    @staticmethod
    def of(frames: Sequence[CanonicalFrame]) -> Frames:
        """The arrays of a sequence of frames."""
        return Frames(
            np.array([f.level for f in frames], dtype=np.int64),
            np.array([f.up for f in frames], dtype=np.float64).reshape(-1, 3),
            np.array([f.forward for f in frames], dtype=np.float64).reshape(-1, 3),
            np.array([f.left for f in frames], dtype=np.float64).reshape(-1, 3),
            np.array([np.nan if f.camera_height is None else f.camera_height for f in frames], dtype=np.float64),
        )

    @staticmethod
    def repeat(frame: CanonicalFrame, n: int) -> Frames:
        """The same frame n times."""
        return Frames.of([frame])[np.zeros(n, dtype=np.int64)]


@dataclass(frozen=True)
class Pairs:
    """N rows of objects to relate, of one scene or of many.

    Attributes:
        subject: N boxes, optical frame, metres.
        reference: N boxes, or None for quantities of one object.
        frames: N frames.
        gaps: (N,) metres between the true surfaces, NaN where unknown (boxes stand in); or None.
        contacts: (N,) bool whether subject and reference touch (for `lifted`: whether anything supports the
            subject); or None where contacts are unknown.
        third: N boxes, the second reference of `between`; else None.
    """

    subject: Boxes
    reference: Boxes | None
    frames: Frames
    gaps: Float | None = None
    contacts: NDArray[np.bool_] | None = None
    third: Boxes | None = None

    def __post_init__(self) -> None:
        n = len(self.subject)
        for name in ("reference", "frames", "gaps", "contacts", "third"):
            part = getattr(self, name)
            if part is not None and len(part) != n:
                raise GeometryError(f"pairs need one {name} row per subject", (n, len(part)), "Align the arrays.")

    def __len__(self) -> int:
        return len(self.subject)


def scene_pairs(
    scene: Scene,
    subjects: Sequence[int] | NDArray[np.int64],
    references: Sequence[int] | NDArray[np.int64] | None = None,
    thirds: Sequence[int] | NDArray[np.int64] | None = None,
) -> Pairs:
    """`Pairs` from indices into ``scene.objects``; `CAMERA` (-1) is the camera.

    Raises:
        RelationError: an index is out of range.
        GeometryError: an object has no 3D box.
    """
    boxes = Boxes.concatenate([scene.boxes(), Boxes.points(np.zeros(3))])  # the last row, index -1, is the camera
    s = _indices(scene, subjects)
    r = None if references is None else _indices(scene, references)
    t = None if thirds is None else _indices(scene, thirds)
    heights = np.array([np.nan if o.camera_height is None else o.camera_height for o in scene.objects] + [np.nan])
    frames = Frames.repeat(scene.frame, len(s))
    own = heights[s]
    frames = Frames(
        frames.levels, frames.ups, frames.forwards, frames.lefts, np.where(np.isnan(own), frames.camera_heights, own)
    )
    return Pairs(
        subject=boxes[s],
        reference=None if r is None else boxes[r],
        frames=frames,
        gaps=None if r is None else _known_gaps(scene, s, r),
        contacts=None if r is None else _known_contacts(scene, s, r),
        third=None if t is None else boxes[t],
    )


def _indices(scene: Scene, given: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    index = np.asarray(given, dtype=np.int64)
    if index.size and (index.min() < CAMERA or index.max() >= len(scene.objects)):
        raise RelationError(
            "no such object in the scene", index.tolist(), f"Use 0..{len(scene.objects) - 1} or CAMERA."
        )
    return index


def _known_gaps(scene: Scene, s: NDArray[np.int64], r: NDArray[np.int64]) -> Float | None:
    if scene.gaps is None:
        return None
    gaps = np.full((len(scene.objects) + 1,) * 2, np.nan)
    gaps[:-1, :-1] = scene.gaps
    return gaps[s, r]


def _known_contacts(scene: Scene, s: NDArray[np.int64], r: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    if scene.contacts is None:
        return None
    touching = np.zeros((len(scene.objects) + 1,) * 2, dtype=bool)
    for i, j in scene.contacts:
        touching[i, j] = touching[j, i] = True
    return touching[s, r]
