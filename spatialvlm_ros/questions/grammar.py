"""The little English that filling object names into sentences needs: articles, plurals, verbs, capitals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_ARTICLES = ("a", "an", "the")
_OWN_DETERMINERS = ("my", "your", "his", "her", "our", "their", "its", "this", "that", "these", "those")
_PREPOSITIONS = ("of", "with", "on", "in", "at", "for", "from", "nearer", "further", "higher", "lower", "next")
# Words that end in "s" and are one thing.
_SINGULAR_S = {"lens", "gas", "canvas", "chess", "atlas", "tennis", "christmas", "bias", "molasses"}
_PLURAL = {"people", "men", "women", "children", "feet", "teeth", "mice", "geese", "dice"}
_SOUNDS_LIKE_VOWEL = ("hour", "heir", "honest", "honour", "honor")
_SOUNDS_LIKE_CONSONANT = ("uni", "use", "usb", "uku", "uri", "ute", "eu", "one", "once")
# Verbs (third person singular) that agree with an object name next to them.
PLURAL_OF_VERB = {
    "is": "are",
    "isn't": "aren't",
    "does": "do",
    "doesn't": "don't",
    "has": "have",
    "was": "were",
    "lies": "lie",
    "stands": "stand",
    "sits": "sit",
    "rests": "rest",
    "measures": "measure",
    "touches": "touch",
    "reaches": "reach",
    "starts": "start",
    "spans": "span",
    "takes": "take",
}


def clean_label(label: str) -> str:
    """A label as it stands inside a sentence: no article, no stray blanks, full stop or sentence capital."""
    words = label.strip().rstrip(".!?,;").split()
    if len(words) > 1 and words[0].lower() in _ARTICLES:
        words = words[1:]
    text = " ".join(words)
    if text[:1].isupper() and text[1:] == text[1:].lower():
        text = text[0].lower() + text[1:]  # "Red mug" is a sentence capital; "TV" and "Rubik's Cube" are not
    return text


def head_noun(label: str) -> str:
    """The word that says what it is: "glass" of "tall glass of water", "mug" of "red coffee mug"."""
    words = label.split()
    for position, word in enumerate(words):
        if position and word.lower() in _PREPOSITIONS:
            return words[position - 1].lower()
    return words[-1].lower() if words else ""


def is_plural(label: str) -> bool:
    """Whether a verb after this name is a plural ("the scissors are")."""
    noun = head_noun(label)
    if noun in _PLURAL:
        return True
    return noun.endswith("s") and len(noun) > 3 and not noun.endswith(("ss", "us", "is")) and noun not in _SINGULAR_S


def indefinite(label: str) -> str:
    """ "a mug", "an apple", "scissors"."""
    if _has_determiner(label) or is_plural(label):
        return label
    first = label.lower()
    vowel = first.startswith(("a", "e", "i", "o", "u")) and not first.startswith(_SOUNDS_LIKE_CONSONANT)
    return f"{'an' if vowel or first.startswith(_SOUNDS_LIKE_VOWEL) else 'a'} {label}"


def definite(label: str) -> str:
    """ "the mug"; "my mug" stays as it is."""
    return label if _has_determiner(label) else f"the {label}"


def _has_determiner(label: str) -> bool:
    words = label.split(maxsplit=1)
    return len(words) == 2 and words[0].lower() in _OWN_DETERMINERS


@dataclass(frozen=True)
class NameForm:
    """How a name is written at one place of a template.

    Attributes:
        article: "the", "a" or "" (none).
        capital: whether the place starts a sentence.
        before, after: a verb in the singular that stands directly before or after the name, or "".
    """

    article: str = "the"
    capital: bool = False
    before: str = ""
    after: str = ""

    def write(self, label: str) -> str:
        """The name in this form; ``label`` is a cleaned label."""
        return _write(self, label)


@lru_cache(maxsize=65536)
def _write(form: NameForm, label: str) -> str:
    text = {"the": definite, "a": indefinite}.get(form.article, str)(label)
    verbs = [form.before, form.after]
    if any(verbs) and is_plural(label):
        verbs = [PLURAL_OF_VERB.get(v, v) for v in verbs]
    text = " ".join(part for part in (verbs[0], text, verbs[1]) if part)
    return text[0].upper() + text[1:] if form.capital and text else text


_VERBS = "|".join(sorted(map(re.escape, PLURAL_OF_VERB), key=len, reverse=True))
# A name after one of these is not the subject of the verb that follows it ("the top of {a} is").
_NOT_SUBJECT = "of|and|between|from|to|than|with|behind|above|below|under|for"
VERB_BEFORE = re.compile(rf"\b({_VERBS}) $", re.IGNORECASE)
VERB_AFTER = re.compile(rf"^ ({_VERBS})\b")
AFTER_PREPOSITION = re.compile(rf"\b({_NOT_SUBJECT}) $", re.IGNORECASE)
SENTENCE_START = re.compile(r"(^|[.?!] )$")
