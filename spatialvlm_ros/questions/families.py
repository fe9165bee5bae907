"""The 43 question families: what each one asks, of how many objects, and what it needs to know of the frame.

The names are those of the paper's appendix (arXiv 2401.12168, A.2-A.3): 12 predicates, 12 choices, 6 classify,
13 numbers. What a family measures is defined in `spatialvlm_ros.scenes.relations` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from spatialvlm_ros.errors import QuestionError
from spatialvlm_ros.scenes.relations import Relation


class Kind(str, Enum):
    """What sort of answer a family wants."""

    PREDICATE = "predicate"  # yes or no
    CHOICE = "choice"  # which of two objects
    CLASSIFY = "classify"  # which of two words
    NUMBER = "number"  # a length


@dataclass(frozen=True)
class Family:
    """One question family.

    Attributes:
        name: e.g. ``"left_predicate"``; also the first part of its template ids.
        kind: the sort of answer.
        relation: the quantity that decides the answer. For a predicate, choice or classify family its value is a
            signed margin in metres: above 0 the predicate is true, the choice is the first object, and the class
            is `words[0]`.
        objects: 1 or 2, how many objects a question names.
        min_level: least level of the canonical frame at which it may be asked.
        signed: whether a number may be negative (elevation and the six differences).
        words: (class when the margin is positive, class when negative) of a classify family; for a signed number
            the direction words of a positive and a negative value; else ().
        camera: whether "the camera" may stand for one of the two objects.
    """

    name: str
    kind: Kind
    relation: Relation
    objects: int
    min_level: int
    signed: bool = False
    words: tuple[str, str] | tuple[()] = ()
    camera: bool = False

    @property
    def qualitative(self) -> bool:
        """True for the 30 families that are answered without a number."""
        return self.kind is not Kind.NUMBER


# Word -> least frame level. The order is the paper's.
_WORDS = {
    "left": 0,
    "right": 0,
    "above": 1,
    "below": 1,
    "behind": 0,
    "front": 0,
    "tall": 1,
    "short": 1,
    "wide": 0,
    "thin": 0,
    "big": 1,
    "small": 1,
}
_CLASSES = (
    ("left", "right"),
    ("above", "below"),
    ("behind", "front"),
    ("tall", "short"),
    ("wide", "thin"),
    ("big", "small"),
)
# Name, objects, least level, whether the camera may be named, (word of a positive value, word of a negative one).
_LENGTHS: tuple[tuple[str, int, int, bool, tuple[str, str] | tuple[()]], ...] = (
    ("distance", 2, 0, True, ()),
    ("gap", 2, 0, False, ()),
    ("height", 1, 1, False, ()),
    ("width", 1, 0, False, ()),
    ("elevation", 1, 2, False, ("above", "below")),
    ("vertical_distance", 2, 1, True, ()),
    ("horizontal_distance", 2, 1, True, ()),
)
# Name, least level, (word of a positive value, word of a negative one).
_DIFFERENCES = (
    ("above_diff", 1, ("above", "below")),
    ("below_diff", 1, ("below", "above")),
    ("behind_diff", 0, ("behind", "front")),
    ("front_diff", 0, ("front", "behind")),
    ("left_diff", 0, ("left", "right")),
    ("right_diff", 0, ("right", "left")),
)


def _families() -> list[Family]:
    predicates = [Family(f"{w}_predicate", Kind.PREDICATE, Relation(w), 2, level) for w, level in _WORDS.items()]
    choices = [Family(f"{w}_choice", Kind.CHOICE, Relation(w), 2, level) for w, level in _WORDS.items()]
    classes = [Family(f"{a}_{b}_classify", Kind.CLASSIFY, Relation(a), 2, _WORDS[a], words=(a, b)) for a, b in _CLASSES]
    lengths = [
        Family(n, Kind.NUMBER, Relation(n), k, level, signed=bool(words), words=words, camera=camera)
        for n, k, level, camera, words in _LENGTHS
    ]
    differences = [Family(n, Kind.NUMBER, Relation(n), 2, level, True, words) for n, level, words in _DIFFERENCES]
    return predicates + choices + classes + lengths + differences


FAMILIES: Mapping[str, Family] = MappingProxyType({f.name: f for f in _families()})
FAMILY_NAMES: tuple[str, ...] = tuple(FAMILIES)


def family(name: str) -> Family:
    """The family called ``name``; `QuestionError` for an unknown one."""
    try:
        return FAMILIES[name]
    except KeyError:
        raise QuestionError("unknown question family", name, f"Known: {', '.join(FAMILY_NAMES)}.") from None
