"""THE definition of every quantity and predicate, each one function of two boxes and a frame.

Data, evaluation, rewards and depth measurement all call `relation_values`; nothing else in this package
computes a spatial quantity. Families: paper appendix A.2; definitions: docs/paper_map.md.

Lengths are metres. A predicate's value is a signed margin in metres: above 0 it is true, below 0 false, and its
size says how clearly. Where a relation is not defined (frame level too low, unknown plane) the value is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import RelationError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.scenes.gaps import box_gap, footprints
from spatialvlm_ros.scenes.pairs import Pairs

Float = NDArray[np.float64]

TOUCH_TOLERANCE = 0.002  # metres between surfaces that still counts as touching
LIFT_TOLERANCE = 0.01  # metres over the support from which an object counts as lifted
INSIDE_DEPTH = 0.25  # share of the subject's height that is below the rim of what it is inside of


class Relation(str, Enum):
    """Every quantity and predicate by its field name (paper appendix A.2, then those beyond the 43 families)."""

    DISTANCE = "distance"
    GAP = "gap"
    HEIGHT = "height"
    WIDTH = "width"
    ELEVATION = "elevation"
    VERTICAL_DISTANCE = "vertical_distance"
    HORIZONTAL_DISTANCE = "horizontal_distance"
    ABOVE_DIFF = "above_diff"
    BELOW_DIFF = "below_diff"
    BEHIND_DIFF = "behind_diff"
    FRONT_DIFF = "front_diff"
    LEFT_DIFF = "left_diff"
    RIGHT_DIFF = "right_diff"
    VOLUME = "volume"
    LEFT = "left"
    RIGHT = "right"
    ABOVE = "above"
    BELOW = "below"
    BEHIND = "behind"
    FRONT = "front"
    TALL = "tall"
    SHORT = "short"
    WIDE = "wide"
    THIN = "thin"
    BIG = "big"
    SMALL = "small"
    INSIDE = "inside"
    ON = "on"
    TOUCHING = "touching"
    LIFTED = "lifted"
    BETWEEN = "between"
    FREE_WIDTH = "free_width"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class RelationSpec:
    """What is known of a relation beside its value.

    Attributes:
        compute: `Pairs` of N rows -> (N,) values.
        arity: number of objects it relates, 1 to 3.
        min_level: frame level it needs (0 none, 1 up, 2 up and plane).
        predicate: whether the value is a signed margin.
        signed: whether the value can be negative.
        unit: "m" or "m3".
        meaning: one sentence for people.
    """

    compute: Callable[[Pairs], Float]
    arity: int
    min_level: int
    predicate: bool
    signed: bool
    unit: str
    meaning: str


RELATIONS: dict[Relation, RelationSpec] = {}

# It does not matter which of the two objects is the subject.
SYMMETRIC = frozenset(
    {
        Relation.DISTANCE,
        Relation.GAP,
        Relation.VERTICAL_DISTANCE,
        Relation.HORIZONTAL_DISTANCE,
        Relation.FREE_WIDTH,
        Relation.TOUCHING,
    }
)


def _define(
    relation: Relation,
    *,
    arity: int = 2,
    level: int = 0,
    predicate: bool = False,
    signed: bool = False,
    unit: str = "m",
) -> Callable[[Callable[[Pairs], Float]], Callable[[Pairs], Float]]:
    def register(compute: Callable[[Pairs], Float]) -> Callable[[Pairs], Float]:
        meaning = " ".join((compute.__doc__ or "").split())
        RELATIONS[relation] = RelationSpec(compute, arity, level, predicate, signed or predicate, unit, meaning)
        return compute

    return register


def relation_spec(relation: Relation | str) -> RelationSpec:
    """The `RelationSpec` of a relation or its name; `RelationError` for an unknown one."""
    try:
        return RELATIONS[Relation(relation)]
    except ValueError as error:
        known = ", ".join(r.value for r in Relation)
        raise RelationError("unknown relation", relation, f"Known ones: {known}.") from error


def relation_values(relation: Relation | str, pairs: Pairs) -> Float:
    """(N,) values of one relation for N rows; NaN where a row's frame level does not allow it.

    Raises:
        RelationError: unknown relation, or the pairs lack the second or third object.
    """
    spec = relation_spec(relation)
    if spec.arity >= 2 and pairs.reference is None or spec.arity == 3 and pairs.third is None:
        raise RelationError(f"{Relation(relation)} relates {spec.arity} objects", len(pairs), "Name the reference.")
    values = spec.compute(pairs)
    return np.where(pairs.frames.levels >= spec.min_level, values, np.nan)


def _dot(a: Float, b: Float) -> Float:
    return np.einsum("ni,ni->n", a, b)


def _reference(pairs: Pairs) -> Boxes:
    assert pairs.reference is not None  # relation_values has checked it
    return pairs.reference


def _offset(pairs: Pairs) -> Float:
    """(N, 3) from the reference's centre to the subject's."""
    return pairs.subject.centers - _reference(pairs).centers


# ---- lengths of one object ----


@_define(Relation.HEIGHT, arity=1, level=1)
def height(pairs: Pairs) -> Float:
    """Extent of the subject along up."""
    return pairs.subject.extent_along(pairs.frames.ups)


@_define(Relation.WIDTH, arity=1)
def width(pairs: Pairs) -> Float:
    """Extent of the subject along the viewer's horizontal left axis."""
    return pairs.subject.extent_along(pairs.frames.lefts)


