"""What a name tells of a thing's shape."""

from __future__ import annotations

from spatialvlm_ros.questions.grammar import clean_label, head_noun

_CYLINDER = 1.0
_FEET = {"bowl": 0.5, "wok": 0.5}  # radius of the foot over that of the rim


def foot_share(name: str) -> float:
    """Radius of a thing's foot over that of its rim; 1 where its name does not tell."""
    return _FEET.get(head_noun(clean_label(name)), _CYLINDER)
