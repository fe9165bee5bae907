"""What the words of a skeleton ask for: near or far, tall or short, more or less."""

from __future__ import annotations

import re

from spatialvlm_ros.models.query import CAMERA_NAME
from spatialvlm_ros.reasoning.planner.sentence import Sentence


def any_of(phrases: str) -> str:
    """A pattern of any of these phrases as whole words; they are separated by commas."""
    return rf"\b(?:{'|'.join(p.strip() for p in phrases.split(','))})\b"


_SMALL = r"(?:shortest|smallest|least|lowest|minimal|minimum|shorter|smaller|less|lower|short|small)"
_LARGE = r"(?:longest|greatest|largest|biggest|highest|maximal|maximum|longer|greater|larger|bigger|more|most|long)"
_SPAN = r"(?:distance|distances|way|path|gap|route|stretch|separation|spacing)"
_BETWEEN = r"(?: [a-z<>0-9']+){0,2} "
# The first of these that is found in the text decides; what is more particular stands before what it contains.
_NEARNESS: tuple[tuple[str, int], ...] = (
    (r"\b(?:least|less) (?:far|distant|remote)\b", 1),
    (r"\b(?:least|less) (?:close|near)\b", -1),
    (r"\b(?:most|more) (?:distant|remote|far)\b", -1),
    (rf"(?<!how )\b{_SMALL}{_BETWEEN}{_SPAN}\b", 1),
    (rf"(?<!how )\b{_LARGE}{_BETWEEN}{_SPAN}\b", -1),
    (rf"\b{_SPAN}\b.*(?<!how )\b{_SMALL}\b", 1),
    (rf"\b{_SPAN}\b.*(?<!how )\b{_LARGE}\b", -1),
    (r"\b(?:get|come|arrive|go|reach|meet|pass|encounter|bump|run)\b.*\bfirst\b", 1),
    (r"\b(?:get|come|arrive|go|reach|meet|pass|encounter|bump|run)\b.*\blast\b", -1),
    (r"\b(?:nearest|closest|nearer|closer|neighbou?rs?)\b", 1),
    (r"\b(?:farthest|furthest|farther|further)\b", -1),
    (r"\bas (?:close|near)\b", 1),
    (r"\bas far\b", -1),
    (r"\b(?:more|longer) (?:string|rope|cable|thread|wire|steps)\b", -1),
    (r"\b(?:less|shorter) (?:string|rope|cable|thread|wire|steps)\b", 1),
)
# The turning words in which `nearness` is said, beside those of distance.
NEAREST = (
    rf"\b(?:{_SMALL}|{_LARGE}){_BETWEEN}{_SPAN}\b|\b{_SPAN}\b[^<]*\b(?:{_SMALL}|{_LARGE})\b|"
    r"\b(?:first|last)\b|\b(?:least|less) (?:far|distant|remote)\b"
)
# Of size: word -> which way.
TALL = any_of("tall, taller, tallest, height, heights, highest, higher, high, upright")
SHORT = any_of("short, shorter, shortest, low, lower, lowest")
WIDE = any_of("wide, wider, widest, width, widths, broad, broader, broadest")
NARROW = any_of("narrow, narrower, narrowest, thin, thinner, thinnest, slim")
BIG = any_of("big, bigger, biggest, large, larger, largest, size, sizes, volume, volumes, greatest, bulkiest")
SMALL = any_of("small, smaller, smallest, tiny, tiniest")
# A length by which something is taller than what is not said, or too tall: no size of its own.
RELATIVE_SIZE = (
    r"# (?:taller|higher|shorter|lower|wider|broader|narrower|thinner|bigger|larger|smaller)\b(?! than)|"
    r"# (?:short|low)\b|\btoo (?!far\b)"
)
# From where the camera does not stand.
VIEWPOINT = (
    r"\b(?:seen|viewed|view|watched|looked at) from "
    r"(?:\w+ )?(?:behind|back|front|sides?|left|right|above|below|top|bottom)\b(?! to )"
)
AMOUNT = any_of(
    "how much, how many (?:centi|milli)?met(?:re|er)s, how many (?:cm|mm|m), by what, how big, how large, difference, "
    "margin, exceeds?"
)
LENGTH_ASKED = r"\bhow (?:much|many (?:centi|milli)?met(?:re|er)s|many (?:cm|mm|m))\b"
COUNTS = any_of("how many, what number, number of, count")
_BEYOND = (
    r"\b(?:(?:more|longer|greater|larger|bigger) (?:away )?(?:from <\d+> )?than|farther|further|beyond|outside|over #|"
    r"at least|out of reach|too far|exceeds?)\b"
)
_FLIPS = r"\b(?:no|not|never|isn't|aren't|don't|doesn't|can't|won't|cannot)\b"


