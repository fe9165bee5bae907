"""From what captioners write to a name that can stand in a question."""

from __future__ import annotations

import re

# Openings that say nothing of the object. Longest first.
_OPENINGS = re.compile(
    r"^(?:(?:this is|there is|there are|it is|we can see|a close up of|a closeup of|close up of|an image of|"
    r"a picture of|"
    r"a photo of|a photograph of|an iphone photo of|the image shows|arafed)\s+)+"
)
_ARTICLE = re.compile(r"^(?:(?:an?|the|some|its?)\s+)+")
_NOT_WORDS = re.compile(r"<[^>]*>|[^\w\s'/-]")

# Captions of things without an extent that can be measured (paper, appendix A.2 drops those near them).
BACKGROUND_WORDS = frozenset(
    "sky sun moon clouds cloud background foreground wall walls floor ground ceiling grass water sea ocean air light "
    "shadow shadows view scene room image picture photo".split()
)

# With a word before them these may be lamps, and sheets that hang on walls: "traffic light", "framed picture".
_LAMP, _SHEET = frozenset(["light"]), frozenset(["picture", "photo"])
# With these words it is no lamp: they say how bright it is, and where that comes from ("bright light").
_OF_BRIGHTNESS = frozenset(
    "ambient artificial bright cold dark day dim direct faint glowing golden harsh little low moon moonlit much "
    "natural pale reflected shining soft some strong sun sunny very warm white".split()
)
# Only with these it is a sheet: "blurry picture" and "old photo" are said of what the camera took.
_OF_SHEETS = frozenset("family framed hanging hung mounted painted printed school unframed wall wedding".split())


def tidy_caption(text: str, max_words: int = 6) -> str:
    """A short name from free text: lower case, no article, no "a photo of", no doubled words; "" if nothing is left.

    Args:
        text: e.g. "There is a red coffee mug on the table."
        max_words: the paper's captions have one to six words.
    """
    text = _NOT_WORDS.sub(" ", text.lower())
    text = " ".join(text.split())
    text = _OPENINGS.sub("", text)
    text = _ARTICLE.sub("", text)
    words: list[str] = []
    for word in text.split():
        if not words or words[-1] != word:
            words.append(word)
    words = words[:max_words]
    while words and words[-1] in _CONNECTIVES:  # the cut may have left "mug on the"
        words.pop()
    return " ".join(words)


_CONNECTIVES = frozenset("a an the of on in at with and or to for by from near is are that which its".split())


def is_background(label: str) -> bool:
    """Whether a name means the surroundings and not an object."""
    words = _thing(label.split())
    if not words:
        return True
    if words[-1] in _LAMP:
        return _OF_BRIGHTNESS.issuperset(words[:-1])
    if words[-1] in _SHEET:
        return _OF_SHEETS.isdisjoint(words[:-1])
    return words[-1] in BACKGROUND_WORDS


def _thing(words: list[str]) -> list[str]:
    """The words that say what it is: "chair" of "chair in a living room", "wine glass" of "wine glass of water"."""
    for position, word in enumerate(words):
        if position and (word in _CONNECTIVES or word in _PLACES):
            return words[:position]
    return words


# With the connectives, after these a caption says where the thing is. Participles are not among them: "wall mounted
# shelf" is a shelf.
_PLACES = frozenset(
    "above against before behind below beneath beside between in inside into next outside over under".split()
)
