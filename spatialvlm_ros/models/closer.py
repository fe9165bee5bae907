"""A second look at a part of a picture: a small thing is larger on the model's canvas there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.estimate import LocatedObject
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]

_MARGIN = 1.2  # of the window over what it is to hold
_LEAST_SHARE = 0.5  # of the picture's width and height: what is around a thing tells what it is
_MOST_SHARE = 0.9  # from which a window shows hardly more than the picture did


@dataclass(frozen=True)
class Window:
    """A part of a picture, of the picture's own shape.

    Attributes:
        x0, y0: its upper left pixel.
        width, height: in pixels.
    """

    x0: int
    y0: int
    width: int
    height: int

    @staticmethod
    def around(boxes: Float, width: int, height: int) -> Window | None:
        """The window around N boxes (N, 4) in pixels; rows of NaN are left out. None where a closer look shows nothing
        new: no boxes, or boxes all over the picture."""
        known = boxes[np.isfinite(boxes).all(axis=1)]
        if not len(known):
            return None
        size = np.array([width, height])
        low = np.clip(known[:, :2].min(axis=0), 0, size)
        high = np.clip(known[:, 2:].max(axis=0), 0, size)
        share = max(float((_MARGIN * (high - low) / size).max()), _LEAST_SHARE)
        if share > _MOST_SHARE:
            return None
        window = np.maximum((share * size).astype(int), 1)
        corner = np.clip((low + high - window) / 2, 0, size - window).astype(int)
        return Window(int(corner[0]), int(corner[1]), int(window[0]), int(window[1]))

    def of(self, observation: Observation) -> Observation:
        """What an observation shows there, in the same optical frame."""
        rows, columns = slice(self.y0, self.y0 + self.height), slice(self.x0, self.x0 + self.width)
        depth = observation.depth
        return replace(
            observation,
            rgb=np.ascontiguousarray(observation.rgb[rows, columns]),
            depth=None if depth is None else np.ascontiguousarray(depth[rows, columns]),
            camera=observation.camera.cropped(self.x0, self.y0, self.width, self.height),
        )

    def in_picture(self, found: LocatedObject) -> LocatedObject:
        """What was located in the window, with its box in pixels of the whole picture."""
        return replace(found, box2d=np.asarray(found.box2d) + np.array([self.x0, self.y0, self.x0, self.y0]))


def better_recognised(far: Sequence[LocatedObject], near: Sequence[LocatedObject]) -> list[LocatedObject]:
    """Of two looks at the same things the one that recognises each of them better; the first where none tells."""
    return [n if n.recognition > f.recognition else f for f, n in zip(far, near, strict=True)]
