"""What is asked of a hub model, in words: the quantity with its definition, the camera, where an object is."""

from __future__ import annotations

import math

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.hub.numbers import NumberGrammar
from spatialvlm_ros.models.query import CAMERA_NAME, GRIPPER_NAME, ObjectRef, Query, Region
from spatialvlm_ros.scenes.relations import Relation

THOUSANDTHS = 1000
_NAMES = {CAMERA_NAME: "the camera", GRIPPER_NAME: "the robot's gripper"}
_ARTICLES = frozenset({"the", "a", "an", "my", "your"})

# {s} is the subject, {r} the reference: what is measured between which parts, as `scenes.relations` defines it.
LENGTHS: dict[Relation, str] = {
    Relation.DISTANCE: "How far apart are the centre of {s} and the centre of {r}, in a straight line?",
    Relation.GAP: "How wide is the gap between the nearest points of {s} and {r}? It is 0 if they touch.",
    Relation.HEIGHT: "How tall is {s}, from its lowest to its highest point?",
    Relation.WIDTH: "How wide is {s}, from left to right as the camera sees it?",
    Relation.ELEVATION: "How high is the bottom of {s} above the table or floor under it?",
    Relation.VERTICAL_DISTANCE: "How large is the height difference of the centres of {s} and {r}, without sign?",
    Relation.HORIZONTAL_DISTANCE: "How far apart are the centres of {s} and {r} horizontally, heights left out?",
    Relation.ABOVE_DIFF: "How much higher is the top of {s} than the top of {r}?",
    Relation.BELOW_DIFF: "How much lower is the bottom of {s} than the bottom of {r}?",
    Relation.BEHIND_DIFF: "How much farther from the camera, along its view, is the centre of {s} than that of {r}?",
    Relation.FRONT_DIFF: "How much nearer to the camera, along its view, is the centre of {s} than that of {r}?",
    Relation.LEFT_DIFF: "How much farther left, as the camera sees it, is the centre of {s} than that of {r}?",
    Relation.RIGHT_DIFF: "How much farther right, as the camera sees it, is the centre of {s} than that of {r}?",
    Relation.FREE_WIDTH: "How wide is the free passage between {s} and {r}, seen from above? It is 0 if there is none.",
}
PREDICATES: dict[Relation, str] = {
    Relation.LEFT: "Is {s} farther left than {r}, as the camera sees it?",
    Relation.RIGHT: "Is {s} farther right than {r}, as the camera sees it?",
    Relation.ABOVE: "Is the centre of {s} higher than the centre of {r}?",
    Relation.BELOW: "Is the centre of {s} lower than the centre of {r}?",
    Relation.BEHIND: "Is {s} farther away from the camera than {r}?",
    Relation.FRONT: "Is {s} nearer to the camera than {r}?",
    Relation.TALL: "Is {s} taller than {r}?",
    Relation.SHORT: "Is {s} shorter, from bottom to top, than {r}?",
    Relation.WIDE: "Is {s} wider, from left to right, than {r}?",
    Relation.THIN: "Is {s} thinner, from left to right, than {r}?",
    Relation.BIG: "Does {s} take up more volume than {r}?",
    Relation.SMALL: "Does {s} take up less volume than {r}?",
    Relation.INSIDE: "Is {s} inside {r}?",
    Relation.ON: "Does {s} stand or lie on {r}?",
    Relation.TOUCHING: "Do {s} and {r} touch?",
    Relation.LIFTED: "Is {s} lifted off what it stood on, carried by a hand or gripper alone?",
}


def camera_words(camera: Camera) -> str:
    """Focal length and field of view in one sentence: a picture alone does not fix the scale."""
    return (
        f"The picture is {camera.width} x {camera.height} pixels, its focal length is {camera.fx:.0f} pixels: it shows "
        f"{math.degrees(camera.hfov()):.0f} degrees from left to right and {math.degrees(camera.vfov()):.0f} degrees "
        "from top to bottom."
    )


def object_words(thing: ObjectRef, camera: Camera) -> str:
    """A name with its article, or where a region is, in thousandths of the picture's width and height."""
    if isinstance(thing, Region):
        scale = (THOUSANDTHS / camera.width, THOUSANDTHS / camera.height) * 2
        place = ", ".join(f"{min(max(p * s, 0), THOUSANDTHS):.0f}" for p, s in zip(thing.pixels, scale, strict=False))
        kind = "point" if thing.is_point else "box"
        return f"the {thing.name or 'object'} at the {kind} ({place})"
    if thing in _NAMES:
        return _NAMES[thing]
    return thing if thing.split()[0].lower() in _ARTICLES else f"the {thing}"


def can_ask(query: Query) -> bool:
    """Whether there are words for a query's relation (there are none for volumes: the answers are in metres)."""
    return query.kind in LENGTHS or query.kind in PREDICATES


def query_words(query: Query, camera: Camera, grammar: NumberGrammar, quantity_token: bool = False) -> str:
    """A query with `can_ask` as a question, without the camera's sentence.

    Args:
        query: what is asked.
        camera: of the picture.
        grammar: of the number that is wanted.
        quantity_token: a quantity token is wanted instead of a number.
    """
    predicate = query.kind in PREDICATES
    subject = object_words(query.subject, camera)
    reference = "" if query.reference is None else object_words(query.reference, camera)
    parts = [(PREDICATES if predicate else LENGTHS)[query.kind].format(s=subject, r=reference)]
    if isinstance(query.subject, Region) or isinstance(query.reference, Region):
        parts.append("Places are given in thousandths of the picture's width and height, from the top left.")
    if predicate:
        parts.append("Answer yes or no.")
    elif quantity_token:
        parts.append("Answer only with its length token.")
    else:
        minus = "; it is negative if it is the other way round" if grammar.signed else ""
        digits = f"{grammar.decimals} decimal{'s' if grammar.decimals > 1 else ''}"
        parts.append(f"Answer only with the number of metres with {digits}, such as {grammar.example()}{minus}.")
    return " ".join(parts)


def presence_words(name: str) -> str:
    """The yes/no question whether an object is in the picture."""
    return f"Is there a {_bare(name)} in the picture? Answer yes or no."


def several_words(name: str) -> str:
    """The yes/no question whether there are several of it."""
    return f"Is there more than one {_bare(name)} in the picture? Answer yes or no."


def _bare(name: str) -> str:
    if name == GRIPPER_NAME:
        return "robot gripper"
    first, _, rest = name.partition(" ")
    return rest if rest and first.lower() in _ARTICLES else name
