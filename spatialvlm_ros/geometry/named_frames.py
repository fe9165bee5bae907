"""Frames that people name, seen from a camera: where one is, or why nobody knows. The node and recordings ask here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spatialvlm_ros.errors import TransformError
from spatialvlm_ros.geometry.transforms import Transform

TOLERANCE_NS = 100_000_000  # transforms of a moving camera come up to so much later than its pictures

_SWITCHED_OFF = "the parameter use_tf is false"


@dataclass(frozen=True)
class MissingFrame:
    """Why it is not known where a frame is, in one sentence."""

    why: str


def named_frame(name: str, use_tf: bool, lookup: Callable[[str], Transform]) -> Transform | MissingFrame:
    """Where a frame is that somebody named.

    Args:
        name: of the frame.
        use_tf: whether frames are believed at all.
        lookup: takes points of a frame into the optical frame of a picture, or raises `TransformError`.
    """
    if not use_tf:
        return MissingFrame(_SWITCHED_OFF)
    try:
        return lookup(name)
    except TransformError as error:
        return not_linked(name, str(error))


def not_linked(name: str, why: str) -> MissingFrame:
    """A frame that is somewhere else, or nowhere."""
    return MissingFrame(f"{name!r} is not linked to the camera: {why}")
