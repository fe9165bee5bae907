"""Which one object a chain of thought decides for: where a robot could be sent."""

from __future__ import annotations

from collections.abc import Set

from spatialvlm_ros.models.query import is_camera, is_gripper
from spatialvlm_ros.reasoning.planner.deciding import UNDECIDED
from spatialvlm_ros.reasoning.steps import Conclusion


def decided_object(conclusion: Conclusion, found: Set[str]) -> str:
    """The only label, where it is the name of an object that was found; "" where it is too close to tell, too.

    Args:
        conclusion: of a chain of thought.
        found: names of the objects that are in the picture.
    """
    if len(conclusion.labels) != 1 or conclusion.text.startswith(UNDECIDED):
        return ""
    (label,) = conclusion.labels
    return label if label in found and not (is_camera(label) or is_gripper(label)) else ""
