"""Counter-based random numbers: a number is a function of (seed, slot, purpose), never of what was drawn before.

A scene's questions therefore depend on the scene and its seed alone, whatever batch, worker or order it comes in.
The mixing function is splitmix64 (Steele, Lea and Flood 2014), vectorised.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
UInt = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SLOT = np.uint64(0xD1342543DE82EF95)
_MASK = (1 << 64) - 1


def mix(x: UInt) -> UInt:
    """splitmix64's finaliser: uint64 -> uint64, a bijection whose output bits look independent."""
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def slot_states(seeds: Sequence[int], slots: int) -> UInt:
    """(len(seeds) * slots,) one state per slot of each seed, row-major."""
    base = mix(np.array([int(s) & _MASK for s in seeds], dtype=np.uint64))
    counters = (np.arange(slots, dtype=np.uint64) + np.uint64(1)) * _SLOT
    return mix(base[:, None] + counters[None, :]).ravel()


def uniforms(states: UInt, purpose: int, attempt: int = 0) -> Float:
    """(N,) floats in [0, 1) for one purpose; another purpose or attempt gives independent numbers."""
    counter = np.uint64((((attempt << 16) | (purpose + 1)) * int(_GOLDEN)) & _MASK)
    return (mix(states + counter) >> np.uint64(11)) * 2.0**-53