@_define(Relation.VOLUME, arity=1, level=1, unit="m3")
def volume(pairs: Pairs) -> Float:
    """Volume of the subject's box."""
    return pairs.subject.volumes()


@_define(Relation.ELEVATION, arity=1, level=2, signed=True)
def elevation(pairs: Pairs) -> Float:
    """Height of the subject's bottom over its support plane."""
    return pairs.subject.bottom_along(pairs.frames.ups) + pairs.frames.camera_heights


# ---- lengths between two objects ----


@_define(Relation.DISTANCE)
def distance(pairs: Pairs) -> Float:
    """Distance between the two centres."""
    return np.linalg.norm(_offset(pairs), axis=1)


@_define(Relation.GAP)
def gap(pairs: Pairs) -> Float:
    """Least distance between the two surfaces, 0 when they touch; between the boxes where surfaces are unknown."""
    if pairs.gaps is None:
        return box_gap(pairs.subject, _reference(pairs))
    unknown = np.isnan(pairs.gaps)
    if not unknown.any():
        return pairs.gaps
    gaps = pairs.gaps.copy()
    gaps[unknown] = box_gap(pairs.subject[unknown], _reference(pairs)[unknown])
    return gaps


@_define(Relation.VERTICAL_DISTANCE, level=1)
def vertical_distance(pairs: Pairs) -> Float:
    """Distance between the centres along up, without sign."""
    return np.abs(_dot(_offset(pairs), pairs.frames.ups))


@_define(Relation.HORIZONTAL_DISTANCE, level=1)
def horizontal_distance(pairs: Pairs) -> Float:
    """Distance between the centres in the horizontal plane."""
    offset, ups = _offset(pairs), pairs.frames.ups
    return np.linalg.norm(offset - _dot(offset, ups)[:, None] * ups, axis=1)


@_define(Relation.ABOVE_DIFF, level=1, signed=True)
def above_diff(pairs: Pairs) -> Float:
    """How much higher the subject's top is than the reference's top."""
    ups = pairs.frames.ups
    return pairs.subject.top_along(ups) - _reference(pairs).top_along(ups)


@_define(Relation.BELOW_DIFF, level=1, signed=True)
def below_diff(pairs: Pairs) -> Float:
    """How much lower the subject's bottom is than the reference's bottom."""
    ups = pairs.frames.ups
    return _reference(pairs).bottom_along(ups) - pairs.subject.bottom_along(ups)


@_define(Relation.BEHIND_DIFF, signed=True)
def behind_diff(pairs: Pairs) -> Float:
    """How much farther from the viewer the subject's centre is, along the frame's forward axis."""
    return _dot(_offset(pairs), pairs.frames.forwards)


