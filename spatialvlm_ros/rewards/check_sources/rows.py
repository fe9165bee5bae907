"""Rows of (picture, action, reward): what an action earned is judged in the picture of the next row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spatialvlm_ros.rewards.check_sources.steps import Episode, RewardStep, first_step


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        said: ``potential`` is that of the row's own picture; everything else belongs to its action.
        says_valid: ``valid`` was recorded: whether the next picture's potential is known.
    """

    said: RewardStep
    says_valid: bool = True


def frames_of_rows(rows: Sequence[Row], ends_at: float = 0.0) -> Episode:
    """The frames of an episode of rows: one more, as the last action has a picture after it.

    That picture is not in the rows. Where the episode is terminated its potential is 0 by definition. Where it is
    truncated the last reward can only be checked if it is said to rest on no potential; else it is left out.

    Args:
        rows: at least one.
        ends_at: potential of a terminated frame; NaN where it is as measured, and not in the rows.
    """
    made = [first_step(rows[0].said.potential)]
    potentials = [*(row.said.potential for row in rows[1:]), math.nan]
    for row, potential in zip(rows, potentials, strict=True):
        after = ends_at if row.said.terminated else potential
        valid = row.said.valid if row.says_valid else math.isfinite(after)
        made.append(replace(row.said, potential=after, valid=valid))
    last = rows[-1]
    if math.isnan(made[-1].potential) and (made[-1].valid or not last.says_valid):
        made.pop()
        made[-1] = replace(made[-1], truncated=True)
    return made
