"""Which names mean a kind of object that the model was trained on."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from spatialvlm_ros.questions.grammar import clean_label

# What begins a clause behind the noun: "on the left", "of soup", "nearer to the camera", "that stands there".
_CLAUSES = frozenset(
    "of with without on in at by for nearer closer further farther higher lower next near beside behind between under "
    "below above over inside against left right that which standing lying leaning".split()
)
_ATTRIBUTES = frozenset("left right lower higher nearer further farther closer".split())  # where they stand before it
_NO_ATTRIBUTES = frozenset("not no without never a an the this that these those".split())
_JOINING = frozenset(("and", "or", "&"))
_BETWEEN = "between"
_UNITS = frozenset(
    "m metre metres meter meters cm centimetre centimetres centimeter centimeters mm millimetre millimetres millimeter "
    "millimeters inch inches foot feet yard yards".split()
)


class KnownNames:
    """Names made of a noun, attributes before it and clauses behind it.

    The noun is the last one before the first clause: a mug holder is no mug, and a table leg no table.

    Args:
        nouns: in small letters.
    """

    def __init__(self, nouns: Collection[str]) -> None:
        self._nouns = frozenset(tuple(noun.split()) for noun in nouns)
        self._most_words = max(map(len, self._nouns), default=0)
        self.known = lru_cache(maxsize=4096)(self._known)

    def _known(self, name: str) -> bool:
        """Whether a name means one thing of a known kind, whatever is said of it: "red mug on the left"."""
        words = clean_label(name).lower().split()
        if any(mark in name for mark in "<>,;") or (len(words) > 1 and words[-2] == "in" and words[-1] in _UNITS):
            return False
        noun = self._noun(words)
        if noun is None:
            return False
        start, end = noun
        return not _NO_ATTRIBUTES & set(words[:start]) and not self._two(words[:start]) and not self._two(words[end:])

    def _noun(self, words: list[str]) -> tuple[int, int] | None:
        """Where the noun starts and ends: the first one that a clause, or nothing, follows; the longest of those that
        end there."""
        for end in range(1, len(words) + 1):
            if end < len(words) and words[end] not in _CLAUSES:
                continue
            for start in range(max(0, end - self._most_words), end):
                # A noun may hold a clause's word itself: "pile of clothes" is found with its last word.
                if tuple(words[start:end]) in self._nouns and not (_CLAUSES - _ATTRIBUTES) & set(words[:start]):
                    return start, end
        return None

    def _two(self, words: list[str]) -> bool:
        """Whether words beside the noun join another thing to it: "and plate", "mug and red"."""
        at = next((k for k, word in enumerate(words) if word in _JOINING), None)
        if at is None or _BETWEEN in words[:at]:
            return False
        if at == 0:
            return True
        return any(tuple(words[k:e]) in self._nouns for k in range(len(words)) for e in range(k + 1, len(words) + 1))
