"""Units of length, and the ways in which they are written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Unit:
    """A unit of length.

    Attributes:
        name: its symbol, e.g. "cm".
        per_metre, metres: exact as a ratio; one unit is ``metres / per_metre`` metres.
        imperial: whether it is one of feet, inches, yards, miles.
    """

    name: str
    metres: float
    per_metre: float = 1.0
    imperial: bool = False

    def to_metres(self, value: float) -> float:
        """``value`` of this unit, in metres. Divides where the factor has no exact binary form."""
        return value * self.metres / self.per_metre


UNITS: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        Unit("um", 1, 1_000_000),
        Unit("mm", 1, 1000),
        Unit("cm", 1, 100),
        Unit("dm", 1, 10),
        Unit("m", 1),
        Unit("km", 1000),
        Unit("in", 254, 10_000, True),
        Unit("ft", 3048, 10_000, True),
        Unit("yd", 9144, 10_000, True),
        Unit("mi", 1_609_344, 1000, True),
    )
}

# Each unit as it is written: English, then the common ones of other languages.
_WRITTEN = {
    "um": "um micron microns micrometer micrometers micrometre micrometres",
    "mm": (
        "mm mms millimeter millimeters millimetre millimetres millim\u00e8tres mil\u00edmetros milimetros millimetri "
        "\u6beb\u7c73 \u043c\u043c"
    ),
    "cm": (
        "cm cms centimeter centimeters centimetre centimetres centi centis zentimeter centim\u00e8tre centim\u00e8tres "
        "centimetro centimetros cent\u00edmetro cent\u00edmetros centimetri cmtr cmtrs "
        "\u5398\u7c73 \u516c\u5206 \u0441\u043c"
    ),
    "dm": "dm decimeter decimeters decimetre decimetres dezimeter \u5206\u7c73",
    "m": "\u043c m mtr mtrs mt mts meter meters metre metres metro metros m\u00e8tre m\u00e8tres metri ms \u7c73",
    "km": "\u043a\u043c km kms kilometer kilometers kilometre kilometres \u516c\u91cc",
    "in": "in ins inch inches zoll pouce pouces pulgada pulgadas \u82f1\u5bf8",
    "ft": "pied pieds ft fts foot feet feets foots fu\u00df pies \u82f1\u5c3a",
    "yd": "yd yds yard yards",
    "mi": "mi mile miles",
}
_UNIT_OF_WORD: dict[str, Unit] = {word: UNITS[name] for name, words in _WRITTEN.items() for word in words.split()}

# Only long, common words may be misspelt: a short one is soon another word.
_SPELLING = {
    word: _UNIT_OF_WORD[word]
    for word in (
        "meters metres meter metre centimeters centimetres centimeter centimetre millimeters millimetres millimeter "
        "millimetre kilometers kilometres inches"
    ).split()
}
_LONGEST = 16


@lru_cache(maxsize=4096)
def unit_of_word(word: str) -> Unit | None:
    """The unit that ``word`` (lower case) stands for, slips of spelling included; None for any other word."""
    word = word.removesuffix("'s").removesuffix("'")
    unit = _UNIT_OF_WORD.get(word)
    if unit is not None or not 5 <= len(word) <= _LONGEST:
        return unit
    for written, candidate in _SPELLING.items():
        allowed = 2 if len(written) >= 9 else 1
        if word[0] == written[0] and abs(len(word) - len(written)) <= allowed and _edits(word, written) <= allowed:
            return candidate
    return None


def _edits(a: str, b: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]
