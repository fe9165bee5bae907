"""What is asked of a hub model, in words: the number or the word that is wanted, and where an object is."""

from __future__ import annotations

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.hub.numbers import NumberGrammar
from spatialvlm_ros.models.query import ObjectRef, Query, Region, is_gripper
from spatialvlm_ros.models.wording import PREDICATES, bare_name, camera_words, name_words, question_words

__all__ = ["camera_words", "object_words", "presence_words", "query_words", "several_words"]

THOUSANDTHS = 1000


def object_words(thing: ObjectRef, camera: Camera) -> str:
    """A name with its article, or where a region is, in thousandths of the picture's width and height."""
    if isinstance(thing, Region):
        scale = (THOUSANDTHS / camera.width, THOUSANDTHS / camera.height) * 2
        place = ", ".join(f"{min(max(p * s, 0), THOUSANDTHS):.0f}" for p, s in zip(thing.pixels, scale, strict=False))
        kind = "point" if thing.is_point else "box"
        return f"the {thing.name or 'object'} at the {kind} ({place})"
    return name_words(thing)


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
    parts = [question_words(query.kind, subject, reference)]
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
    return "robot gripper" if is_gripper(name) else bare_name(name)
