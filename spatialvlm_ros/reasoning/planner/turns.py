"""Words that turn the meaning of a question: a form that does not account for one of them does not read the question.

"Which is not the nearest", "at least 20 cm taller", "the second tallest": without these words each is another question,
and an answer to that one would be wrong and confident. A word that the vocabulary does not have is such a word too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.vocabulary import JOINERS, OTHER_WORDS


def words(listed: str) -> str:
    """A pattern of these words, which are separated by spaces."""
    return rf"\b(?:{'|'.join(listed.split())})\b(?!-)"


# What forms may account for.
SIZES = words(
    "tall taller tallest height heights high higher highest upright wide wider widest width widths broad broader "
    "broadest breadth narrow narrower narrowest thin thinner thinnest slim thick thicker thickest big bigger biggest "
    "volume volumes size sizes tiny depth"
)
DISTANCES = words(
    "near nearer nearest close closer closest far farther farthest further furthest distant remote distance distances "
    "neighbour neighbours neighbor neighbors"
)
DIRECTIONS = words(
    "left right leftmost rightmost leftward rightward left-hand right-hand above below behind front back top bottom "
    "forward backward upwards downwards outwards inwards horizontally vertically higher lower"
)
ORDINALS = words("second third fourth last former latter")
COMPARISONS = words("than compared exceed exceeds")
MULTIPLES = words("times multiple factor ratio quotient")
NUMBERS = words("two three four five six several pair pairs couple")
AMOUNTS = words("much many often number count")
BOUNDS = r"\b(?:at (?:least|most)|(?:more|less|fewer) than|(?:over|under|above|below) #)"
_NEGATIONS = r"\b(?:not|no|never|neither|nor|none|cannot)\b|\b\w+n't(?!\w)"
_EXCEPTIONS = words("without but unless besides instead otherwise else")
_SIDE_BY_SIDE = r"\bside by side\b|\bside-by-side\b"
_PARTS = r"\b(?:from|to) (?:straight )?(?:line|middle|midpoint|edge|corner|rim|surface|tip)\b"  # not of the whole
_CLAUSE = r"<\d+> on (?:left|right)\b(?! (?:side )?(?:of|from))"  # one of two alike: "the mug on the left"
_EQUALS = r"\b(?:exactly|precisely|equal to|equals) (?=#)"
_ANY = r"\b(?:is|are|does|do|there|what|which) (?:anything|something|nothing|everything)\b"
_TURNS = re.compile(
    "|".join(
        [
            _NEGATIONS,
            _EXCEPTIONS,
            _SIDE_BY_SIDE,
            _PARTS,
            _EQUALS,
            _ANY,
            words("why average mean median right-angled"),
            *(SIZES, DISTANCES, DIRECTIONS, ORDINALS, COMPARISONS, MULTIPLES, NUMBERS, AMOUNTS, BOUNDS),
        ]
    )
)
# What turns nothing: a polite "isn't", "or not?", "right between", "which of the two", "from side to side".
_HARMLESS = (
    r"^(?:isn't|aren't|doesn't|don't(?= <)|can't|couldn't|wouldn't|won't)(?= )",
    r"\bor not\b|, \w+n't (?:it|they|that|there|we|i|you)\b",
    r"\b(?:is it|am i) right\b|\bright (?:in|between|next|beside|by|at|on|here|now|there|away)\b",
    r"\b(?:room|space|gap|passage|opening|clearance|enough) left\b|\bleft (?:between|over|open|free|for)\b",
    r"\b(?:of|between|which|what|these|among|all|are) (?:two|three|four|five|six)\b",
    r"\b(?:two|three|four|five|six) (?:of|things|objects|items|ones)\b|\bside (?=to side)",
)
_PLAIN_WORDS = frozenset("that often ever now currently simply one's".split())
# Words by which a name points at one of several things instead of naming it.
_POINTING = frozenset(
    "nearest closest farthest furthest tallest shortest widest narrowest biggest largest smallest highest lowest "
    "leftmost rightmost second third fourth last next other another".split()
)
_NOT_IN_NAMES = _POINTING | frozenset(
    "which what who whose when where why how if is are was were than not no never nor neither without except but "
    "unless besides instead via through average twice half".split()
)


def unread(sentence: Sentence, accounted: Sequence[str]) -> str:
    """A word that turns the meaning and stands in no phrase that is accounted for; "" where there is none.

    Args:
        sentence: that is asked.
        accounted: patterns of what a form reads.
    """
    clause = re.search(_CLAUSE, sentence.skeleton)
    if clause is not None:
        return clause[0].partition(" ")[2]
    rest = _joined(tuple(accounted)).sub(" ", sentence.skeleton)
    turn = _TURNS.search(rest)
    if turn is not None:
        return turn[0]
    return next((word for word in rest.split() if _is_strange(word)), "")


def points(name: str) -> bool:
    """Whether a name says which one of several by a comparison: "the second nearest mug"."""
    return not _POINTING.isdisjoint(name.lower().split())


def may_be_a_name(name: str) -> bool:
    """Whether a text can be the words for a thing ("cup on the table"), not the rest of a question."""
    found = re.findall(r"[\w'-]+|[^\w\s]", name.lower())
    return _NOT_IN_NAMES.isdisjoint(found) and JOINERS.isdisjoint(found)


@lru_cache(maxsize=64)
def _joined(accounted: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in (*_HARMLESS, *accounted)))


def _is_strange(word: str) -> bool:
    return word[0].isalnum() and word not in OTHER_WORDS and word not in JOINERS and word not in _PLAIN_WORDS
