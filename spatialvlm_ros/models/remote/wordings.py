"""How each relation is asked for in words, with its definition, and which family reads the answer back."""

from __future__ import annotations

from dataclasses import dataclass

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import CAMERA_NAME, GRIPPER_NAME, ObjectRef, Query, Region
from spatialvlm_ros.questions.families import FAMILIES, Family
from spatialvlm_ros.scenes.relations import Relation

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

# {s} is the subject, {r} the reference. Each says what is measured between which parts, as `scenes.relations` does.
_LENGTHS: dict[Relation, str] = {
    Relation.DISTANCE: "What is the straight-line distance between the centre of {s} and the centre of {r}?",
    Relation.GAP: "What is the smallest distance between the surfaces of {s} and {r}, 0 m if they touch?",
    Relation.HEIGHT: "How tall is {s}, measured vertically?",
    Relation.WIDTH: "How wide is {s}, measured horizontally from left to right as the camera sees it?",
    Relation.ELEVATION: "How high is the bottom of {s} above the surface that carries the objects (table or floor)?",
    Relation.VERTICAL_DISTANCE: (
        "What is the vertical distance, without sign, between the height of the centre of {s} and that of {r}?"
    ),
    Relation.HORIZONTAL_DISTANCE: (
        "What is the horizontal distance between the centres of {s} and {r}, not counting any difference in height?"
    ),
    Relation.ABOVE_DIFF: "How much higher is the top of {s} than the top of {r}?",
    Relation.BELOW_DIFF: "How much lower is the bottom of {s} than the bottom of {r}?",
    Relation.BEHIND_DIFF: "How much farther from the camera, measured along its viewing direction, is {s} than {r}?",
    Relation.FRONT_DIFF: "How much nearer to the camera, measured along its viewing direction, is {s} than {r}?",
    Relation.LEFT_DIFF: "How far to the left of the centre of {r} is the centre of {s}, as the camera sees it?",
    Relation.RIGHT_DIFF: "How far to the right of the centre of {r} is the centre of {s}, as the camera sees it?",
    Relation.FREE_WIDTH: "How wide is the free passage on the ground between {s} and {r}, 0 m if there is none?",
}
_PREDICATES: dict[Relation, str] = {
    Relation.LEFT: "Is the centre of {s} to the left of the centre of {r}, as the camera sees it?",
    Relation.RIGHT: "Is the centre of {s} to the right of the centre of {r}, as the camera sees it?",
    Relation.ABOVE: "Is the centre of {s} higher than the centre of {r}?",
    Relation.BELOW: "Is the centre of {s} lower than the centre of {r}?",
    Relation.BEHIND: "Is {s} farther from the camera than {r}?",
    Relation.FRONT: "Is {s} nearer to the camera than {r}?",
    Relation.TALL: "Is {s} taller than {r}?",
    Relation.SHORT: "Is {s} shorter, measured vertically, than {r}?",
    Relation.WIDE: "Is {s} wider, from left to right as the camera sees it, than {r}?",
    Relation.THIN: "Is {s} thinner, from left to right as the camera sees it, than {r}?",
    Relation.BIG: "Is the volume of {s} bigger than that of {r}?",
    Relation.SMALL: "Is the volume of {s} smaller than that of {r}?",
    Relation.INSIDE: "Is {s} inside {r}?",
    Relation.ON: "Is {s} standing or lying on {r}?",
    Relation.TOUCHING: "Does {s} touch {r}?",
    Relation.LIFTED: "Is {s} lifted off the surface below it, so that only a gripper or hand carries it?",
}
# Relations beyond the 43 families are read back like the family they resemble.
_READ_LIKE: dict[Relation, str] = {
    Relation.FREE_WIDTH: "gap",
    Relation.INSIDE: "small_predicate",
    Relation.ON: "above_predicate",
    Relation.TOUCHING: "big_predicate",
    Relation.LIFTED: "above_predicate",
}
_SIGNED_RELATIONS = frozenset(
    {
        Relation.ELEVATION,
        Relation.ABOVE_DIFF,
        Relation.BELOW_DIFF,
        Relation.BEHIND_DIFF,
        Relation.FRONT_DIFF,
        Relation.LEFT_DIFF,
        Relation.RIGHT_DIFF,
    }
)
_SPECIAL_NAMES = {
    CAMERA_NAME: "the camera that took this picture",
    GRIPPER_NAME: "the point between the finger pads of the robot's gripper",
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


def can_ask(query: Query) -> bool:
    """Whether there are words for a query's relation (there are none for volumes)."""
    return query.kind in _LENGTHS or query.kind in _PREDICATES


def wording(query: Query, camera: Camera | None = None) -> Wording:
    """A query in words.

    Args:
        query: one with `can_ask`.
        camera: of the picture as it is sent, told in words; None leaves it out.
    """
    relation = query.kind
    predicate = relation in _PREDICATES
    subject = object_words(query.subject, SUBJECT_MARK)
    reference = None if query.reference is None else object_words(query.reference, REFERENCE_MARK)
    question = (_PREDICATES if predicate else _LENGTHS)[relation].format(s=subject, r=reference)
    how = _YES_NO if predicate else _SIGNED if relation in _SIGNED_RELATIONS else _NUMBER
    parts = [camera_words(camera)] if camera is not None else []
    marks = tuple(
        (colour, thing)
        for colour, thing in ((SUBJECT_MARK, query.subject), (REFERENCE_MARK, query.reference))
        if isinstance(thing, Region)
    )
    return Wording(" ".join([*parts, question, how, _ABSENT]), family_of(relation), subject, reference, marks)


def family_of(relation: Relation) -> Family:
    """The question family whose reader fits the answers to a relation."""
    default = f"{relation}_predicate" if relation in _PREDICATES else str(relation)
    return FAMILIES[_READ_LIKE.get(relation, default)]


def object_words(thing: ObjectRef, colour: str) -> str:
    """A name with its article, or the words for what is marked in the picture."""
    if isinstance(thing, Region):
        mark = "dot" if thing.is_point else "box"
        return f"the {thing.name or 'object'} {'at' if thing.is_point else 'in'} the {colour} {mark}"
    if thing.lower() in _SPECIAL_NAMES:
        return _SPECIAL_NAMES[thing.lower()]
    article = thing.split()[0].lower() in ("the", "a", "an", "my", "your")
    return thing if article else f"the {thing}"


def camera_words(camera: Camera) -> str:
    """Field of view and focal length in one sentence: a picture alone does not fix the scale."""
    hfov = camera.hfov() * 57.29577951308232
    return (
        f"The picture is {camera.width} x {camera.height} pixels, taken with a focal length of {camera.fx:.0f} pixels "
        f"(horizontal field of view {hfov:.0f} degrees)."
    )


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
