"""Objects in metres, and the scene that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import GeometryError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]


@dataclass(frozen=True)
class SceneObject:
    """One object of a view.

    Attributes:
        label: the words that name it, e.g. "red coffee mug".
        box2d: (4,) x0, y0, x1, y1 pixels of its visible part (x1, y1 exclusive).
        box3d: `Boxes` of length 1 in the optical frame: amodal (the whole object); with a known up one box axis
            is up, else aligned to the camera axes. None where no 3D is known.
        noun, attributes: parts of the label ("mug", ("red", "coffee")); the noun is the label where unknown.
        mask: (H, W) bool of the visible part, or None.
        points: (N, 3) metres, visible surface points in the optical frame, or None.
        surface: (M, 3) metres, samples of the COMPLETE surface (from a mesh), or None.
        visible_fraction: visible area over the area the whole object would cover unoccluded, uncropped; 0..1.
        instance_id: its value in the instances picture (0 is background).
        asset: id of the asset it was made from, or "".
        camera_height: metres of the camera above the plane that supports THIS object, or None.
        support_id: name of that plane ("table", "floor", ...), or None.
    """

    label: str
    box2d: Float
    box3d: Boxes | None = None
    noun: str = ""
    attributes: tuple[str, ...] = ()
    mask: NDArray[np.bool_] | None = None
    points: Float | None = None
    surface: Float | None = None
    visible_fraction: float = 1.0
    instance_id: int = 0
    asset: str = ""
    camera_height: float | None = None
    support_id: str | None = None

    def __post_init__(self) -> None:
        box2d = np.asarray(self.box2d, dtype=np.float64)
        if box2d.shape != (4,):
            raise GeometryError("a 2D box needs four numbers x0, y0, x1, y1", self.box2d, "Pass pixels.")
        object.__setattr__(self, "box2d", box2d)
        if self.box3d is not None and len(self.box3d) != 1:
            raise GeometryError("an object has one 3D box", len(self.box3d), "Pass Boxes of length 1.")
        if not self.noun:
            object.__setattr__(self, "noun", self.label)


@dataclass(frozen=True)
class Scene:
    """A camera frame with its objects.

    Attributes:
        observation: the frame; None for a scene that only has geometry (question generation needs no pixels).
        objects: in the order of their index in questions.
        frame: canonical frame; level 0 when nothing is known.
        gaps: (n, n) metres between the surfaces of each pair, NaN where unknown; None if never computed.
        contacts: index pairs (i, j), i < j, of objects that touch; None if unknown.
    """

    observation: Observation | None
    objects: tuple[SceneObject, ...]
    frame: CanonicalFrame = field(default_factory=CanonicalFrame.unknown)
    gaps: Float | None = None
    contacts: frozenset[tuple[int, int]] | None = None

    def __post_init__(self) -> None:
        n = len(self.objects)
        if self.gaps is not None and self.gaps.shape != (n, n):
            raise GeometryError("gaps need one row and column per object", self.gaps.shape, f"Expected ({n}, {n}).")

    def boxes(self) -> Boxes:
        """The 3D boxes of all objects in order; an object without one raises `GeometryError`."""
        missing = [o.label for o in self.objects if o.box3d is None]
        if missing:
            raise GeometryError("objects without a 3D box", missing, "Lift the observation to 3D first.")
        return Boxes.concatenate([o.box3d for o in self.objects if o.box3d is not None])
