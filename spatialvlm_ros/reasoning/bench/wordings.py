"""The wordings of the benchmark, and how names are filled into them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.questions.grammar import definite, indefinite
from spatialvlm_ros.shared_files import read_yaml

KNOWN, HELD_OUT = "known", "held_out"
HALVES = (KNOWN, HELD_OUT)
UNREADABLE = "unreadable"  # the entry with questions that have no answer in metres

_SLOT = re.compile(r"\{([A-Za-z_]+)(?::(an))?\}")
_DATA = Path(__file__).with_name("data")


@dataclass(frozen=True)
class Wording:
    """One way to ask.

    Attributes:
        text: with slots.
        negated: whether its yes is the form's no.
    """

    text: str
    negated: bool = False


@lru_cache(maxsize=2)
def wordings(half: str) -> Mapping[str, tuple[Wording, ...]]:
    """Form -> its wordings of one half.

    Raises:
        ConfigError: another half than "known" and "held_out".
    """
    if half not in HALVES:
        raise ConfigError("unknown half of the wordings", half, f"Known: {', '.join(HALVES)}.")
    table = read_yaml(_DATA / f"{half}.yaml")
    return {name: tuple(map(_wording, entries)) for name, entries in table.items()}


def _wording(entry: str | Mapping[str, str]) -> Wording:
    return Wording(entry) if isinstance(entry, str) else Wording(entry["negated"], True)


def filled(wording: Wording, slots: Mapping[str, str | Sequence[str]]) -> str:
    """The question.

    Args:
        wording: with slots.
        slots: "a", "b", ... and "w" -> text; "items" -> names.
    """

    def fill(match: re.Match[str]) -> str:
        slot, article = match[1], match[2]
        if slot.lower() in ("items", "items_or"):
            text = _list([definite(n) for n in slots["items"]], "or" if slot.endswith("_or") else "and")
        elif slot == "w":
            return str(slots["w"])
        else:
            name = str(slots[slot.lower()])
            text = indefinite(name) if article else definite(name)
        return text[0].upper() + text[1:] if slot[0].isupper() else text

    return _SLOT.sub(fill, wording.text)


def _list(names: Sequence[str], last: str) -> str:
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
