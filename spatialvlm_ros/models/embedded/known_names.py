"""Which names mean a kind of object that the model was trained on, and in which words it was."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from spatialvlm_ros.models.embedded.synonyms import PLAIN_ATTRIBUTES, synonyms_of
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
        self._synonyms = {tuple(word.split()): noun for word, noun in synonyms_of(nouns).items()}
        self.known = lru_cache(maxsize=4096)(self._known)
        self.in_trained_words = lru_cache(maxsize=4096)(self._in_trained_words)

    def _known(self, name: str) -> bool:
        """Whether a name means one thing of a known kind, whatever is said of it: "red mug on the left"."""
        return bool(self._find(name, self._nouns) or self._find_synonym(name))

    def _in_trained_words(self, name: str) -> str:
        """A name with the noun that the model was trained with: "white fridge by the door" becomes "white refrigerator
        by the door". Names that hold such a noun stay as they are, and so do unknown ones."""
        found = None if self._find(name, self._nouns) else self._find_synonym(name)
        if found is None:
            return name
        words, start, end = found
        return " ".join([*words[:start], self._synonyms[tuple(words[start:end])], *words[end:]])

    def _find_synonym(self, name: str) -> tuple[list[str], int, int] | None:
        """As `_find`; what stands before a synonym must not change its meaning."""
        found = self._find(name, self._synonyms)
        return found if found is not None and set(found[0][: found[1]]) <= PLAIN_ATTRIBUTES else None

    def _find(self, name: str, nouns: Collection[tuple[str, ...]]) -> tuple[list[str], int, int] | None:
        """The words of a name, and where the noun starts and ends; None where it means no thing, or two."""
        words = clean_label(name).lower().split()
        if any(mark in name for mark in "<>,;") or (len(words) > 1 and words[-2] == "in" and words[-1] in _UNITS):
            return None
        noun = self._noun(words, nouns)
        if noun is None:
            return None
        start, end = noun
        if _NO_ATTRIBUTES & set(words[:start]) or self._two(words[:start]) or self._two(words[end:]):
            return None
        return words, start, end

    def _noun(self, words: list[str], nouns: Collection[tuple[str, ...]]) -> tuple[int, int] | None:
        """Where the noun starts and ends: the first one that a clause, or nothing, follows; the longest of those that
        end there."""
        for end in range(1, len(words) + 1):
            if end < len(words) and words[end] not in _CLAUSES:
                continue
            for start in range(end):
                # A noun may hold a clause's word itself: "pile of clothes" is found with its last word.
                if tuple(words[start:end]) in nouns and not (_CLAUSES - _ATTRIBUTES) & set(words[:start]):
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
