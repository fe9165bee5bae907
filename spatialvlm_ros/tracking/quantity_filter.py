"""Standing queries over time: filtered values with a rate, and intervals that stay honest.

bank = FilterBank()
for observation in frames:
    filtered = bank.update(observation.stamp, view.measure_many(queries))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.models.estimate import QUANTILE_LEVELS, Estimate, Reason
from spatialvlm_ros.scenes.relations import Relation
from spatialvlm_ros.tracking.coordinates import Kinds, read, written
from spatialvlm_ros.tracking.length_states import LengthStates
from spatialvlm_ros.tracking.odds_states import OddsStates
from spatialvlm_ros.tracking.settings import FilterSettings

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_Key = tuple[Relation, str, str, int]
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class FilteredEstimate:
    """A quantity at the time of the last frame.

    Attributes:
        estimate: filtered value, deviation, 90% interval, shared deviation and quantiles, in its unit. Invalid with
            reason `stale` when it was seen too long ago, with the reason of the frame when it was never seen.
        rate: unit per second; NaN for predicates and when invalid.
        rate_std: of the rate; NaN likewise.
        age_s: seconds from the last measurement to the frame; inf if there was none.
        updates: measurements since the filter last started (first sight, jump, reset).
    """

    estimate: Estimate
    rate: float
    rate_std: float
    age_s: float
    updates: int


class FilterBank:
    """One filter per query, all updated at once.

    A query is known by its relation, subject and reference. The queries may change from frame to frame: those that stay
    keep their state.
    """

    def __init__(self, settings: FilterSettings | None = None) -> None:
        self.settings = settings or FilterSettings()
        self._keys: list[_Key] = []
        self._last: list[Estimate | None] = []  # of each query, that which was taken in last
        self._seen_ns: Int = np.zeros(0, dtype=np.int64)
        self._stamp_ns: int | None = None
        self._lengths = LengthStates(Kinds.of([]), self.settings)
        self._odds = OddsStates(0, self.settings)

    def reset(self) -> None:
        """Forget everything."""
        self._stamp_ns = None
        self._line_up([])

    def forget(self, names: Iterable[str]) -> None:
        """Forget the queries about some objects, e.g. because another object now has that name."""
        gone = set(names)
        rows = np.array([bool(gone & {key[1], key[2]}) for key in self._keys], dtype=bool)
        self._lengths.stop(rows)
        self._odds.stop(rows)
        self._seen_ns[rows] = _NEVER

    def update(self, stamp_ns: int, estimates: Sequence[Estimate]) -> list[FilteredEstimate]:
        """Take the answers of one frame in.

        Args:
            stamp_ns: of the frame, in nanoseconds of any clock. Earlier than the last frame: everything is forgotten
                first (simulated time was reset, a bag plays again). The same as the last one: it is the same frame,
                and what it already said counts once.
            estimates: answers to all standing queries; invalid ones only let time pass.

        Returns:
            One `FilteredEstimate` per estimate, at the time of the frame.

        Raises:
            QueryError: the stamp is not an integer.
        """
        if not isinstance(stamp_ns, (int, np.integer)):
            raise QueryError("a stamp is an integer of nanoseconds", stamp_ns, "Convert seconds: int(seconds * 1e9).")
        stamp = int(stamp_ns)
        if self._stamp_ns is not None and stamp < self._stamp_ns:
            self.reset()
        self._line_up(estimates)
        self._let_pass(stamp)
        kinds = self._lengths.kinds
        stated = read(estimates, kinds)
        fresh = stated.usable & (self._seen_ns != stamp)
        since = self._age_s(stamp)
        self._lengths.measure(fresh & ~kinds.predicate, stated, since)
        self._odds.measure(fresh & kinds.predicate, stated.value)
        self._seen_ns = np.where(fresh, stamp, self._seen_ns)
        for n in np.flatnonzero(fresh).tolist():
            self._last[n] = estimates[n]
        return self._written(stamp, estimates)

    def _line_up(self, estimates: Sequence[Estimate]) -> None:
        """Bring the states into the order of the queries."""
        keys = _keys(estimates)
        if keys == self._keys:
            return
        place = {key: n for n, key in enumerate(self._keys)}
        rows = np.array([place.get(key, -1) for key in keys], dtype=np.int64)
        self._lengths = self._lengths.taken(rows, Kinds.of([key[0] for key in keys]))
        self._odds = self._odds.taken(rows)
        seen = np.append(self._seen_ns, _NEVER)  # the row -1
        self._seen_ns = seen[rows] if len(rows) else np.zeros(0, dtype=np.int64)
        self._last = [self._last[row] if row >= 0 else None for row in rows.tolist()]
        self._keys = keys

    def _let_pass(self, stamp: int) -> None:
        seconds = 0.0 if self._stamp_ns is None else (stamp - self._stamp_ns) * 1e-9
        self._stamp_ns = stamp
        too_old = self._age_s(stamp) > self.settings.max_age_s
        self._lengths.stop(too_old)
        self._odds.stop(too_old)
        self._lengths.predict(seconds)
        self._odds.predict(seconds)

    def _age_s(self, stamp: int) -> Float:
        never = self._seen_ns == _NEVER
        return np.where(never, np.inf, (stamp - np.where(never, stamp, self._seen_ns)) * 1e-9)

    def _written(self, stamp: int, estimates: Sequence[Estimate]) -> list[FilteredEstimate]:
        lengths, kinds = self._lengths, self._lengths.kinds
        age = self._age_s(stamp)
        stds = lengths.value_std()
        values, quantiles = written(lengths.value, stds, lengths.lean(), kinds)
        deviations = (quantiles[:, -1] - quantiles[:, -2]) / 2
        shared = deviations * lengths.shared_std() / stds
        numbers = np.stack([values, deviations, shared, lengths.rate, lengths.rate_std(), age], axis=1).tolist()
        levels = quantiles[:, :_N_LEVELS].tolist()
        chances = self._odds.probability(age).tolist()
        running = np.where(kinds.predicate, self._odds.running, lengths.running).tolist()
        updates = np.where(kinds.predicate, self._odds.updates, lengths.updates).tolist()
        results = []
        for n, estimate in enumerate(estimates):
            last = self._last[n]
            value, std, shared_std, rate, rate_std, age_s = numbers[n]
            if last is None or not running[n]:
                results.append(FilteredEstimate(_invalid(estimate, age_s), _NAN, _NAN, age_s, 0))
            elif kinds.predicate[n]:
                p = chances[n]
                known = last.with_(value=p, std=(p * (1 - p)) ** 0.5, interval=(p, p), shared_std=0.0, quantiles=())
                results.append(FilteredEstimate(known, _NAN, _NAN, age_s, updates[n]))
            else:
                of_levels = tuple(levels[n])
                known = last.with_(
                    value=value,
                    std=std,
                    interval=(of_levels[0], of_levels[-1]),
                    shared_std=shared_std,
                    quantiles=of_levels,
                )
                results.append(FilteredEstimate(known, rate, rate_std, age_s, updates[n]))
        return results


_NAN = float("nan")
_N_LEVELS = len(QUANTILE_LEVELS)


def _keys(estimates: Sequence[Estimate]) -> list[_Key]:
    """One key per estimate; the same question asked twice gets two."""
    keys = [(e.relation, e.subject, e.reference, 0) for e in estimates]
    if len(set(keys)) == len(keys):
        return keys
    counted: Counter[tuple[Relation, str, str]] = Counter()
    result = []
    for relation, subject, reference, _ in keys:
        result.append((relation, subject, reference, counted[relation, subject, reference]))
        counted[relation, subject, reference] += 1
    return result


def _invalid(estimate: Estimate, age_s: float) -> Estimate:
    """Without a state: too long not seen, or never seen."""
    if np.isfinite(age_s):
        why = "" if estimate.valid else f", now {estimate.reason}"
        return estimate.refused(Reason.STALE, f"Last measured {age_s:.1f} s ago{why}.")
    if estimate.valid:
        return estimate.refused(Reason.MODEL_ERROR, "The measurement is not a finite number.")
    return estimate.refused(estimate.reason, estimate.detail)  # also without the numbers it may carry
