"""How many of several are so, from how probable it is of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spatialvlm_ros.reasoning.arithmetic.draws import DRAWS, Drawn
from spatialvlm_ros.reasoning.planner.deciding import LEAST, UNDECIDED, said
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, the


def counted(items: Sequence[str], truths: Sequence[Drawn], why: str) -> Conclusion:
    """The likeliest number, and which ones they are.

    Args:
        items: that are counted.
        truths: of each.
        why: the numbers behind it.
    """
    count, probability = _likeliest_count(truths)
    inside = np.argsort([-t.value for t in truths], kind="stable")[:count]
    chosen = [the(items[k]) for k in sorted(inside)]
    who = f" ({listed(chosen)})" if chosen else ""
    close = [the(i) for i, t in zip(items, truths, strict=True) if 1 - LEAST < t.value < LEAST]
    if len(close) == len(items):
        text = f"{UNDECIDED}: {why}; if anything, {count}."
    else:
        doubt = f"; {listed(close)} {'is' if len(close) == 1 else 'are'} too close to tell" if close else ""
        text = f"{said(f'{count}{who}', probability)}: {why}{doubt}."
    return Conclusion(text, (str(count),), float(count), 0.0, "", probability)


def _likeliest_count(truths: Sequence[Drawn]) -> tuple[int, float]:
    """How many are true most often, and how often; what they have in common (the scale of the view) counts."""
    shares = np.bincount(np.sum([t.draws > 0.5 for t in truths], axis=0)) / DRAWS
    return int(shares.argmax()), float(shares.max())
