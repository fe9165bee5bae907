"""Words of direction and comparison ("further left", "not as tall"), and which way they point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.questions.parsing.names import NameMention, Names, is_landmark
from spatialvlm_ros.questions.parsing.tokens import END, SYMBOL, WORD, Token

# Axis -> (wordings of its first direction, wordings of its second). "|" separates wordings.
_WORDINGS: dict[tuple[str, str], tuple[str, str]] = {
    ("left", "right"): (
        "left|leftward|leftwards|leftmost|lefthand|left - hand|lefter",
        "right|rightward|rightwards|rightmost|righthand|right - hand|righter",
    ),
    ("above", "below"): (
        "above|over|higher|higher up|on top|upper|uppermost|topmost|highest|atop|overhead|up|elevated|raised|upward|"
        "upwards|exceeds",
        "below|under|underneath|beneath|lower|lower down|lowest|lowermost|down|downward|downwards|bottommost|"
        "at the bottom",
    ),
    ("behind", "front"): (
        "behind|further back|farther back|further away|farther away|further|farther|farthest|furthest|more distant|"
        "at the back|in the back|back|backward|backwards|deeper|deepest|in the background|background|rear|at the rear|"
        "most distant|rearmost|beyond|past|farther off|further off|greater depth",
        "in front|front|nearer|nearest|closer|closest|foreground|in the foreground|close|near|forward|forwards|"
        "frontmost|nearer to the front|closer to the front|further forward|farther forward|toward the camera|"
        "towards the camera|more forward|in front of|less distant|to the front|ahead of|further to the front|"
        "farther to the front|closer to the camera|nearer to the camera|less far|less deep",
    ),
    ("tall", "short"): (
        "tall|taller|tallest|higher|highest|high|greater in height|greater height|larger in height|more height|bigger",
        "short|shorter|shortest|lower|lowest|low|smaller in height|less tall|lesser height|less height|smaller",
    ),
    ("wide", "thin"): (
        "wide|wider|widest|broad|broader|broadest|greater in width|greater width|thick|thicker|fatter|larger in width|"
        "more width",
        "thin|thinner|thinnest|narrow|narrower|narrowest|slim|slimmer|slimmest|slender|skinny|skinnier|less wide|less "
        "broad|less width",
    ),
    ("big", "small"): (
        "big|bigger|biggest|large|larger|largest|huge|massive|bulky|bulkier|bulkiest|greater|greater volume|"
        "greater in volume|more voluminous|giant|enormous|more space",
        "small|smaller|smallest|tiny|little|littler|less bulky|compact|petite|less volume|less big|less large|"
        "less space|more compact|tinier",
    ),
}
AXES = tuple(_WORDINGS)
_NEGATIONS = frozenset(
    "not never nor neither cannot without isn't aren't doesn't wasn't don't can't n't hardly ain't".split()
)
_STOP_NEGATION = frozenset(", ; . ! ? : but although though".split())
_REACH_OF_NEGATION = 6
# "right there", "right about 30 cm", "that's right": no direction.
_RIGHT_ADVERB_BEFORE = frozenset(
    "there about next here behind above below under underneath over beneath at around where now beside away beyond "
    "between against angle angles in up down".split()
)
_RIGHT_AFFIRMS_BEHIND = frozenset("that's all you're quite absolutely".split())
_SIZE_OF_MARGIN = frozenset("margin amount bit difference distance gap extent".split())  # "by a small margin"
_MOVABLE = frozenset("further farther closer nearer close near".split())


def _table() -> dict[tuple[str, str], dict[str, list[tuple[tuple[str, ...], int]]]]:
    """Axis -> first word -> [(words, +1 or -1)], longest first."""
    table: dict[tuple[str, str], dict[str, list[tuple[tuple[str, ...], int]]]] = {}
    for axis, (first, second) in _WORDINGS.items():
        by_word: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for wordings, sign in ((first, 1), (second, -1)):
            for wording in wordings.split("|"):
                words = tuple(wording.split())
                by_word.setdefault(words[0], []).append((words, sign))
        for entries in by_word.values():
            entries.sort(key=lambda entry: -len(entry[0]))
        table[axis] = by_word
    return table


_TABLE = _table()


@dataclass(frozen=True)
class Direction:
    """A direction word at tokens ``start`` to ``end``; sign +1 for the first direction of its axis, -1 for the second.

    ``negated`` when it is denied ("not to the left"); the sign is the one of the bare word.
    """

    sign: int
    start: int
    end: int
    negated: bool


def axis_of(word: str) -> tuple[tuple[str, str], int]:
    """The axis that ``word`` ("left", "front", "thin" ...) belongs to, and +1 or -1 for its side of it."""
    for axis in AXES:
        if word in axis:
            return axis, 1 if word == axis[0] else -1
    raise KeyError(word)


def vocabulary(word: str) -> frozenset[str]:
    """All single words that point along the axis of ``word``."""
    axis, _ = axis_of(word)
    return frozenset(words[0] for entries in _TABLE[axis].values() for words, _ in entries if len(words) == 1)


def find_directions(
    tokens: Sequence[Token], axis: tuple[str, str], start: int, end: int, taken: Sequence[NameMention] = ()
) -> list[Direction]:
    """The words of one axis between two tokens; words inside ``taken`` (parts of a name) are none."""
    by_word = _TABLE[axis]
    names = {i for mention in taken for i in range(mention.start, mention.end)}
    found: list[Direction] = []
    i = start
    while i < end:
        length, sign = _wording_at(tokens, i, by_word) if i not in names else (0, 0)
        if not length or _is_no_direction(tokens, i, length, axis, start):
            i += 1
            continue
        if length == 1 and tokens[i - 1].text == "less" and i > start:
            sign = -sign
        found.append(Direction(sign, i, i + length, _is_negated(tokens, i, start)))
        i += length
    return found


def about_reference(tokens: Sequence[Token], names: Names, direction: Direction, start: int, end: int) -> int | None:
    """Which object a direction is said of: 0 the subject, 1 the reference, None where the words do not tell.

    "The bowl is to the left of the mug" says it of the bowl; "left of the bowl" says it of the other object.
    """
    before = names.find(tokens, start, direction.start)
    for mention in reversed(before):
        if not is_landmark(tokens, mention, start):
            return mention.which
    behind = names.find(tokens, direction.end, min(end, direction.end + 8))
    if behind and is_landmark(tokens, behind[0], direction.end - 1):
        return 1 - behind[0].which
    return behind[0].which if behind and not before and tokens[direction.end].text == "one" else None


def _wording_at(
    tokens: Sequence[Token], i: int, by_word: dict[str, list[tuple[tuple[str, ...], int]]]
) -> tuple[int, int]:
    for words, sign in by_word.get(tokens[i].text, ()):
        if all(tokens[i + k].text == word for k, word in enumerate(words)):
            return len(words), sign
    return 0, 0


def _is_no_direction(tokens: Sequence[Token], i: int, length: int, axis: tuple[str, str], start: int) -> bool:
    """Whether the word only looks like a direction of this axis."""
    text, behind = tokens[i].text, tokens[i + length]
    before = tokens[i - 1].text if i > start else ""
    if text == "right" and length == 1:
        first_of_many = i == start and behind.text == "," and tokens[i + 2].kind == WORD
        affirms = before in _RIGHT_AFFIRMS_BEHIND or before == "is" and tokens[i - 2].text == "that"
        return behind.text in _RIGHT_ADVERB_BEFORE or affirms or first_of_many
    if behind.text in _SIZE_OF_MARGIN and axis == ("big", "small"):
        return True
    if text in ("over", "under") and behind.kind == "number":
        return True
    if text in ("up", "down") and length == 1 and before in ("add", "adds", "line", "lined", "lines", "made", "come"):
        return True
    if axis == ("behind", "front") and length == 1:
        if text in ("further", "farther") and not _means_distance(tokens, i + 1):
            return True
        if text in _MOVABLE and _leads_to_other_axis(tokens, i + 1):
            return True
        if text in ("close", "near"):
            return (
                behind.text not in ("to",) or tokens[i + 2].text not in ("the", "us", "me") or _to_length(tokens, i + 2)
            )
    return False


def _to_length(tokens: Sequence[Token], i: int) -> bool:
    return tokens[i].kind == "number"


def _means_distance(tokens: Sequence[Token], i: int) -> bool:
    """Whether "further" at the token before ``i`` stands alone or compares a distance from the viewer."""
    token = tokens[i]
    return token.kind in (SYMBOL, END) or token.text in ("than", "from", "in", "out", "off", "into", "one", "away")


def _leads_to_other_axis(tokens: Sequence[Token], i: int) -> bool:
    """ "closer to the left", "further up": another direction within the next three words."""
    for k in range(i, i + 3):
        if tokens[k].text not in ("to", "the", "towards"):
            return tokens[k].text in ("left", "right", "up", "down", "top", "bottom", "floor", "ground")
    return tokens[i + 2].text in ("left", "right")


def _is_negated(tokens: Sequence[Token], i: int, start: int) -> bool:
    for k in range(i - 1, max(start, i - _REACH_OF_NEGATION) - 1, -1):
        text = tokens[k].text
        if text in _STOP_NEGATION:
            return False
        if text in _NEGATIONS or text.endswith("n't"):
            return True
    return False
