"""Reads answers that are no lengths: yes or no, which of two objects, which of two words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spatialvlm_ros.questions.families import Family, Kind
from spatialvlm_ros.questions.parsing.clauses import CORRECTION, Clause, by_weight, words_of
from spatialvlm_ros.questions.parsing.directions import Direction, about_reference, axis_of, find_directions
from spatialvlm_ros.questions.parsing.names import NameMention, Names, is_landmark
from spatialvlm_ros.questions.parsing.tokens import Token, length_of
from spatialvlm_ros.questions.parsing.verdicts import NO, UNCERTAIN, YES, declines, hesitates, yes_or_no

SUBJECT, REFERENCE = "subject", "reference"

_DENIALS = frozenset("not isn't no never n't neither nor cannot can't wasn't doesn't aren't".split())
_REACH_OF_DENIAL = 4
_REACH_OF_BETWEEN = 12

_Reader = Callable[[Sequence[Token], Clause, Family, Names], "str | None"]


def read_label(
    tokens: Sequence[Token], clauses: Sequence[Clause], family: Family, names: Names
) -> tuple[str | None, bool]:
    """(label or None, whether the answer is a refusal).

    The label is "yes"/"no", SUBJECT/REFERENCE or a class word, or "uncertain". Clauses are read by weight; what one of
    them says outright wins over hesitation in another.
    """
    read = _READERS[family.kind]
    everything = words_of(tokens, 0, length_of(tokens))
    unsure, refused = hesitates(everything), declines(everything)
    for clause in by_weight(clauses):
        words = words_of(tokens, clause.start, clause.end)
        doubtful = hesitates(words) or declines(words)
        if doubtful and not (family.kind is Kind.PREDICATE and yes_or_no(words)[1]):
            if clause.weight <= CORRECTION:
                continue
            break
        label = read(tokens, clause, family, names)
        if label is not None:
            return label, False
    if refused:
        return None, True
    return (UNCERTAIN, False) if unsure else (None, False)


def _read_predicate(tokens: Sequence[Token], clause: Clause, family: Family, names: Names) -> str | None:
    verdict, outright = yes_or_no(words_of(tokens, clause.start, clause.end))
    if verdict is not None and outright:
        return verdict
    margin = _stated_margin(tokens, clause, family.relation.value, names)
    if margin:
        return YES if margin > 0 else NO
    return verdict


def _read_classify(tokens: Sequence[Token], clause: Clause, family: Family, names: Names) -> str | None:
    classes: tuple[str, ...] = family.words
    margin = _stated_margin(tokens, clause, classes[0], names)
    return None if not margin else classes[0] if margin > 0 else classes[1]


def _stated_margin(tokens: Sequence[Token], clause: Clause, word: str, names: Names) -> int:
    """+1 if the clause says that ``word`` holds for the subject against the reference, -1 for its opposite, else 0."""
    axis, side = axis_of(word)
    direction = _main_direction(
        find_directions(tokens, axis, clause.start, clause.end, _names_in(tokens, clause, names))
    )
    if direction is None:
        return 0
    sign = _said(direction) * side
    return -sign if about_reference(tokens, names, direction, clause.start, clause.end) == 1 else sign


def _read_choice(tokens: Sequence[Token], clause: Clause, family: Family, names: Names) -> str | None:
    mentions = _names_in(tokens, clause, names)
    axis, side = axis_of(family.relation.value)
    compared = _by_symbol(tokens, mentions)
    if compared:
        return (SUBJECT, REFERENCE)[mentions[0].which if compared * side > 0 else 1 - mentions[0].which]
    direction = _main_direction(find_directions(tokens, axis, clause.start, clause.end, mentions))
    if direction is not None:
        which = about_reference(tokens, names, direction, clause.start, clause.end)
        if which is not None:
            holds = _said(direction) * side > 0
            return (SUBJECT, REFERENCE)[which if holds else 1 - which]
    return _named(tokens, clause, mentions)


def _by_symbol(tokens: Sequence[Token], mentions: Sequence[NameMention]) -> int:
    """+1 for "mug > bowl", -1 for "mug < bowl", 0 where nothing of that sort is said."""
    if len(mentions) != 2 or mentions[0].which == mentions[1].which:
        return 0
    between = [t.text for t in tokens[mentions[0].end : mentions[1].start] if t.text not in ("the", "=")]
    return {">": 1, "<": -1}.get(between[0], 0) if len(between) == 1 else 0


def _named(tokens: Sequence[Token], clause: Clause, mentions: Sequence[NameMention]) -> str | None:
    """The object that a clause without a direction picks: the first that is named as such, or the one not denied."""
    open_choice = {m for a, b in zip(mentions, mentions[1:], strict=False) if _is_open(tokens, a, b) for m in (a, b)}
    denied: set[int] = set()
    for mention in (m for m in mentions if m not in open_choice):
        if _is_denied(tokens, mention, clause):
            denied.add(mention.which)
        elif not _is_compared(tokens, mention, clause):
            return (SUBJECT, REFERENCE)[mention.which]
    return (SUBJECT, REFERENCE)[1 - denied.pop()] if len(denied) == 1 else None


def _is_open(tokens: Sequence[Token], a: NameMention, b: NameMention) -> bool:
    """ "the mug or the bowl", "mug/bowl": both, so neither is picked."""
    between = [t.text for t in tokens[a.end : min(b.start, a.end + 3)] if t.text != "the"]
    return a.which != b.which and between in (["or"], ["/"], ["and"])


def _is_denied(tokens: Sequence[Token], mention: NameMention, clause: Clause) -> bool:
    for k in range(mention.start - 1, max(clause.start, mention.start - _REACH_OF_DENIAL) - 1, -1):
        text = tokens[k].text
        if text in (",", ";", "?", "."):
            return False
        if text in _DENIALS:
            return True
    behind = [tokens[mention.end + k].text for k in range(2)]
    return behind[0] == "?" or behind[0] in ("isn't", "doesn't") or behind[0] == "is" and behind[1] == "not"


def _is_compared(tokens: Sequence[Token], mention: NameMention, clause: Clause) -> bool:
    """Whether the object is only what another is compared with ("between the mug and the bowl", "than the bowl")."""
    if is_landmark(tokens, mention, clause.start):
        return True
    for k in range(mention.start - 1, max(clause.start, mention.start - _REACH_OF_BETWEEN) - 1, -1):
        if tokens[k].text in (",", "between"):
            return tokens[k].text == "between"
    return False


def _names_in(tokens: Sequence[Token], clause: Clause, names: Names) -> list[NameMention]:
    return names.find(tokens, clause.start, clause.end)


def _main_direction(directions: Sequence[Direction]) -> Direction | None:
    """The first direction that is not denied, else the first."""
    return next((d for d in directions if not d.negated), directions[0] if directions else None)


def _said(direction: Direction) -> int:
    return -direction.sign if direction.negated else direction.sign


_READERS: dict[Kind, _Reader] = {
    Kind.PREDICATE: _read_predicate,
    Kind.CHOICE: _read_choice,
    Kind.CLASSIFY: _read_classify,
}
