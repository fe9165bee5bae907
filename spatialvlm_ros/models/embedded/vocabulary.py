"""The tokens of the embedded model beside its words: lengths, places in the picture, slots and relations.

A slot token is a question ("its range?"); the answer is the softmax over the admissible tokens at that ONE position.
Slots are constant input, so all of them are read in one forward pass, and what is read is a distribution.

    picture  <focal length>  <find> red mug <presence?> <x0?> ... <height?>  <to> plate <presence?> ...  <distance>
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.models.quantities import N_BINS
from spatialvlm_ros.scenes.relations import Relation

Float = NDArray[np.float64]

PAD, IMAGE, END = "<pad>", "<image>", "<end>"
FIND, TO, REGION, SPOT, CAMERA, ASK, ANSWER = "<find>", "<to>", "<region>", "<spot>", "<camera>", "<ask>", "<answer>"
PRESENCE_TOKENS = ("<present>", "<absent>", "<ambiguous>")
YES_NO_TOKENS = ("<yes>", "<no>")

PRESENCE_SLOT = "presence"
PLACE_SLOTS = ("x0", "y0", "x1", "y1", "u", "v")
LENGTH_SLOTS = ("range", "width", "depth", "height")
OBJECT_SLOTS = (PRESENCE_SLOT, *PLACE_SLOTS, *LENGTH_SLOTS)
SHORT_SLOTS = ("u", "v", "range", "height")  # before an answer in words
FRAME_SLOTS = ("up_x", "up_z", "camera_height")

# Relations that are read directly; the others are these with another sign or the objects exchanged.
LENGTHS = (
    Relation.DISTANCE,
    Relation.GAP,
    Relation.HEIGHT,
    Relation.WIDTH,
    Relation.ELEVATION,
    Relation.VERTICAL_DISTANCE,
    Relation.HORIZONTAL_DISTANCE,
    Relation.ABOVE_DIFF,
    Relation.BELOW_DIFF,
    Relation.BEHIND_DIFF,
    Relation.LEFT_DIFF,
    Relation.FREE_WIDTH,
)
PREDICATES = (
    Relation.LEFT,
    Relation.ABOVE,
    Relation.BEHIND,
    Relation.TALL,
    Relation.WIDE,
    Relation.BIG,
    Relation.INSIDE,
    Relation.ON,
    Relation.TOUCHING,
)
OPPOSITES: Mapping[Relation, Relation] = MappingProxyType(
    {
        Relation.RIGHT: Relation.LEFT,
        Relation.BELOW: Relation.ABOVE,
        Relation.FRONT: Relation.BEHIND,
        Relation.SHORT: Relation.TALL,
        Relation.THIN: Relation.WIDE,
        Relation.SMALL: Relation.BIG,
        Relation.RIGHT_DIFF: Relation.LEFT_DIFF,
        Relation.FRONT_DIFF: Relation.BEHIND_DIFF,
    }
)
OF_THE_CAMERA = (Relation.DISTANCE, Relation.VERTICAL_DISTANCE, Relation.HORIZONTAL_DISTANCE)

N_PLACES = 256
_LEAST, _MOST = -0.25, 1.25  # of the canvas width: centres of cropped objects may lie outside the picture


def special_tokens() -> tuple[str, ...]:
    """All tokens beside the words, in the order of their ids from 0."""
    return (
        *(PAD, IMAGE, END, FIND, TO, REGION, SPOT, CAMERA, ASK, ANSWER),
        *PRESENCE_TOKENS,
        *YES_NO_TOKENS,
        *(f"<{slot}?>" for slot in (*OBJECT_SLOTS, *FRAME_SLOTS)),
        *(f"<{relation}>" for relation in (*LENGTHS, *PREDICATES)),
        *(f"<place {k}>" for k in range(N_PLACES)),
        *(f"<length {k}>" for k in range(N_BINS)),
    )


def place_position(values: ArrayLike) -> Float:
    """Position on the grid of places, in units of bins, of coordinates as shares of the canvas width."""
    share = (np.asarray(values, dtype=np.float64) - _LEAST) / (_MOST - _LEAST)
    return np.clip(share * N_PLACES, 0.0, N_PLACES - 1e-6)


def place_values() -> Float:
    """(N_PLACES,) shares of the canvas width in the middle of each bin."""
    return _LEAST + (np.arange(N_PLACES) + 0.5) / N_PLACES * (_MOST - _LEAST)


def direction_share(components: ArrayLike) -> Float:
    """A component -1..1 of a unit vector as a share 0..1, for the grid of places."""
    return (np.asarray(components, dtype=np.float64) + 1) / 2


@dataclass(frozen=True)
class Vocabulary:
    """Ids of the special tokens.

    Attributes:
        first: id of the first special token; the others follow in the order of `special_tokens`.
    """

    first: int = 0

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """Token -> id."""
        return MappingProxyType({token: self.first + k for k, token in enumerate(special_tokens())})

    def __getitem__(self, token: str) -> int:
        return self.ids[token]

    def slots(self, names: Sequence[str]) -> list[int]:
        """Ids of slot tokens by name."""
        return [self.ids[f"<{name}?>"] for name in names]

    def relation(self, relation: Relation) -> int:
        """Id of the token of a relation that is read directly."""
        return self.ids[f"<{relation}>"]

    @cached_property
    def places(self) -> range:
        """Ids of the place tokens."""
        return range(self.ids["<place 0>"], self.ids["<place 0>"] + N_PLACES)

    @cached_property
    def lengths(self) -> range:
        """Ids of the length tokens."""
        return range(self.ids["<length 0>"], self.ids["<length 0>"] + N_BINS)

    @cached_property
    def presence(self) -> range:
        """Ids of present, absent, ambiguous."""
        return range(self.ids[PRESENCE_TOKENS[0]], self.ids[PRESENCE_TOKENS[0]] + len(PRESENCE_TOKENS))

    @cached_property
    def yes_no(self) -> range:
        """Ids of yes and no."""
        return range(self.ids[YES_NO_TOKENS[0]], self.ids[YES_NO_TOKENS[0]] + 2)
