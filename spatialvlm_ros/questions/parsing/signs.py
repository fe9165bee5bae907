"""The sign of a length: "20 cm to the right" is -0.2 m for a family that counts to the left."""

from __future__ import annotations

from collections.abc import Sequence

from spatialvlm_ros.questions.families import Family, Kind
from spatialvlm_ros.questions.parsing.clauses import CONCLUSION, FINAL, Clause, words_of
from spatialvlm_ros.questions.parsing.directions import Direction, about_reference, axis_of, find_directions
from spatialvlm_ros.questions.parsing.lengths import Mention
from spatialvlm_ros.questions.parsing.names import Names
from spatialvlm_ros.questions.parsing.tokens import Token

_REVERSED = ("the other way", "other way round", "other way around", "opposite direction", "opposite side")


def sign_of(tokens: Sequence[Token], chosen: Mention, clauses: Sequence[Clause], family: Family, names: Names) -> int:
    """+1 or -1 to multiply the length with. Lengths without a direction (distance, height ...) keep their sign.

    A length that is already written as negative stays negative, whichever direction is added to it.
    """
    word = asked_direction(family)
    if word is None or chosen.length.value_m < 0:
        return 1
    axis, side = axis_of(word)
    start, end = _sentence_around(chosen, clauses)
    taken = names.find(tokens, start, end)
    direction = _nearest(find_directions(tokens, axis, start, end, taken), chosen)
    if direction is None and axis == ("above", "below"):  # of things on one surface, the taller one's top is higher
        direction = _nearest(find_directions(tokens, ("tall", "short"), start, end, taken), chosen)
    if direction is None:
        reverse = any(words in words_of(tokens, start, end) for words in _REVERSED)
        return -1 if reverse else 1
    sign = direction.sign * side * (-1 if direction.negated else 1)
    if about_reference(tokens, names, direction, start, end) == 1 and family.objects == 2:
        sign = -sign
    return sign


def asked_direction(family: Family) -> str | None:
    """The word of the direction asked about: of a positive value for a number; None for a length without direction."""
    if family.words:
        return family.words[0]
    if family.kind is not Kind.NUMBER:
        return family.relation.value
    return "above" if family.name == "elevation" else None


def _sentence_around(chosen: Mention, clauses: Sequence[Clause]) -> tuple[int, int]:
    """Tokens of the sentence that the length stands in, or of the conclusion that it stands in."""
    own = next((c for c in clauses if c.start <= chosen.start < c.end), None)
    if own is None:
        return chosen.start, chosen.end
    if own.weight in (FINAL, CONCLUSION):  # "..., so it is 5 cm higher": not about what was named last before
        return own.start, own.end
    same = [c for c in clauses if c.sentence == own.sentence]
    return same[0].start, same[-1].end


def _nearest(directions: Sequence[Direction], chosen: Mention) -> Direction | None:
    """The direction that goes with the length: not a denied one if another is there, then the nearest."""
    outside = [d for d in directions if d.end <= chosen.start or d.start >= chosen.end]
    said = [d for d in outside if not d.negated] or outside
    # One behind the length is a little nearer than one before it: "left of it, 20 cm to the right" means the right.
    return min(
        said,
        key=lambda d: 2 * (d.start - chosen.end) if d.start >= chosen.end else 2 * (chosen.start - d.end) + 1,
        default=None,
    )
