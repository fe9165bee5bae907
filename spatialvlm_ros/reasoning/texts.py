"""Text from models and pictures as data: one line, printable, of bounded length; and numbers in words."""

from __future__ import annotations

import math
import re
import unicodedata

from spatialvlm_ros.models.estimate import PROBABILITY, Estimate

_MARKS = re.compile(r"<\|[^<>|]{0,40}\|>|</?(?:s|tool_call|tool_response|think)>|\[/?INST\]|<<?/?SYS>?>", re.IGNORECASE)
_CUT = "..."
_UNITS = {"m2": "m\u00b2", "m3": "m\u00b3"}


def plain(text: object, most: int = 400) -> str:
    """One line without control characters and without the marks that separate the turns of a conversation."""
    words = " ".join(_MARKS.sub(" ", str(text)[: 8 * most]).split())
    line = "".join(c for c in words if unicodedata.category(c)[0] != "C")
    return line if len(line) <= most else line[: most - len(_CUT)] + _CUT


def with_error(value: float, std: float = 0.0, unit: str = "m") -> str:
    """ "0.41 \u00b1 0.03 m": as many digits as the error leaves worth saying, whole millimetres at most."""
    digits = _digits(value, std)
    shown = f"{value:.{digits}f}"
    if std >= 0.5 * 10.0**-digits:
        shown += f" \u00b1 {std:.{digits}f}"
    return f"{shown} {_UNITS.get(unit, unit)}".rstrip()


def _digits(value: float, std: float) -> int:
    if not math.isfinite(std) or std <= 0:
        return 3 if abs(value) < 0.1 else 2
    return min(max(math.ceil(-math.log10(std)), 1 if abs(value) >= 10 else 2), 3)


def percent(probability: float) -> str:
    """ "81%"; never 100% where a doubt is left."""
    return f"{min(max(probability, 0.01), 0.99):.0%}"


def estimate_words(estimate: Estimate) -> str:
    """What was measured, in a few words: the value with its error, or why there is none."""
    if not estimate.valid:
        return f"no answer ({estimate.reason}) {plain(estimate.detail, 120)}".rstrip()
    if estimate.unit == PROBABILITY:
        return f"{'yes' if estimate.value >= 0.5 else 'no'} ({percent(max(estimate.value, 1 - estimate.value))} sure)"
    return with_error(estimate.value, estimate.std, estimate.unit)


def the(name: str) -> str:
    """A name with its article: "the mug"; "your bag" stays."""
    first = name.partition(" ")[0].lower()
    return name if first in _DETERMINERS else f"the {name}"


_DETERMINERS = frozenset("the a an my your our his her its their this that these those".split())


def listed(parts: list[str], last: str = "and") -> str:
    """ "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def sentence(text: str) -> str:
    """With a capital at the start."""
    return text[:1].upper() + text[1:]
