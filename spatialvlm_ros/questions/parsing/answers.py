"""`parse_answer`: any text that answers a question of one of the 43 families, read back as a value or a label.

It never raises on a text, never guesses a unit, and never turns what it cannot read into 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from spatialvlm_ros.errors import QuestionError
from spatialvlm_ros.questions.families import FAMILIES, Family, Kind
from spatialvlm_ros.questions.families import family as family_of
from spatialvlm_ros.questions.parsing import labels
from spatialvlm_ros.questions.parsing.bare import has_bare_number
from spatialvlm_ros.questions.parsing.clauses import split_clauses, words_of
from spatialvlm_ros.questions.parsing.directions import vocabulary
from spatialvlm_ros.questions.parsing.lengths import ParsedLength, find_lengths
from spatialvlm_ros.questions.parsing.markup import plain_text
from spatialvlm_ros.questions.parsing.names import Names
from spatialvlm_ros.questions.parsing.selection import choose_length
from spatialvlm_ros.questions.parsing.signs import asked_direction, sign_of
from spatialvlm_ros.questions.parsing.tokens import NUMBER, Token, length_of, tokenize
from spatialvlm_ros.questions.parsing.units import UNITS, Unit, unit_of_word
from spatialvlm_ros.questions.parsing.verdicts import declines_length
from spatialvlm_ros.questions.parsing.zero import says_zero

_MOST_CHARACTERS = 20_000  # of a longer text only the end is read, where a final answer stands


class ParseReason(str, Enum):
    """Why an answer has its value, or none."""

    OK = "ok"
    NO_UNIT = "no_unit"  # a number is there, its unit is not
    REFUSAL = "refusal"  # it says that it cannot see, tell or measure
    UNPARSABLE = "unparsable"  # anything else


@dataclass(frozen=True)
class ParsedAnswer:
    """What an answer says.

    Attributes:
        kind: of the family that was asked.
        value: the length, for a number family; None where there is none.
        label: "yes" or "no" of a predicate, one of the two names of a choice, one of the two words of a classify
            family, or "uncertain"; None where there is none and for number families.
        reason: OK when there is a value or label.
    """

    kind: Kind
    value: ParsedLength | None
    label: str | None
    reason: ParseReason

    @property
    def ok(self) -> bool:
        """Whether there is a value or a label."""
        return self.reason is ParseReason.OK


def parse_answer(
    text: str,
    family: Family | str,
    subject: str | None = None,
    reference: str | None = None,
    default_unit: str | None = None,
) -> ParsedAnswer:
    """Read ``text`` as an answer to a question of ``family``.

    Args:
        text: the answer, as a person or a model wrote it.
        family: a family or its name, e.g. ``"left_diff"``.
        subject, reference: the names of the first and second object of the question, articles allowed. Without them a
            choice cannot be read, and a sentence about the reference ("the bowl is to the right of the mug") is taken
            to be about the subject.
        default_unit: unit symbol ("m", "cm", "in" ...) that a bare number is in; None leaves it without a value.

    Raises:
        QuestionError: an unknown family or unit. No text raises.
    """
    asked = family if isinstance(family, Family) else family_of(family)
    unit = _unit(default_unit)
    tokens = tokenize(plain_text(text[-_MOST_CHARACTERS:]))
    names = Names.of(subject, reference, _no_names(asked, tokens))
    if asked.kind is Kind.NUMBER:
        return _parse_length(tokens, asked, names, unit)
    clauses = split_clauses(tokens)
    label, declined = labels.read_label(tokens, clauses, asked, names)
    if label is None:
        return ParsedAnswer(asked.kind, None, None, ParseReason.REFUSAL if declined else ParseReason.UNPARSABLE)
    if asked.kind is Kind.CHOICE and label != labels.UNCERTAIN:
        label = subject if label == labels.SUBJECT else reference
    return ParsedAnswer(asked.kind, None, label, ParseReason.OK)


def parse_length(text: str, default_unit: str | None = None) -> ParsedLength | None:
    """The length that ``text`` states, of whatever it is; None where it states none with a unit."""
    return parse_answer(text, FAMILIES["distance"], default_unit=default_unit).value


def _no_names(asked: Family, tokens: Sequence[Token]) -> frozenset[str]:
    """Words that do not stand for an object by themselves: the asked direction, and what lengths are made of."""
    word = asked_direction(asked)
    directions = vocabulary(word) if word else frozenset()
    if asked.kind is not Kind.NUMBER:
        return directions
    return directions | {t.text for t in tokens if t.kind == NUMBER or unit_of_word(t.text) is not None}


def _unit(name: str | None) -> Unit | None:
    if name is None:
        return None
    if name not in UNITS:
        raise QuestionError("unknown unit of length", name, f"Known: {', '.join(UNITS)}.")
    return UNITS[name]


def _parse_length(tokens: Sequence[Token], asked: Family, names: Names, default_unit: Unit | None) -> ParsedAnswer:
    in_names = {i for m in names.find(tokens, 0, length_of(tokens)) if m.full for i in range(m.start, m.end)}
    mentions = [m for m in find_lengths(tokens) if not in_names.intersection(range(m.start, m.end))]
    if not mentions and default_unit is not None:
        mentions = find_lengths(tokens, default_unit)
    clauses = split_clauses(tokens)
    chosen = choose_length(tokens, mentions, clauses, asked.name) if mentions else None
    if chosen is not None:
        sign = sign_of(tokens, chosen, clauses, asked, names)
        return ParsedAnswer(Kind.NUMBER, chosen.length.scaled(sign), None, ParseReason.OK)
    words = words_of(tokens, 0, length_of(tokens))
    if says_zero(words, asked.name):
        return ParsedAnswer(Kind.NUMBER, ParsedLength(0.0, 0.0, 0.0, "", words[:80], False), None, ParseReason.OK)
    if not mentions and has_bare_number(tokens):
        return ParsedAnswer(Kind.NUMBER, None, None, ParseReason.NO_UNIT)
    reason = ParseReason.REFUSAL if declines_length(words) else ParseReason.UNPARSABLE
    return ParsedAnswer(Kind.NUMBER, None, None, reason)
