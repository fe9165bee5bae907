"""How far a task has come: a potential from 0 (nothing done) to 1 (done), with its error.

A term's score is 1 at its goal and falls with the distance d of the quantity from it, in metres:

    reciprocal  half / (half + d)                linear  max(0, 1 - d / (2 half))                predicate  P(as wanted)

The score of a phase is the weighted mean of its terms' scores. With the phases' weights w (1 together) the potential in
phase p is

    Phi = w_0 + ... + w_(p-1) + w_p * score_p

so it rises from phase to phase, and by no more than a phase's weight within it. (B environments or frames at once.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.rewards.layout import Layout, TermArrays
from spatialvlm_ros.rewards.measured import Z90, Measured

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Potentials:
    """The potential in B environments; (B,) each, 0 where not valid.

    Attributes:
        value: 0..1.
        low, high: its 90% interval.
        shared: signed deviation that comes with a scale error of one deviation, all lengths longer.
        own: deviation of the rest.
        valid: whether all terms of the phase have a value.
        scores: (B, T) of all terms, NaN where they have no value.
    """

    value: Float
    low: Float
    high: Float
    shared: Float
    own: Float
    valid: Bool
    scores: Float

    @property
    def std(self) -> Float:
        """(B,) standard deviation."""
        return np.hypot(self.shared, self.own)


def term_scores(terms: TermArrays, values: Float) -> Float:
    """(B, T) scores 0..1 of the quantities (B, T) of the terms, in their units (P(true) of predicates)."""
    wanted = terms.wanted
    away = np.maximum(np.maximum(wanted.low - values, values - wanted.high), 0.0)
    reciprocal = terms.half / (terms.half + away)
    linear = np.maximum(0.0, 1.0 - away / (2 * terms.half))
    chance = np.where(wanted.expected, values, 1.0 - values)
    return np.where(wanted.predicate, chance, np.where(terms.linear, linear, reciprocal))


def potentials(layout: Layout, measured: Measured, phase: Int) -> Potentials:
    """The potential in the phases (B,)."""
    terms = layout.terms
    spread = _spread(terms, measured)
    of_phase = terms.phase == phase[:, None]
    weight = np.where(of_phase, terms.share * layout.phase_weight[terms.phase], 0.0)
    valid = (spread.valid | ~of_phase).all(axis=1)
    value = layout.phase_start[phase] + (weight * spread.score).sum(axis=1)
    up, down, std = (weight * part for part in (spread.up, spread.down, spread.std))
    share, follows = spread.shared, spread.follows
    longer = (share * np.where(follows > 0, up, -down) * np.abs(follows)).sum(axis=1)
    shorter = (share * np.where(follows > 0, -down, up) * np.abs(follows)).sum(axis=1)
    own = 1.0 - share**2
    high = np.hypot(np.maximum(np.maximum(longer, shorter), 0.0), np.sqrt((own * up**2).sum(axis=1)))
    low = np.hypot(np.minimum(np.minimum(longer, shorter), 0.0), np.sqrt((own * down**2).sum(axis=1)))
    scores = np.where(spread.valid, spread.score, np.nan)
    return Potentials(
        value=np.where(valid, value, 0.0),
        low=np.where(valid, np.maximum(value - low, 0.0), 0.0),
        high=np.where(valid, np.minimum(value + high, 1.0), 0.0),
        shared=np.where(valid, (share * std * follows).sum(axis=1), 0.0),
        own=np.where(valid, np.sqrt((own * std**2).sum(axis=1)), 0.0),
        valid=valid,
        scores=scores,
    )


@dataclass(frozen=True)
class _Spread:
    """Scores of terms with their errors; (B, T) each.

    Attributes:
        up, down: from the score to the ends of its 90% interval.
        std: deviation.
        shared: as in `Measured`.
        follows: -1, 0, 1: which way the score goes when all lengths are longer.
    """

    score: Float
    up: Float
    down: Float
    std: Float
    shared: Float
    follows: Float
    valid: Bool


def _spread(terms: TermArrays, measured: Measured) -> _Spread:
    wanted = terms.wanted
    given = measured.columns(wanted.quantity)
    value, low, high = given.value, given.low, given.high
    score = term_scores(terms, value)
    at_low, at_high = term_scores(terms, low), term_scores(terms, high)
    # Within the interval the score is highest where it comes nearest to the goal, and lowest at one of the ends.
    nearest = np.minimum(np.maximum(np.clip(value, wanted.low, wanted.high), low), high)
    best = np.where(wanted.predicate, np.maximum(at_low, at_high), term_scores(terms, nearest))
    up = np.maximum(best - score, 0.0)
    down = np.maximum(score - np.minimum(at_low, at_high), 0.0)
    follows = np.sign(at_high - at_low) * np.where(value < 0, -1.0, 1.0)  # a negative length grows downwards
    deviation = np.where(wanted.predicate, given.std, (up + down) / (2 * Z90))
    return _Spread(score, up, down, deviation, given.shared, follows, given.valid)
