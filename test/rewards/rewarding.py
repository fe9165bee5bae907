"""Estimates and small exact scenes that rewards are tried on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.estimate import Estimate, Reason, Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.task import RewardTask
from spatialvlm_ros.rewards.templates import parse_task
from spatialvlm_ros.scenes.scene import Scene, SceneObject

# One term and one condition: the potential is half / (half + gap), so 0.5 at 10 cm.
REACH = parse_task(
    """
name: reach
objects: {apple: apple}
phases:
  - name: reach
    terms:
      - {gap: gripper | apple, at_most: 0, half: 0.10}
success:
  when:
    - {gap: gripper | apple, at_most: 0.02}
  hold: 1
"""
)


def said(query: Query, value: float, std: float = 0.0, shared: float = 0.0) -> Estimate:
    """A valid answer; P(true) where it is a predicate."""
    interval = (value - 1.645 * std, value + 1.645 * std)
    if query.unit == "probability":
        std, interval = (value * (1 - value)) ** 0.5, (value, value)
    reference = "" if query.reference is None else str(query.reference)
    return Estimate(
        query.kind,
        str(query.subject),
        reference,
        value,
        std,
        interval,
        query.unit,
        frozenset({Source.DEPTH_SENSOR}),
        True,
        Reason.OK,
        shared,
    )


def unsaid(query: Query, reason: Reason = Reason.NOT_VISIBLE, detail: str = "") -> Estimate:
    """An invalid answer."""
    reference = "" if query.reference is None else str(query.reference)
    return Estimate.invalid(query.kind, str(query.subject), reference, reason, query.unit, detail)


def answers(task: RewardTask, values: Mapping[str, float], std: float = 0.0) -> list[Estimate]:
    """Answers by the relations of a task that has each relation once; what is not named is not visible."""
    return [said(q, values[q.kind.value], std) if q.kind.value in values else unsaid(q) for q in task.queries]


def gaps(values: Iterable[float | None]) -> list[list[Estimate]]:
    """Frames of the task `REACH`; None is not visible."""
    (query,) = REACH.queries
    return [[unsaid(query) if v is None else said(query, v)] for v in values]


CAMERA_HEIGHT = 0.6
Place = tuple[float, float, float]


def scene(
    gripper: Place,
    things: Mapping[str, tuple[Place, Place]],
    contacts: Iterable[tuple[str, str]] = (),
    hidden: Iterable[str] = (),
    frame: CanonicalFrame | None = None,
) -> Scene:
    """A table seen by a level camera 0.6 m over it.

    Args:
        gripper: right, height over the table and forward, metres.
        things: label -> middle likewise, and size along the same axes.
        contacts: pairs of labels that touch; "gripper" and "table" are labels too.
        hidden: labels of what cannot be seen.
    """
    sized = {**things, "gripper": (gripper, (0.0, 0.0, 0.0)), "table": ((0.0, -0.05, 0.8), (2.0, 0.1, 2.0))}
    labels = list(sized)
    objects = tuple(
        SceneObject(
            label=label,
            box2d=np.zeros(4),
            box3d=Boxes(np.array([[x, CAMERA_HEIGHT - height, forward]]), np.array([size]), np.eye(3)[None]),
            visible_fraction=0.0 if label in hidden else 1.0,
        )
        for label, ((x, height, forward), size) in sized.items()
    )
    touching = frozenset(tuple(sorted((labels.index(a), labels.index(b)))) for a, b in contacts)
    up = CanonicalFrame.from_up([0, -1, 0], CAMERA_HEIGHT, "table") if frame is None else frame
    return Scene(None, objects, up, contacts=touching)
