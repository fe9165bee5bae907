"""The estimates of a task from exact scenes: what a perfect model would answer. To judge rewards and to test them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spatialvlm_ros.models.estimate import Estimate, Reason, Source
from spatialvlm_ros.models.query import CAMERA_NAME, GRIPPER_NAME, ObjectRef, Query
from spatialvlm_ros.scenes.pairs import CAMERA, Pairs, scene_pairs
from spatialvlm_ros.scenes.relations import RELATIONS, Relation, relation_values
from spatialvlm_ros.scenes.scene import Scene

ROBOT_LABELS = (GRIPPER_NAME, "robot arm")  # what holds a thing does not support it
_Found = tuple[int, Reason, str]


def estimates_of_scene(scene: Scene, queries: Sequence[Query], least_visible: float = 0.0) -> list[Estimate]:
    """The exact answers of N queries, in their order; invalid with the reason that a model would have.

    Args:
        scene: with 3D boxes; gaps and contacts are used where they are known.
        queries: objects by the labels they have in the scene, "camera" or "gripper".
        least_visible: objects of which no more than this share (0..1) is visible are not seen. The gripper is always
            known, as a robot knows it.
    """
    return [_estimate(scene, query, least_visible) for query in queries]


def _estimate(scene: Scene, query: Query, least_visible: float) -> Estimate:
    subject, reference = str(query.subject), "" if query.reference is None else str(query.reference)
    given = [query.subject] if query.reference is None else [query.subject, query.reference]
    indices = []
    for thing in given:
        index, reason, detail = _find(scene, thing, least_visible)
        if reason is not Reason.OK:
            return Estimate.invalid(query.kind, subject, reference, reason, query.unit, detail)
        indices.append(index)
    value = float(relation_values(query.kind, _pairs(scene, query.kind, indices))[0])
    if not np.isfinite(value):
        detail = f"{query.kind} needs a frame of level {RELATIONS[query.kind].min_level}."
        return Estimate.invalid(query.kind, subject, reference, Reason.NO_FRAME, query.unit, detail)
    if RELATIONS[query.kind].predicate:
        value = float(value > 0)
    return Estimate(
        query.kind,
        subject,
        reference,
        value,
        std=0.0,
        interval=(value, value),
        unit=query.unit,
        sources=frozenset({Source.GROUND_TRUTH}),
        valid=True,
        reason=Reason.OK,
    )


def _find(scene: Scene, thing: ObjectRef, least_visible: float) -> _Found:
    """The index of an object in the scene."""
    if not isinstance(thing, str):
        return 0, Reason.UNKNOWN_NAME, f"A true scene knows names, not pixels ({thing})."
    name = thing.lower()
    if name == CAMERA_NAME:
        return CAMERA, Reason.OK, ""
    labels = [o.label.lower() for o in scene.objects]
    found = [index for index, label in enumerate(labels) if label == name]
    if not found:
        return 0, Reason.UNKNOWN_NAME, f"There is no {thing!r} in the scene; there are {', '.join(labels) or 'none'}."
    if len(found) > 1:
        return 0, Reason.AMBIGUOUS, f"There are {len(found)} things called {thing!r}."
    if name != GRIPPER_NAME and not scene.objects[found[0]].visible_fraction > least_visible:
        return 0, Reason.NOT_VISIBLE, f"{thing!r} is hidden."
    return found[0], Reason.OK, ""


def _pairs(scene: Scene, relation: Relation, indices: list[int]) -> Pairs:
    if len(indices) == 2:
        return scene_pairs(scene, indices[:1], indices[1:])
    pairs = scene_pairs(scene, indices)
    if relation is Relation.LIFTED and scene.contacts is not None:
        return replace(pairs, contacts=np.array([_is_supported(scene, indices[0])]))
    return pairs


def _is_supported(scene: Scene, index: int) -> bool:
    """Whether an object touches anything but the robot."""
    assert scene.contacts is not None
    others = {a if b == index else b for a, b in scene.contacts if index in (a, b)}
    return any(scene.objects[other].label not in ROBOT_LABELS for other in others)
