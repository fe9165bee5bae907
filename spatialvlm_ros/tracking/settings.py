"""What the filters believe about motion, about errors that last, and about outliers."""

from __future__ import annotations

from dataclasses import dataclass, fields

from spatialvlm_ros.errors import ConfigError


@dataclass(frozen=True)
class FilterSettings:
    """Parameters of `FilterBank`.

    Attributes:
        acceleration: how fast a rate changes: white-noise acceleration, m/s per root second.
        speed: deviation of the rate when a quantity is first seen, m/s.
        size_motion: share of both for heights, widths and volumes: things move more than they change their size.
        shared_time_s: time in which the shared error forgets itself. Frames of one scene share it, so it is long.
        correlated_share: share 0..1 of the independent variance that lasts from frame to frame; the rest is white.
        correlation_time_s: time in which that part forgets itself.
        claim_time_s: stated errors are averaged over this time: a frame that happens to state a small one is not
            believed more.
        gate: an innovation of more than this many deviations is an outlier; its weight falls with its distance.
        confirm_frames: that many outliers in a row on the same side are a real jump, and the filter starts anew there.
        max_age_s: without a measurement for longer the output is invalid with reason `stale`.
        predicate_time_s: time over which the log-odds of a predicate are averaged.

    Raises:
        ConfigError: a value is out of its range.
    """

    acceleration: float = 0.3
    speed: float = 0.1
    size_motion: float = 0.2
    shared_time_s: float = 300.0
    correlated_share: float = 0.9
    correlation_time_s: float = 5.0
    claim_time_s: float = 1.0
    gate: float = 3.0
    confirm_frames: int = 3
    max_age_s: float = 2.0
    predicate_time_s: float = 0.5

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not value >= 0:  # also refuses NaN
                raise ConfigError(f"{entry.name} is not a number of at least 0", value, "Change the filter's settings.")
        for name in ("shared_time_s", "correlation_time_s", "claim_time_s", "predicate_time_s", "gate", "max_age_s"):
            if getattr(self, name) == 0:
                raise ConfigError(f"{name} is 0", 0, "Pass a small positive value.")
        if self.correlated_share > 1:
            raise ConfigError("correlated_share is more than 1", self.correlated_share, "It is a share, 0 to 1.")
        if self.confirm_frames < 1 or int(self.confirm_frames) != self.confirm_frames:
            raise ConfigError("confirm_frames is not a whole number from 1", self.confirm_frames, "Pass 1 or more.")
