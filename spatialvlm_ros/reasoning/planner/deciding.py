"""From draws to words: what is decided, how surely, and what is too close to tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.reasoning.arithmetic.draws import Drawn
from spatialvlm_ros.reasoning.texts import percent, sentence, with_error

Float = NDArray[np.float64]

SURE = 0.9  # from here on it is said plainly
LEAST = 0.52  # below this it is too close to tell: about even odds
UNDECIDED = "Too close to tell"


def shown(drawn: Drawn) -> str:
    """A value with its error."""
    return with_error(drawn.value, drawn.std, drawn.unit)


def hedged(head: str, probability: float, why: str, doubt: float | None = None) -> str:
    """An answer with as much doubt as there is.

    Args:
        head: what is decided, e.g. "the bowl" or "yes".
        probability: that it is so.
        why: the numbers behind it.
        doubt: the probability against the strongest rival, where there are several; it says whether it is too close.
    """
    if (probability if doubt is None else doubt) < LEAST:
        return f"{UNDECIDED}: {why}; if anything, {head} ({percent(probability)})."
    return f"{said(head, probability)}: {why}."


def said(head: str, probability: float) -> str:
    """What is decided, with as much doubt as there is; less than a half is still the likeliest of several."""
    if probability >= SURE:
        return sentence(head)
    return f"{'Probably' if probability >= 0.5 else 'Most likely'} {head} ({percent(probability)})"


def yes_or_no(truth: Drawn, why: str) -> tuple[str, str, float]:
    """The text, "yes" or "no", and its probability."""
    p = truth.value
    label = "yes" if p >= 0.5 else "no"
    return hedged(label, max(p, 1 - p), why), label, max(p, 1 - p)


def ranked(values: Sequence[Drawn], ascending: bool) -> list[int]:
    """Indices from the first to the last by their medians."""
    sign = 1 if ascending else -1
    return sorted(range(len(values)), key=lambda k: sign * values[k].value)


def extreme_probabilities(values: Sequence[Drawn], ascending: bool) -> tuple[float, float]:
    """That the first of `ranked` is the extreme one, and that it beats the second."""
    order = ranked(values, ascending)
    draws = np.stack([values[k].draws for k in order]) * (1 if ascending else -1)
    others = draws[1:].min(axis=0)
    return float((draws[0] <= others).mean()), float((draws[0] <= draws[1]).mean())


def place_probabilities(values: Sequence[Drawn], ascending: bool, place: int) -> tuple[float, float]:
    """That the one at a place (0 is the first) of `ranked` belongs there, and the least with which a neighbour does not
    take its place."""
    if place == 0:
        return extreme_probabilities(values, ascending)
    order = ranked(values, ascending)
    draws = np.stack([values[k].draws for k in order]) * (1 if ascending else -1)
    before, own, behind = draws[:place], draws[place], draws[place + 1 :]
    right = (before <= own).all(axis=0) & (own <= behind).all(axis=0)
    neighbours = [(before[-1] <= own).mean(), *(own <= follower for follower in behind[:1])]
    return float(right.mean()), min(float(np.mean(n)) for n in neighbours)


def order_probabilities(values: Sequence[Drawn], ascending: bool) -> tuple[float, list[float]]:
    """That the whole order of `ranked` is right, and of each two neighbours in it that theirs is."""
    draws = np.stack([values[k].draws for k in ranked(values, ascending)]) * (1 if ascending else -1)
    right = draws[:-1] <= draws[1:]
    return float(right.all(axis=0).mean()), right.mean(axis=1).tolist()