@_define(Relation.FRONT_DIFF, signed=True)
def front_diff(pairs: Pairs) -> Float:
    """How much nearer to the viewer the subject's centre is, along the frame's forward axis."""
    return -behind_diff(pairs)


@_define(Relation.LEFT_DIFF, signed=True)
def left_diff(pairs: Pairs) -> Float:
    """How much farther left the subject's centre is, as the viewer sees it."""
    return _dot(_offset(pairs), pairs.frames.lefts)


@_define(Relation.RIGHT_DIFF, signed=True)
def right_diff(pairs: Pairs) -> Float:
    """How much farther right the subject's centre is, as the viewer sees it."""
    return -left_diff(pairs)


@_define(Relation.FREE_WIDTH, level=1)
def free_width(pairs: Pairs) -> Float:
    """Width of the free passage between the two: the horizontal distance of their footprints, 0 if they overlap."""
    ups = pairs.frames.ups
    return box_gap(footprints(pairs.subject, ups), footprints(_reference(pairs), ups))


# ---- the 12 predicates of the paper, as margins ----


@_define(Relation.LEFT, predicate=True)
def left(pairs: Pairs) -> Float:
    """The subject's centre is left of the reference's, as the viewer sees it."""
    return left_diff(pairs)


@_define(Relation.RIGHT, predicate=True)
def right(pairs: Pairs) -> Float:
    """The subject's centre is right of the reference's, as the viewer sees it."""
    return right_diff(pairs)


@_define(Relation.ABOVE, level=1, predicate=True)
def above(pairs: Pairs) -> Float:
    """The subject's centre is higher than the reference's."""
    return _dot(_offset(pairs), pairs.frames.ups)


@_define(Relation.BELOW, level=1, predicate=True)
def below(pairs: Pairs) -> Float:
    """The subject's centre is lower than the reference's."""
    return -above(pairs)


@_define(Relation.BEHIND, predicate=True)
def behind(pairs: Pairs) -> Float:
    """The subject is farther from the viewer than the reference."""
    return behind_diff(pairs)


@_define(Relation.FRONT, predicate=True)
def front(pairs: Pairs) -> Float:
    """The subject is nearer to the viewer than the reference."""
    return front_diff(pairs)


@_define(Relation.TALL, level=1, predicate=True)
def tall(pairs: Pairs) -> Float:
    """The subject is taller (longer along up) than the reference."""
    ups = pairs.frames.ups
    return pairs.subject.extent_along(ups) - _reference(pairs).extent_along(ups)


@_define(Relation.SHORT, level=1, predicate=True)
def short(pairs: Pairs) -> Float:
    """The subject is shorter (along up) than the reference."""
    return -tall(pairs)


@_define(Relation.WIDE, predicate=True)
def wide(pairs: Pairs) -> Float:
    """The subject is wider (along the viewer's left axis) than the reference."""
    lefts = pairs.frames.lefts
    return pairs.subject.extent_along(lefts) - _reference(pairs).extent_along(lefts)


@_define(Relation.THIN, predicate=True)
def thin(pairs: Pairs) -> Float:
    """The subject is thinner (along the viewer's left axis) than the reference."""
    return -wide(pairs)


@_define(Relation.BIG, level=1, predicate=True)
def big(pairs: Pairs) -> Float:
    """The subject's box has the larger volume; the margin is the difference of the cube roots."""
    return np.cbrt(pairs.subject.volumes()) - np.cbrt(_reference(pairs).volumes())


@_define(Relation.SMALL, level=1, predicate=True)
def small(pairs: Pairs) -> Float:
    """The subject's box has the smaller volume; the margin is the difference of the cube roots."""
    return -big(pairs)


# ---- beyond the 43 families ----


@_define(Relation.TOUCHING, predicate=True)
def touching(pairs: Pairs) -> Float:
    """The surfaces touch: by contact where contacts are known, else closer than 2 mm."""
    by_gap = TOUCH_TOLERANCE - gap(pairs)
    if pairs.contacts is None:
        return by_gap
    smallest = TOUCH_TOLERANCE / 2
    return np.where(pairs.contacts, np.maximum(by_gap, smallest), np.minimum(by_gap, -smallest))


