"""Intervals as a line of characters: ``0 ├────[━━●━━]──┃───┤ 0.5 m``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spatialvlm_ros.models.estimate import PROBABILITY
from spatialvlm_ros.ros.demo.state import Row
from spatialvlm_ros.scenes.relations import RELATIONS

_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0)
_MARGIN = 1.15  # how much longer than what it shows an axis is


@dataclass(frozen=True)
class Glyphs:
    """The characters of a bar, one column each."""

    axis: str
    interval: str
    low: str
    high: str
    value: str
    truth: str
    both: str
    left: str
    right: str
    rule: str
    plus_minus: str
    arrow: str


UNICODE = Glyphs("─", "━", "[", "]", "●", "┃", "◆", "├", "┤", "─", "±", "→")
ASCII = Glyphs("-", "=", "[", "]", "o", "!", "#", "|", "|", "-", "+-", "->")


def glyphs_of(encoding: str | None) -> Glyphs:
    """Those that a terminal of this encoding can show."""
    try:
        "".join(vars(UNICODE).values()).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def axis_of(row: Row) -> tuple[float, float]:
    """Both ends of the axis that a row is shown on: round numbers, from 0 or symmetric, 0 to 1 for a predicate."""
    estimate = row.estimate
    if estimate.unit == PROBABILITY:
        return 0.0, 1.0
    shown = [abs(x) for x in (estimate.value, *estimate.interval, row.truth) if math.isfinite(x)]
    end = round_up(max(shown, default=1.0) * _MARGIN)
    return (-end if RELATIONS[estimate.relation].signed else 0.0), end


def round_up(value: float) -> float:
    """The next number of 1, 1.5, 2, 3, 5, 7.5 and their powers of ten."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (*_STEPS, 10.0) if step * power >= value * (1 - 1e-9))


def bar(row: Row, width: int, glyphs: Glyphs) -> str:
    """``width`` characters: the axis, on it the 90% interval, the value and the truth."""
    low, high = axis_of(row)
    cells = [glyphs.axis] * (width - 2)

    def column(x: float) -> int:
        return min(max(round((x - low) / (high - low) * (len(cells) - 1)), 0), len(cells) - 1)

    estimate = row.estimate
    if estimate.valid:
        first, last = (column(x) for x in estimate.interval)
        if last > first:
            cells[first : last + 1] = [glyphs.interval] * (last + 1 - first)
            cells[first], cells[last] = glyphs.low, glyphs.high
        cells[column(estimate.value)] = glyphs.value
    if math.isfinite(row.truth):
        at = column(row.truth)
        cells[at] = glyphs.both if estimate.valid and at == column(estimate.value) else glyphs.truth
    return glyphs.left + "".join(cells) + glyphs.right
