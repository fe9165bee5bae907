"""What is asked of a view: objects by name, box or point, and the relation between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.scenes.relations import RELATIONS, Relation, relation_spec

MOST_WORDS = 12
MOST_LETTERS = 200
CAMERA_NAME = "camera"
GRIPPER_NAME = "gripper"
_GRIPPER_NAMES = frozenset(
    f"{before}{GRIPPER_NAME}" for before in ("", "the ", "robot ", "the robot ", "robot's ", "the robot's ")
)
# Quantities of an object's extent: a point (the camera, a tool centre point that the robot states) has none.
SIZES = frozenset(
    (
        *(Relation.HEIGHT, Relation.WIDTH, Relation.VOLUME),
        *(Relation.TALL, Relation.SHORT, Relation.WIDE, Relation.THIN, Relation.BIG, Relation.SMALL),
    )
)
_ARTICLES = ("the ", "a ", "an ")


@dataclass(frozen=True)
class Region:
    """An object given by where it is in the picture (a robot often has a detection already).

    Attributes:
        pixels: x0, y0, x1, y1 of a box, or u, v of a point, in pixels of the observation.
        name: what it is, where that is known; it helps.
    """

    pixels: tuple[float, ...]
    name: str = ""

    def __post_init__(self) -> None:
        values = _numbers(self.pixels)
        object.__setattr__(self, "pixels", values)
        if len(values) not in (2, 4) or not np.isfinite(values).all():
            raise QueryError("a region is a box of four numbers or a point of two", self.pixels, "Pass pixels.")
        if len(values) == 4 and (values[2] <= values[0] or values[3] <= values[1]):
            raise QueryError("a box is empty", self.pixels, "Pass x0 < x1 and y0 < y1, in pixels.")

    @property
    def is_point(self) -> bool:
        """Whether it is a point."""
        return len(self.pixels) == 2

    def __str__(self) -> str:
        numbers = ", ".join(f"{p:.0f}" for p in self.pixels)
        return f"{self.name or 'object'} at ({numbers})"


ObjectRef = str | Region


@dataclass(frozen=True)
class Query:
    """One measurement that is wanted.

    Attributes:
        subject: name, box or point; "camera" is the camera, "gripper" the tool centre point.
        reference: the other object; None for a quantity of one object.
        relation: a `Relation` or its name.

    Raises:
        QueryError: a name is empty or longer than 12 words or 200 letters, a reference is missing or too many, both
            objects are the same one, or the size of the camera is asked for.
        RelationError: an unknown relation.
    """

    subject: ObjectRef
    reference: ObjectRef | None = None
    relation: Relation | str = Relation.DISTANCE

    def __post_init__(self) -> None:
        spec = relation_spec(self.relation)
        object.__setattr__(self, "relation", Relation(self.relation))
        object.__setattr__(self, "subject", checked_object(self.subject))
        if spec.arity > 2:
            raise QueryError("this relation needs three objects", str(self.relation), "Use `scenes.relations` instead.")
        if (self.reference is None) != (spec.arity == 1):
            wanted = "one object" if spec.arity == 1 else "two objects"
            raise QueryError(f"{self.relation} is a quantity of {wanted}", self.reference, "Change the reference.")
        if self.reference is not None:
            object.__setattr__(self, "reference", checked_object(self.reference))
        if self.reference is not None and _same(self.subject, self.reference):
            raise QueryError("an object is compared with itself", str(self.subject), "Name two different objects.")
        if self.kind in SIZES and (is_camera(self.subject) or is_camera(self.reference)):
            raise QueryError("the camera is a point, it has no size", str(self.kind), "Ask for its distances.")

    @property
    def kind(self) -> Relation:
        """The relation, as an enum."""
        assert isinstance(self.relation, Relation)
        return self.relation

    @property
    def unit(self) -> str:
        """Unit of its answer: "m", "m3" or "probability"."""
        spec = RELATIONS[self.kind]
        return "probability" if spec.predicate else spec.unit


def is_camera(thing: ObjectRef | None) -> bool:
    """Whether the camera itself is meant."""
    return isinstance(thing, str) and thing.lower() in (CAMERA_NAME, f"the {CAMERA_NAME}")


def is_gripper(thing: ObjectRef | None) -> bool:
    """Whether the robot's gripper is meant: its tool centre point, where the robot states that."""
    return isinstance(thing, str) and thing.lower() in _GRIPPER_NAMES


def plain_name(name: str) -> str:
    """A name in small letters without its article, to compare it with others."""
    plain = " ".join(name.lower().split())
    article = next((a for a in _ARTICLES if plain.startswith(a)), "")
    return plain[len(article) :]


def asked_name(label: str) -> str:
    """What a label means as a name, the same for all labels that mean the same thing in a query ("Mug" and "the mug");
    "" where it is no name of a thing: nothing, too long, or the camera itself."""
    try:
        checked_object(label)
    except QueryError:
        return ""
    return "" if is_camera(label) else _meaning(label)


def _meaning(name: str) -> str:
    return GRIPPER_NAME if is_gripper(name) else plain_name(name)


def _same(one: ObjectRef, other: ObjectRef) -> bool:
    if isinstance(one, Region) or isinstance(other, Region):
        return one == other
    return _meaning(one) == _meaning(other)


def checked_object(given: object) -> ObjectRef:
    """A name without needless blanks, a `Region`, or a `Region` of a sequence of two or four numbers."""
    if isinstance(given, Region):
        return given
    if isinstance(given, str):
        words = given.split()
        if not words:
            raise QueryError("an object has no name", given, "Name it, or give its box or point in pixels.")
        if len(words) > MOST_WORDS:
            raise QueryError(f"a name of {len(words)} words", given, f"Use at most {MOST_WORDS}.")
        name = " ".join(words)
        if len(name) > MOST_LETTERS:
            raise QueryError(f"a name of {len(name)} letters", given, f"Use at most {MOST_LETTERS}.")
        return name
    if isinstance(given, (tuple, list, np.ndarray)):
        return Region(_numbers(given))
    raise QueryError("an object is a name, a box or a point", given, "Pass a string, four pixels or two pixels.")


def _numbers(given: object) -> tuple[float, ...]:
    try:
        return tuple(np.asarray(given, dtype=np.float64).ravel().tolist())
    except (TypeError, ValueError) as error:
        raise QueryError("a region is not made of numbers", given, "Pass pixels.") from error
