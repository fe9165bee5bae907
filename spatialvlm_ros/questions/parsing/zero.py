"""Answers that say "zero" without a length: "they are touching", "at the same height", "none"."""

from __future__ import annotations

import re

_THING = r"(?:gap|space|distance|difference|offset|separation|clearance|room|shift|displacement|drop)"
_NOTHING = (
    rf"(?:there (?:is|'s)|there's|it is|it has) (?:no|zero) (?:\w+ )?{_THING}|(?:no|zero|without(?: any| a)?) (?:\w+ )?{_THING}(?: at all)?",
    r"^(?:none|zero|nil|nought|0)(?= ?(?:$|[.,!;](?!\d)))",
    r"(?:no|zero)(?: \w+)? offset",
)
_SAME_HEIGHT = (
    r"same (?:exact )?(?:height|level|elevation)|level with|(?:are|is|exactly|perfectly|both) level|line up|lined up"
)
_SAME_DEPTH = r"same (?:exact )?(?:depth|distance from)|level in depth|equally (?:deep|far|close)"
_SAME_PLACE = r"same (?:exact )?(?:place|spot|position|location|point)"
_IN_LINE = r"(?:in|into) line|lined up|line up|aligned|flush"
_ON_SURFACE = (
    r"(?:rests?|resting|stands?|standing|sits?|sitting|lies|lying|is|it's|right|directly) (?:right |directly )?on (?:the|its|that) \w+|"
    r"not (?:raised|lifted|elevated)|on the (?:floor|ground)"
)
_BY_FAMILY: dict[str, tuple[str, ...]] = {
    "distance": (_SAME_PLACE,),
    "gap": (r"touch(?:es|ing)?(?! the camera)", r"in contact", r"against each other", r"flush", r"overlap\w{0,5}"),
    "elevation": (_ON_SURFACE,),
    "vertical_distance": (_SAME_HEIGHT,),
    "horizontal_distance": (
        r"same horizontal (?:position|place|spot)",
        r"one vertical line",
        r"(?:straight|directly) (?:over|above|below|under)",
    ),
    "above_diff": (_SAME_HEIGHT,),
    "below_diff": (_SAME_HEIGHT,),
    "behind_diff": (_SAME_DEPTH,),
    "front_diff": (_SAME_DEPTH,),
    "left_diff": (_IN_LINE, r"same horizontal position"),
    "right_diff": (_IN_LINE, r"same horizontal position"),
}
_DENIED = re.compile(r"(?<![\w'])(?:not|n't|isn't|aren't|don't|doesn't|never|almost|nearly|without)(?: \w+){0,2} $")
_PATTERNS: dict[str, re.Pattern[str]] = {
    family: re.compile(r"(?<![\w'])(?:" + "|".join((*_NOTHING, *patterns)) + r")(?![\w'])")
    for family, patterns in _BY_FAMILY.items()
}


def says_zero(words: str, family: str) -> bool:
    """Whether the words (of `clauses.words_of`) say that the length asked for by ``family`` is zero."""
    pattern = _PATTERNS.get(family)
    match = pattern.search(words) if pattern is not None else None
    return match is not None and not _DENIED.search(words[max(0, match.start() - 40) : match.start()])
