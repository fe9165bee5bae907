"""Token rows of the embedded model: objects, measurements and questions as they stood in training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from spatialvlm_ros.models.embedded import vocabulary as v
from spatialvlm_ros.models.embedded.picture import Canvas
from spatialvlm_ros.models.query import ObjectRef, Query, is_camera
from spatialvlm_ros.questions.grammar import clean_label
from spatialvlm_ros.scenes.relations import Relation


@dataclass(frozen=True)
class Row:
    """One row of tokens behind the picture.

    Attributes:
        ids: tokens.
        slots: first slot position of each located object in the row, in order of mention.
        relation_at: position of the relation token, -1 for none.
        swapped: whether subject and reference were exchanged (the camera is always mentioned second).
    """

    ids: tuple[int, ...]
    slots: tuple[int, ...]
    relation_at: int = -1
    swapped: bool = False


@dataclass(frozen=True)
class ReadDirectly:
    """How a relation is read from its token.

    Attributes:
        relation: the one that has a token.
        opposite: whether the value changes its sign (a probability its side).
    """

    relation: Relation
    opposite: bool


def read_directly(relation: Relation) -> ReadDirectly | None:
    """Which token answers a relation; None for relations that are only composed from located boxes."""
    if relation in v.LENGTHS or relation in v.PREDICATES:
        return ReadDirectly(relation, False)
    if relation in v.OPPOSITES:
        return ReadDirectly(v.OPPOSITES[relation], True)
    return None


class PromptWriter:
    """Writes rows for one canvas.

    Args:
        tokenizer: of the model.
        in_trained_words: name -> the words that the model knows it by.
    """

    def __init__(self, tokenizer: Any, in_trained_words: Callable[[str], str] = str) -> None:
        self._in_trained_words = in_trained_words
        self.vocabulary = v.Vocabulary()
        self._slots = self.vocabulary.slots(v.OBJECT_SLOTS)
        self._short = self.vocabulary.slots(v.SHORT_SLOTS)
        self.words = lru_cache(maxsize=4096)(lambda text: tuple(tokenizer.encode(" " + text, add_special_tokens=False)))

    def locate(self, thing: ObjectRef, canvas: Canvas) -> Row:
        """Where is ``thing``?"""
        ids = (self.vocabulary[v.FIND], *self._mention(thing, canvas))
        return Row((*ids, *self._slots), (len(ids),))

    def measure(self, query: Query, canvas: Canvas) -> Row:
        """Locates the objects of a query, then asks for its quantity (where a token asks for it)."""
        subject: ObjectRef | None = query.subject
        reference: ObjectRef | None = query.reference
        swapped = is_camera(subject) and reference is not None
        if swapped:
            subject, reference = reference, subject
        assert subject is not None
        located = self.locate(subject, canvas)
        ids, slots = list(located.ids), list(located.slots)
        if reference is not None and is_camera(reference):
            ids += [self.vocabulary[v.TO], self.vocabulary[v.CAMERA]]
        elif reference is not None:
            ids += [self.vocabulary[v.TO], *self._mention(reference, canvas)]
            slots.append(len(ids))
            ids += self._slots
        direct = read_directly(query.kind)
        of_camera = is_camera(query.reference) or is_camera(query.subject)
        if direct is None or (of_camera and query.kind not in v.OF_THE_CAMERA):
            return Row(tuple(ids), tuple(slots), -1, swapped)
        return Row((*ids, self.vocabulary.relation(direct.relation)), tuple(slots), len(ids), swapped)

    def ask(self, question: str) -> tuple[int, ...]:
        """The question; what follows is the model's choice."""
        return (self.vocabulary[v.ASK], *self.words(question))

    def following(self, second: int) -> tuple[int, ...]:
        """Tokens between a spatial question and its answer, given which token the model wants after the first
        object (`<to>`, `<camera>` or `<answer>`)."""
        ids = self.vocabulary
        first = (ids[v.FIND], *self._short)
        if second == ids[v.CAMERA]:
            return (*first, ids[v.TO], ids[v.CAMERA], ids[v.ANSWER])
        if second == ids[v.TO]:
            return (*first, ids[v.TO], *self._short, ids[v.ANSWER])
        return (*first, ids[v.ANSWER])

    def _mention(self, thing: ObjectRef, canvas: Canvas) -> Sequence[int]:
        if isinstance(thing, str):
            return self._name(thing)
        marker = v.SPOT if thing.is_point else v.REGION
        # Box edges lie between pixels, points on them: see `Camera`.
        pixels = np.asarray(thing.pixels) - (0.0 if thing.is_point else 0.5)
        shares = (canvas.to_canvas(pixels) + 0.5) / canvas.width
        if canvas.lens is not None:  # what no straight picture shows lies beyond the border on its side
            principal = np.tile([canvas.lens.cx, canvas.lens.cy], len(pixels) // 2)
            shares = np.where(np.isnan(shares), np.copysign(np.inf, pixels - principal), shares)
        places = [self.vocabulary.places[int(p)] for p in v.place_position(shares)]
        return (self.vocabulary[marker], *places, *(self._name(thing.name) if thing.name else ()))

    def _name(self, name: str) -> Sequence[int]:
        return self.words(clean_label(self._in_trained_words(name)).lower())
