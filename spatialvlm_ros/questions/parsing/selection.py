"""Decides which of several lengths in a text is the answer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spatialvlm_ros.questions.parsing.clauses import FINAL, MAIN, Clause
from spatialvlm_ros.questions.parsing.lengths import Mention
from spatialvlm_ros.questions.parsing.tokens import NUMBER, SYMBOL, WORD, Token

# What a length measures, by the word behind it; a family takes its own words and avoids the others'.
_MEASURES = frozenset("tall high wide across broad thick long deep apart away from off".split())
_OWN_MEASURES: dict[str, frozenset[str]] = {
    "height": frozenset(("tall", "high")),
    "width": frozenset(("wide", "across", "broad", "thick", "long")),
    "elevation": frozenset(("off", "high", "from", "away")),
    "distance": frozenset(("apart", "away", "from")),
    "gap": frozenset(("apart", "away", "from")),
    "vertical_distance": frozenset(("apart", "away", "from", "high")),
    "horizontal_distance": frozenset(("apart", "away", "from")),
}
_OWN_OF_DIFFERENCE = frozenset(("away", "off", "high", "deep"))
_MEASURE_NOUNS = frozenset(
    "gap distance space spacing separation difference height width clearance offset estimate margin apart elevation "
    "drop rise shift displacement interval opening".split()
)
_NAMES_OF_DISTANCE = frozenset("distance difference gap separation offset spacing clearance total result".split())
_REACH_OF_NAME = 3
_ARTICLES = frozenset("the a an this that each every those these standard typical its one normal of".split())
_FOLLOWERS = _MEASURES | frozenset(
    "to above below behind over under further farther closer nearer lower higher left right of in or and at between "
    "beneath beyond forward back taller shorter wider up down deeper approx approximately roughly maybe instead is so "
    "but than i total max give with vertically horizontally if because since which away rightwards leftwards on for "
    "it was as by would".split()
)
_REJECTING = (("rather", "than"), ("instead", "of"), ("as", "opposed", "to"))
_NO_REJECTION = frozenset("quite exactly even much far more less over under".split())
_FILLER = frozenset(
    "about around roughly approximately approx it its it's is the a at of i would say i'd think guess that's they are "
    "they're maybe probably distance gap height width answer value like measures be that ~ : - * # | ' \" ( [ { some "
    "sure approximate estimate my estimated by just".split()
)
# What may stand between a length and the same length in another unit: "1.2 m (roughly 4 feet)".
_RESTATING = _FILLER | frozenset("or = ie / , which equals ) equivalent to in other words same as also".split())
_SAME = 0.15  # relative difference of a length and its restatement


def choose_length(
    tokens: Sequence[Token], mentions: Sequence[Mention], clauses: Sequence[Clause], family: str
) -> Mention | None:
    """The mention that answers the question of ``family``; None where all are denied ("not 2 m").

    A final answer wins over a correction or a conclusion, those over a first answer, that over the last sentence.
    Lengths that belong to something else (a "30 cm ruler", a height when the width is asked) are passed over.
    """
    candidates = [m for m in mentions if not _is_rejected(tokens, m)]
    if not candidates:
        return None
    candidates = _unless_empty(candidates, lambda m: not _is_adjective(tokens, m))
    candidates = _unless_empty(candidates, lambda m: not _measures_other(tokens, m, family))
    starts = [clause.start for clause in clauses]
    placed = [_Placed(m, clauses[max(0, bisect_right(starts, m.start) - 1)]) for m in candidates]
    return _first_statement_of(tokens, mentions, _by_clause(tokens, placed, clauses))


@dataclass(frozen=True)
class _Placed:
    """A length and the clause it stands in."""

    mention: Mention
    clause: Clause


def _unless_empty(mentions: list[Mention], keep: Callable[[Mention], bool]) -> list[Mention]:
    kept = [m for m in mentions if keep(m)]
    return kept or mentions


def _by_clause(tokens: Sequence[Token], placed: list[_Placed], clauses: Sequence[Clause]) -> Mention:
    """The length in the clause that counts most."""
    for clause in reversed(clauses):  # behind the words "final answer", however many sentences later
        if clause.weight == FINAL and placed[-1].mention.start >= clause.start:
            return next(p.mention for p in placed if p.mention.start >= clause.start)
    heavy = next((p.clause for p in reversed(placed) if p.clause.weight < MAIN), None)
    if heavy is not None:
        return _subject_of(tokens, [p.mention for p in placed if p.clause == heavy])
    stated = [p for p in placed if p.clause.weight == MAIN] or placed  # not "given that the tiles are 30 cm each"
    opening = stated[0].clause.sentence
    first_start = next(clause.start for clause in clauses if clause.sentence == opening)
    answers_at_once = all(t.text in _FILLER or t.kind == NUMBER for t in tokens[first_start : stated[0].mention.start])
    sentence = opening if answers_at_once else stated[-1].clause.sentence
    return _subject_of(tokens, [p.mention for p in stated if p.clause.sentence == sentence])


def _subject_of(tokens: Sequence[Token], mentions: list[Mention]) -> Mention:
    """The one of a sentence's lengths that the sentence is about.

    That is the result of a calculation ("5 x 10 cm = 50 cm"), else what is called by a word for what was asked
    ("mug: 30 cm, bowl: 50 cm, difference: 20 cm"), else the first one.
    """
    for mention in reversed(mentions[1:]):
        i = mention.start - 1
        while tokens[i].text in ("~", "about"):
            i -= 1
        if tokens[i].text == "=":
            return mention
    return next((m for m in mentions if _is_called_a_distance(tokens, m)), mentions[0])


def _is_called_a_distance(tokens: Sequence[Token], mention: Mention) -> bool:
    called = tokens[max(0, mention.start - _REACH_OF_NAME) : mention.start]
    return any(t.text in _NAMES_OF_DISTANCE for t in called) and any(t.text in (":", "is", "of", "=") for t in called)


def _first_statement_of(tokens: Sequence[Token], mentions: Sequence[Mention], chosen: Mention) -> Mention:
    """Walks back from "(4 feet)" to the "1.2 m" that it restates."""
    index = mentions.index(chosen)
    while index > 0:
        earlier = mentions[index - 1]
        between = tokens[earlier.end : chosen.start]
        a, b = earlier.length.value_m, chosen.length.value_m
        alike = earlier.length.unit != chosen.length.unit and abs(a - b) <= _SAME * max(abs(a), abs(b))
        if not alike or len(between) > 8 or not all(t.text in _RESTATING for t in between):
            break
        chosen, index = earlier, index - 1
    return chosen


def _is_rejected(tokens: Sequence[Token], mention: Mention) -> bool:
    """ "not 2 m", "can't be 1 m", "rather than 3 m"."""
    if mention.bound:
        return False
    i = mention.start
    for k in range(i - 1, max(-1, i - 5), -1):
        token = tokens[k]
        if token.kind == SYMBOL and token.text not in "~" or token.text in ("but", "sure", "certain"):
            return False
        if token.text == "not" or token.text == "never" or token.text.endswith("n't") or token.text == "cannot":
            behind = tokens[k + 1].text
            return behind not in _NO_REJECTION and (i - k <= 2 or token.text != "not" or behind in ("be", "about"))
        if any(all(tokens[k + n].text == w for n, w in enumerate(words)) for words in _REJECTING):
            return True
    return False


def _is_adjective(tokens: Sequence[Token], mention: Mention) -> bool:
    """ "the 30 cm ruler", "the 60 cm wide shelf": the length of something that is only spoken of."""
    before = tokens[mention.start - 1] if mention.start else None
    if before is None or before.text not in _ARTICLES:
        return False
    behind = tokens[mention.end]
    if behind.text == "-":
        behind = tokens[mention.end + 1]
    if behind.text in ("wide", "tall", "high", "long", "thick", "deep"):
        behind = tokens[mention.end + 1]
    return behind.kind == WORD and behind.text not in _FOLLOWERS | _MEASURE_NOUNS


def _measures_other(tokens: Sequence[Token], mention: Mention, family: str) -> bool:
    own = _OWN_MEASURES.get(family, _OWN_OF_DIFFERENCE)
    behind = tokens[mention.end].text
    return behind in _MEASURES and behind not in own
