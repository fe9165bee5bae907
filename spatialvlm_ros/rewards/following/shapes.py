"""What a name tells of a thing's shape."""

from __future__ import annotations

import re

_CYLINDER = 1.0
# Words -> radius of the foot over that of the rim.
_FEET = {"bowl": 0.5, "wok": 0.5}
_WORD = re.compile(r"[a-z]+")


def foot_share(name: str) -> float:
    """Radius of a thing's foot over that of its rim; 1 where its name does not tell."""
    return min((_FEET.get(word, _CYLINDER) for word in _WORD.findall(name.lower())), default=_CYLINDER)
