"""Fields of a row, checked; a row that lacks one is `Unusable` with a reason that can be counted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from spatialvlm_ros.evaluation.readers.decoding import is_picture
from spatialvlm_ros.evaluation.readers.media import MediaRoot, Picture, embedded_picture
from spatialvlm_ros.evaluation.readers.records import Unusable

_UNITS: dict[str, tuple[str, ...]] = {
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    "m": ("m", "meter", "meters", "metre", "metres"),
    "in": ("in", "inch", "inches"),
    "ft": ("ft", "foot", "feet"),
    "yd": ("yd", "yard", "yards"),
}
_SYMBOL = {word: symbol for symbol, words in _UNITS.items() for word in words}


def text(row: Mapping[str, Any], name: str) -> str:
    """A text that is not empty."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Unusable(f"no {name}")
    return value.strip()


def number(value: object, what: str) -> float:
    """A finite number, given as one or as text."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise Unusable(f"{what} is no number") from None
    if isinstance(value, bool) or not math.isfinite(found):
        raise Unusable(f"{what} is no number")
    return found


def unit(value: object) -> str:
    """The symbol of a unit of length, of its symbol or name."""
    symbol = _SYMBOL.get(value.strip().lower()) if isinstance(value, str) else None
    if symbol is None:
        raise Unusable("unknown unit")
    return symbol


def picture(row: Mapping[str, Any], column: str, name: str | None, media: MediaRoot) -> Picture:
    """The picture inside the row, else the file of that name."""
    found = embedded_picture(row.get(column), name or column)
    if found is None and name:
        found = media.picture(name)
    if found is None:
        raise Unusable("missing image")
    if not is_picture(found.encoded()):
        raise Unusable("damaged image")
    return found


_LETTER = re.compile(r"^\s*\(?([A-Z])[).:]\s*")


def choices(value: object) -> tuple[str, ...]:
    """Answer choices without the letters in front of them ("A. left" is "left")."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) < 2:
        raise Unusable("no choices")
    texts = [str(v).strip() for v in value]
    letters = [_LETTER.match(t) for t in texts]
    if all(m is not None and m.group(1) == chr(65 + i) for i, m in enumerate(letters)):
        texts = [t[m.end() :] for t, m in zip(texts, letters, strict=True) if m is not None]
    return tuple(texts)


def letter_index(value: object, count: int) -> int:
    """The choice that "B" or "(B)" names."""
    match = re.fullmatch(r"\(?([A-Za-z])\)?\.?", value.strip()) if isinstance(value, str) else None
    index = ord(match.group(1).upper()) - 65 if match else -1
    if not 0 <= index < count:
        raise Unusable("answer is none of the choices")
    return index
