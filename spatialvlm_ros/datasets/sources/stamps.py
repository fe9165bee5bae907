"""Pairing pictures of two streams by their time stamps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def nearest_pairs(first: ArrayLike, second: ArrayLike, tolerance: float) -> list[int | None]:
    """For each stamp of ``first`` the index of the nearest one of ``second`` within ``tolerance``, or None.

    Each of ``second`` is given once, to the one of ``first`` that is nearest to it. Neither needs to be sorted.
    """
    first, second = np.asarray(first), np.asarray(second)
    result: list[int | None] = [None] * len(first)
    if not len(first) or not len(second):
        return result
    order = np.argsort(second, kind="stable")
    place = np.searchsorted(second[order], first)
    candidates: list[tuple[float, int, int]] = []
    for i, p in enumerate(place):
        # Two on each side: the very nearest may be taken by another.
        for j in range(max(p - 2, 0), min(p + 2, len(second))):
            distance = abs(second[order[j]] - first[i])
            if distance <= tolerance:
                candidates.append((distance, i, int(order[j])))
    taken: set[int] = set()
    for _, i, j in sorted(candidates):
        if result[i] is None and j not in taken:
            result[i] = j
            taken.add(j)
    return result


def numbers_in(stems: Sequence[str]) -> list[float] | None:
    """File stems as numbers ("1305031102.175304" is a TUM stamp), None if one of them is not."""
    try:
        return [float(stem) for stem in stems]
    except ValueError:
        return None
