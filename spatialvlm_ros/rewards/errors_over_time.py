"""The error of a reward: that of the difference of two potentials whose errors have much in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.rewards.potential import Potentials
from spatialvlm_ros.rewards.shaping import Paid
from spatialvlm_ros.tracking.settings import FilterSettings

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


class LastError:
    """The errors of the potentials that were paid for last, in B environments.

    The shared error is the same in both frames, so its parts are subtracted. The own errors count as independent,
    except for the part that `FilterSettings` says to last, where stamps and the same phase say how alike they are.
    """

    def __init__(self, n: int, settings: FilterSettings | None) -> None:
        self._settings = settings or FilterSettings()
        self._shared: Float = np.zeros(n)
        self._own: Float = np.zeros(n)
        self._phase: Int = np.full(n, -1, dtype=np.int64)
        self._stamp: Float = np.full(n, np.nan)

    def of_rewards(
        self,
        found: Potentials,
        seen: Bool,
        phase: Int,
        paid: Paid,
        first: Bool,
        terminated: Bool,
        stamps_ns: Sequence[int] | None,
    ) -> Float:
        """(B,) deviations of the shaping, and keep the errors of this frame.

        Args:
            found: the potentials of this frame.
            seen: (B,) whether they are known.
            phase: (B,) of this frame.
            paid: what was made of them.
            first: (B,) this frame begins an episode.
            terminated: (B,) this frame ends one: its potential is 0 without error.
            stamps_ns: (B,) of the frames, or None.
        """
        stamps = np.full(len(seen), np.nan) if stamps_ns is None else np.asarray(stamps_ns, dtype=np.float64) * 1e-9
        measured = seen & ~terminated
        shared, own = np.where(measured, found.shared, 0.0), np.where(measured, found.own, 0.0)
        before_shared, before_own = self._shared * paid.growth, self._own * paid.growth
        alike = np.where(phase == self._phase, self._lasting(stamps - self._stamp), 0.0)
        now_shared, now_own = paid.discount * shared, paid.discount * own
        variance = (now_shared - before_shared) ** 2 + now_own**2 + before_own**2 - 2 * alike * now_own * before_own
        settles = (seen | terminated | paid.settled) & ~first
        kept = seen | terminated | paid.settled | first
        self._shared, self._own = np.where(kept, shared, self._shared), np.where(kept, own, self._own)
        self._phase = np.where(kept, np.where(measured, phase, -1), self._phase)
        self._stamp = np.where(kept, stamps, self._stamp)
        return np.where(settles, np.sqrt(np.maximum(variance, 0.0)), 0.0)

    def _lasting(self, seconds: Float) -> Float:
        """(B,) correlation of the own errors of two frames so far apart; 0 where that is not known."""
        with np.errstate(invalid="ignore"):
            passed = np.where(seconds >= 0, seconds, np.inf)
        return self._settings.correlated_share * np.exp(-passed / self._settings.correlation_time_s)