_PLACES = {"second": 1, "third": 2, "fourth": 3, "fifth": 4, "sixth": 5, "next": 1}
_EXTREME = (
    r"(?:nearest|closest|farthest|furthest|tallest|shortest|highest|lowest|widest|narrowest|broadest|thinnest|biggest|"
    r"largest|smallest|(?:most|least) (?:distant|remote|far|tall|wide))"
)
NTH = rf"\b(?:{'|'.join(_PLACES)}) (?={_EXTREME}\b)"


def place(sentence: Sentence) -> tuple[int, str]:
    """Which one of an order is asked for: 0 and "" for the nearest or the tallest, 1 and "second " for the second
    nearest, and so on."""
    match = re.search(NTH, sentence.skeleton)
    return (0, "") if match is None else (_PLACES[match[0].strip()], match[0])


def asks_two_sizes(sentence: Sentence) -> bool:
    """Whether heights and widths are both asked for, of which one answer tells one."""
    return sentence.has(f"{TALL}|{SHORT}") and sentence.has(f"{WIDE}|{NARROW}")


def nearness(sentence: Sentence) -> int:
    """1 where the near one is asked for, -1 for the far one, 0 where neither."""
    for pattern, sign in _NEARNESS:
        if sentence.has(pattern):
            return sign
    return 0


def first_of(sentence: Sentence, one: str, other: str) -> int:
    """1 where the first pattern is found before the second, -1 where behind it, 0 where neither is found."""
    a, b = (re.search(pattern, sentence.skeleton) for pattern in (one, other))
    if a is None or b is None:
        return int(a is not None) - int(b is not None)
    return 1 if a.start() <= b.start() else -1


def asks_below(sentence: Sentence) -> bool:
    """Whether yes means less than the length that is named ("within 0.5 m"), or more ("farther than 0.5 m")."""
    skeleton = sentence.skeleton
    more = re.search(_BEYOND, skeleton)
    if more is None:
        return not re.search(rf"{_FLIPS} (?:within|closer|nearer|less|inside|reach)", skeleton)
    return re.search(rf"{_FLIPS} (?:\w+ )?{re.escape(more[0])}", skeleton) is not None


def items_and_reference(sentence: Sentence) -> tuple[tuple[str, ...], str] | None:
    """The names to choose from, and the one they are compared to; the camera where none is named."""
    lists, singles = sentence.lists, sentence.singles
    if len(lists) == 1 and len(singles) == 1:
        if sentence.has(rf"\b(?:nearest|closest|nearer|closer) to <{lists[0]}>"):  # the list begins with the reference
            return None
        return sentence.groups[lists[0]].names, sentence.name(singles[0])
    if len(lists) == 1 and not singles:
        names = sentence.groups[lists[0]].names
        if (
            len(names) > 2
            and sentence.has(rf"\b(?:to|from|of|by|at|near|nearest|closest) <{lists[0]}>")
            and _leads(sentence, lists[0])
        ):
            return names[1:], names[0]
        return names, CAMERA_NAME
    return None


def _leads(sentence: Sentence, group: int) -> bool:
    """Whether a list begins with what the others are compared to: "closest to the mug, the bowl or the pan"."""
    compared = rf"{_COMPARED} (?:\w+ ){{0,2}}?(?:to|from|of|by)? ?<{group}>"
    return sentence.has(compared) or sentence.has(rf"\b(?:from|at) <{group}>")


_COMPARED = any_of(
    "closest, nearest, near, close, farthest, furthest, far, farther, further, closer, nearer, distant, away, "
    "distance, off"
)


def pair_of_lists(sentence: Sentence) -> tuple[str, tuple[str, str]] | None:
    """One name and two others that belong together ("the mug between the bowl and the pan"); None for other shapes."""
    lists, singles = sentence.lists, sentence.singles
    if len(lists) == 1 and len(singles) == 1 and len(sentence.groups[lists[0]].names) == 2:
        first, second = sentence.groups[lists[0]].names
        return sentence.name(singles[0]), (first, second)
    if lists or len(singles) != 3:
        return None
    a, b, c = (sentence.name(k) for k in singles)
    match = re.search(r"\bfrom <(\d+)>[^<]*\bto <(\d+)>", sentence.skeleton)
    if match is not None:
        start, end = sentence.name(int(match[1])), sentence.name(int(match[2]))
        rest = [n for n in (a, b, c) if n not in (start, end)]
        return (rest[0], (start, end)) if len(rest) == 1 else None
    return a, (b, c)
