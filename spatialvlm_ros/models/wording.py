"""What models are asked in words: each quantity with its definition, the camera, the names of objects.

How an answer is to be written, and how an object given by its place is told, depends on the model: see `hub.wording`
and `remote.wordings`.
"""

from __future__ import annotations

import math

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import Query, is_camera, is_gripper
from spatialvlm_ros.scenes.relations import Relation

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
    Relation.LEFT: "Is the centre of {s} farther left than the centre of {r}, as the camera sees it?",
    Relation.RIGHT: "Is the centre of {s} farther right than the centre of {r}, as the camera sees it?",
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


def can_ask(query: Query) -> bool:
    """Whether there are words for a query's relation (there are none for volumes: the answers are in metres)."""
    return query.kind in LENGTHS or query.kind in PREDICATES


def question_words(relation: Relation, subject: str, reference: str = "") -> str:
    """The question for a relation of two objects, or of one, in the words for them."""
    return (PREDICATES if relation in PREDICATES else LENGTHS)[relation].format(s=subject, r=reference)


def camera_words(camera: Camera) -> str:
    """Focal length and field of view in one sentence: a picture alone does not fix the scale."""
    across, down = math.degrees(camera.hfov()), math.degrees(camera.vfov())
    return (
        f"The picture is {camera.width} x {camera.height} pixels, taken with a focal length of {camera.fx:.0f} pixels: "
        f"it shows {across:.0f} degrees from left to right and {down:.0f} degrees from top to bottom."
    )


def name_words(name: str) -> str:
    """A name with its article; what the camera and the gripper are, where those are meant."""
    if is_camera(name):
        return "the camera that took this picture"
    if is_gripper(name):
        return "the point between the finger pads of the robot's gripper"
    return name if name.split()[0].lower() in _ARTICLES else f"the {name}"


def bare_name(name: str) -> str:
    """A name without its article."""
    first, _, rest = name.partition(" ")
    return rest if rest and first.lower() in _ARTICLES else name
