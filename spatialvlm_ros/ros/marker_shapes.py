"""What RViz shows of one picture, without ROS: boxes with names, and lines with their lengths, in one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from spatialvlm_ros.datasets.preview import palette
from spatialvlm_ros.errors import GeometryError
from spatialvlm_ros.models.estimate import Estimate, LocatedObject
from spatialvlm_ros.ros.labels import estimate_text, grouped_labels, name_text

Float = NDArray[np.float64]
Rgba = tuple[float, float, float, float]

UNKNOWN_SIZE_M = 0.05  # across, of the ball that stands for an object whose size is not known
_SEE_THROUGH = 0.45
_WHITE: Rgba = (1.0, 1.0, 1.0, 1.0)
_TEXT_SHARE, _LEAST_TEXT_M, _MOST_TEXT_M = 0.25, 0.02, 0.12  # height of letters: share of the typical object
_LINE_SHARE = 0.15  # of the letters' height


class Form(str, Enum):
    """How a shape looks; the name of the constant of ``visualization_msgs/Marker``."""

    CUBE = "CUBE"
    SPHERE = "SPHERE"
    TEXT = "TEXT_VIEW_FACING"
    LINE = "LINE_LIST"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Shape:
    """One marker.

    Attributes:
        layer: its namespace, which people switch on and off: objects, names, lines, distances.
        number: its id in the layer.
        form: what it is.
        position: (3,) metres, its middle.
        quaternion: x, y, z, w.
        scale: (3,) metres: extents of a cube or ball; (0, 0, height of the letters); (width of the line, 0, 0).
        colour: 0 to 1, the last is opacity.
        text: of a text.
        points: (N, 3) metres, ends of lines.
    """

    layer: str
    number: int
    form: Form
    position: Float
    scale: Float
    colour: Rgba
    quaternion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    text: str = ""
    points: Float | None = None


def shapes(
    located: Sequence[LocatedObject],
    ids: Sequence[int],
    estimates: Sequence[Estimate],
    rotation: ArrayLike,
) -> list[Shape]:
    """The shapes of one picture. Objects without a position, and answers without a value, have none.

    Args:
        located: with positions in one frame.
        ids: of the objects over time, in their order (-1 or missing: none). They choose the colours.
        estimates: standing queries. What is between two objects stands at a line, the rest below a name.
        rotation: (3, 3), its columns are forward, left and up of ``<camera_frame>_spatial`` in that frame.

    Raises:
        GeometryError: not a rotation.
    """
    turn = _checked_rotation(rotation)
    things = _things(located, ids)
    labels = grouped_labels(estimates, things)
    letters = _letters([thing for thing, _ in things.values()])
    found: list[Shape] = []
    for k, (name, (thing, number)) in enumerate(things.items()):
        colour = _colour(number if number >= 0 else k)
        found.append(_body(k, thing, turn, colour))
        lines = [name_text(name, number), *(estimate_text(e) for e in labels.at_object.get(name, ()))]
        found.append(_text("names", k, _above(thing, turn, letters, len(lines)), letters, lines))
    for k, ((first, second), answers) in enumerate(labels.at_line.items()):
        ends = np.array([things[first][0].position, things[second][0].position])
        found.append(
            Shape("lines", k, Form.LINE, np.zeros(3), np.array([_LINE_SHARE * letters, 0, 0]), _WHITE, points=ends)
        )
        lines = [estimate_text(e) for e in answers]
        found.append(_text("distances", k, ends.mean(axis=0) + 0.8 * letters * turn[:, 2], letters, lines))
    return found


def _checked_rotation(rotation: ArrayLike) -> Float:
    turn = np.asarray(rotation, np.float64)
    if turn.shape != (3, 3) or not np.allclose(turn.T @ turn, np.eye(3), atol=1e-4) or np.linalg.det(turn) < 0:
        raise GeometryError("this is no rotation", turn, "Its columns are forward, left and up: unit and orthogonal.")
    return turn


def _things(located: Sequence[LocatedObject], ids: Sequence[int]) -> dict[str, tuple[LocatedObject, int]]:
    things: dict[str, tuple[LocatedObject, int]] = {}
    for k, item in enumerate(located):
        if item.valid and np.isfinite(item.position).all() and item.name not in things:
            things[item.name] = (item, ids[k] if k < len(ids) else -1)
    return things


def _letters(things: Sequence[LocatedObject]) -> float:
    """Height of letters that suits the objects, the same for all."""
    extents = [float(np.max(t.size)) for t in things if np.isfinite(t.size).all()]
    typical = float(np.median(extents)) if extents else UNKNOWN_SIZE_M
    return float(np.clip(_TEXT_SHARE * typical, _LEAST_TEXT_M, _MOST_TEXT_M))


def _colour(index: int) -> Rgba:
    red, green, blue = (float(c) / 255 for c in palette.rgb(index))
    return red, green, blue, _SEE_THROUGH


def _body(k: int, thing: LocatedObject, turn: Float, colour: Rgba) -> Shape:
    """An upright cube; a ball where the size is not known."""
    if not np.isfinite(thing.size).all() or (thing.size <= 0).any():
        return Shape("objects", k, Form.SPHERE, thing.position, np.full(3, UNKNOWN_SIZE_M), colour)
    width, depth, height = thing.size
    x, y, z, w = (float(v) for v in Rotation.from_matrix(turn).as_quat())
    # The cube's own axes are those of the spatial frame: x forward, y left, z up.
    return Shape("objects", k, Form.CUBE, thing.position, np.array([depth, width, height]), colour, (x, y, z, w))


def _above(thing: LocatedObject, turn: Float, letters: float, lines: int) -> Float:
    """Where the middle of a text of so many lines stands over an object."""
    height = thing.size[2] if np.isfinite(thing.size).all() else UNKNOWN_SIZE_M
    return thing.position + (height / 2 + letters * (0.5 + 0.6 * lines)) * turn[:, 2]


def _text(layer: str, k: int, position: Float, letters: float, lines: Sequence[str]) -> Shape:
    return Shape(layer, k, Form.TEXT, position, np.array([0, 0, letters]), _WHITE, text="\n".join(lines))