def _over_footprint(inner: Boxes, outer: Boxes, ups: Float) -> Float:
    """(N,) metres from the inner box's centre to the nearest edge of the outer's footprint, negative outside."""
    local = np.abs(outer.to_local(inner.centers))
    margins = outer.sizes / 2 - local
    vertical = np.abs(np.einsum("nij,ni->nj", outer.rotations, ups)).argmax(axis=1)
    margins[np.arange(len(margins)), vertical] = np.inf
    return margins.min(axis=1)


def _below_rim(pairs: Pairs) -> Float:
    """(N,) metres that the subject's bottom is below the reference's top, less the share `INSIDE_DEPTH`."""
    ups = pairs.frames.ups
    depth = _reference(pairs).top_along(ups) - pairs.subject.bottom_along(ups)
    return depth - INSIDE_DEPTH * pairs.subject.extent_along(ups)


def _above_bottom(pairs: Pairs) -> Float:
    ups = pairs.frames.ups
    return pairs.subject.bottom_along(ups) - _reference(pairs).bottom_along(ups) + TOUCH_TOLERANCE


@_define(Relation.INSIDE, level=1, predicate=True)
def inside(pairs: Pairs) -> Float:
    """The subject's centre is over the reference's footprint, its bottom above the reference's bottom and at
    least a quarter of its own height below the reference's top."""
    over = _over_footprint(pairs.subject, _reference(pairs), pairs.frames.ups)
    return np.minimum.reduce([over, _below_rim(pairs), _above_bottom(pairs)])


@_define(Relation.ON, level=1, predicate=True)
def on(pairs: Pairs) -> Float:
    """The subject touches the reference, stands over its footprint, and is not inside it."""
    over = _over_footprint(pairs.subject, _reference(pairs), pairs.frames.ups)
    return np.minimum.reduce([touching(pairs), over, -_below_rim(pairs)])


@_define(Relation.LIFTED, arity=1, level=2, predicate=True)
def lifted(pairs: Pairs) -> Float:
    """The subject's bottom is more than 1 cm over its support plane, and nothing is known to support it."""
    margin = elevation(pairs) - LIFT_TOLERANCE
    if pairs.contacts is None:
        return margin
    return np.where(pairs.contacts, np.minimum(margin, -LIFT_TOLERANCE), margin)


@_define(Relation.BETWEEN, arity=3, predicate=True)
def between(pairs: Pairs) -> Float:
    """The subject's centre lies between the two reference centres: within the corridor as wide as they and it are
    across the line that joins them (in the horizontal plane where up is known)."""
    assert pairs.third is not None  # relation_values has checked it
    start, line = _reference(pairs).centers, pairs.third.centers - _reference(pairs).centers
    offset = pairs.subject.centers - start
    flat = pairs.frames.levels >= 1
    ups = pairs.frames.ups * flat[:, None]  # zero where up is unknown: nothing is removed
    line = line - _dot(line, ups)[:, None] * ups
    offset = offset - _dot(offset, ups)[:, None] * ups
    length = np.linalg.norm(line, axis=1)
    direction = line / np.maximum(length, 1e-12)[:, None]
    along = _dot(offset, direction)
    across = offset - along[:, None] * direction
    distance_across = np.linalg.norm(across, axis=1)
    sideways = np.where(
        (distance_across > 1e-9)[:, None], across / np.maximum(distance_across, 1e-12)[:, None], _any_normal(direction)
    )
    ends = (_reference(pairs).extent_along(sideways) + pairs.third.extent_along(sideways)) / 4
    half_width = ends + pairs.subject.extent_along(sideways) / 2
    return np.minimum.reduce([along, length - along, half_width - distance_across])


def _any_normal(directions: Float) -> Float:
    """(N, 3) some unit vector at right angles to each direction."""
    helper = np.where(np.abs(directions[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])
    normal = np.cross(directions, helper)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


_missing = set(Relation) - set(RELATIONS)
if _missing:  # a programming error, caught at import
    raise RelationError("relations without a definition", sorted(r.value for r in _missing), "Define them here.")
