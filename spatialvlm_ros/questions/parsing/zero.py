"""Answers that say "zero" without a length: "they are touching", "at the same height", "none"."""

from __future__ import annotations

import re

_THING = "(?:gap|space|distance|difference|offset|separation|clearance|room|shift|displacement|drop)"
_NOTHING = (
    rf"(?:there is|there's|it is|it has) (?:no|zero) (?:\w+ )?{_THING}",
    rf"(?:no|zero|without(?: any| a)?) (?:\w+ )?{_THING}(?: at all)?",
    r"^(?:zero|nil|nought|0)(?= ?(?:$|[.,!;](?!\d)))",
    "^none(?= ,)",  # "none" alone is what programs write for no answer
)
_SAME_HEIGHT = (
    "same (?:exact )?(?:height|level|elevation)",
    "level with",
    "(?:are|is|exactly|perfectly|both) level",
    "line up",
    "lined up",
)
_SAME_DEPTH = ("same (?:exact )?(?:depth|distance from)", "level in depth", "equally (?:deep|far|close)")
_IN_LINE = ("(?:in|into) line", "lined up", "line up", "aligned", "flush", "same horizontal position")
_BY_FAMILY: dict[str, tuple[str, ...]] = {
    "distance": ("same (?:exact )?(?:place|spot|position|location|point)",),
    "gap": ("touch(?:es|ing)?(?! the camera)", "in contact", "against each other", "flush", r"overlap\w{0,5}"),
    "elevation": (
        r"(?:rests?|resting|stands?|standing|sits?|sitting|lies|lying|is|it's|right|directly)"
        r" (?:right |directly )?on (?:the|its|that) \w+",
        "not (?:raised|lifted|elevated)",
        "on the (?:floor|ground)",
    ),
    "vertical_distance": _SAME_HEIGHT,
    "horizontal_distance": (
        "same horizontal (?:position|place|spot)",
        "one vertical line",
        "(?:straight|directly) (?:over|above|below|under)",
    ),
    "above_diff": _SAME_HEIGHT,
    "below_diff": _SAME_HEIGHT,
    "behind_diff": _SAME_DEPTH,
    "front_diff": _SAME_DEPTH,
    "left_diff": _IN_LINE,
    "right_diff": _IN_LINE,
}
_PATTERNS: dict[str, re.Pattern[str]] = {
    family: re.compile(r"(?<![\w'])(?:" + "|".join((*_NOTHING, *patterns)) + r")(?![\w'])")
    for family, patterns in _BY_FAMILY.items()
}
_DENIED = re.compile(r"(?<![\w'])(?:not|isn't|aren't|don't|doesn't|never|almost|nearly|without)(?: \w+){0,2} $")
_REACH_OF_DENIAL = 40  # characters


def says_zero(words: str, family: str) -> bool:
    """Whether the words (of `clauses.words_of`) say that the length asked for by ``family`` is zero."""
    pattern = _PATTERNS.get(family)
    match = pattern.search(words) if pattern is not None else None
    return match is not None and not _DENIED.search(words[max(0, match.start() - _REACH_OF_DENIAL) : match.start()])
