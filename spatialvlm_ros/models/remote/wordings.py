"""A query in words for a model that answers in words, what is marked for it, and which family reads the answer back."""

from __future__ import annotations

from dataclasses import dataclass

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import ObjectRef, Query, Region
from spatialvlm_ros.models.wording import PREDICATES, camera_words, name_words, question_words
from spatialvlm_ros.questions.families import FAMILIES, Family
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

NOT_VISIBLE = "not visible"
SEVERAL = "several"
SUBJECT_MARK, REFERENCE_MARK = "red", "blue"

_NUMBER = "Answer with one number and its unit, for example 0.35 m."
_SIGNED = "Answer with one number and its unit, for example 0.35 m, with a minus sign if it is the other way round."
_YES_NO = "Answer yes or no."
_ABSENT = (
    f'If an object is not in the picture, answer "{NOT_VISIBLE}: " and its name; if its name fits more than one, '
    f'answer "{SEVERAL}: " and its name.'
)

# Relations beyond the 43 families are read back like the family they resemble.
_READ_LIKE: dict[Relation, str] = {
    Relation.FREE_WIDTH: "gap",
    Relation.INSIDE: "small_predicate",
    Relation.ON: "above_predicate",
    Relation.TOUCHING: "big_predicate",
    Relation.LIFTED: "above_predicate",
}


@dataclass(frozen=True)
class Wording:
    """One query in words.

    Attributes:
        text: the whole question.
        family: reads its answer.
        subject, reference: the names that the question uses; None where there is no reference.
        marks: colour and region of each object that has to be marked in the picture.
    """

    text: str
    family: Family
    subject: str
    reference: str | None
    marks: tuple[tuple[str, Region], ...]


def wording(query: Query, camera: Camera | None = None) -> Wording:
    """A query in words.

    Args:
        query: one with `can_ask`.
        camera: of the picture as it is sent, told in words; None leaves it out.
    """
    relation = query.kind
    predicate = relation in PREDICATES
    subject = object_words(query.subject, SUBJECT_MARK)
    reference = None if query.reference is None else object_words(query.reference, REFERENCE_MARK)
    question = question_words(relation, subject, reference or "")
    how = _YES_NO if predicate else _SIGNED if RELATIONS[relation].signed else _NUMBER
    parts = [camera_words(camera)] if camera is not None else []
    marks = tuple(
        (colour, thing)
        for colour, thing in ((SUBJECT_MARK, query.subject), (REFERENCE_MARK, query.reference))
        if isinstance(thing, Region)
    )
    return Wording(" ".join([*parts, question, how, _ABSENT]), family_of(relation), subject, reference, marks)


def family_of(relation: Relation) -> Family:
    """The question family whose reader fits the answers to a relation."""
    default = f"{relation}_predicate" if relation in PREDICATES else str(relation)
    return FAMILIES[_READ_LIKE.get(relation, default)]


def object_words(thing: ObjectRef, colour: str) -> str:
    """A name with its article, or the words for what is marked in the picture."""
    if isinstance(thing, Region):
        mark = "dot" if thing.is_point else "box"
        return f"the {thing.name or 'object'} {'at' if thing.is_point else 'in'} the {colour} {mark}"
    return name_words(thing)


_SCALE_WORDS = {
    "thousand": "as whole numbers from 0 to 1000, where 1000 is the full width for x and the full height for y",
    "pixels": "in pixels of this picture of {w} x {h} pixels",
    "fraction": "as fractions from 0 to 1 of the width for x and of the height for y",
}


def location_question(name: str, scale: str, width: int, height: int) -> str:
    """The question for the boxes of everything that a name fits.

    Args:
        name: of the object.
        scale: one of `config.BOX_SCALES`.
        width, height: of the picture as it is sent.
    """
    words = _SCALE_WORDS[scale].format(w=width, h=height)
    return (
        f"Find {object_words(name, '')} in the picture. Answer only with JSON of the form "
        '{"boxes": [[x0, y0, x1, y1]]}: one box around the visible part of each object that the name fits, an empty '
        f"list if there is none. x runs to the right, y down; give them {words}."
    )
