"""What /diagnostics says: one status for the model, one for each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from spatialvlm_ros.ros.statistics import Summary
from spatialvlm_ros.ros.worker import ModelState

_SILENT_COUNTS = ("received", "published", "unasked", "throttled", "resets")  # nothing is wrong where these count


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Status:
    """One DiagnosticStatus: what it is of, how bad, one sentence, and the values."""

    name: str
    level: Level
    message: str
    values: Mapping[str, str]


def model_status(node: str, state: ModelState, fault: str, model: str) -> Status:
    """Of the model that a node uses."""
    level = {ModelState.READY: Level.OK, ModelState.LOADING: Level.WARN}.get(state, Level.ERROR)
    message = {ModelState.READY: "ready", ModelState.LOADING: "the weights are being loaded"}.get(
        state, fault or "closed"
    )
    return Status(f"{node}: model", level, message, {"model": model, "state": str(state)})


@dataclass(frozen=True)
class InputState:
    """What is known of a camera's subscriptions.

    Attributes:
        quiet_s: seconds without a picture.
        unheard: resolved topic -> publishers that are not heard because of their QoS.
        reliabilities: slot -> what it is subscribed with.
        dropped: pictures that were replaced by a newer one before the model had time.
        fates: slot -> what became of its messages, only what is not zero.
    """

    quiet_s: float
    unheard: Mapping[str, int]
    reliabilities: Mapping[str, str]
    dropped: int
    fates: Mapping[str, str]


@dataclass(frozen=True)
class Before:
    """Counts of faults at the last report: only new ones are a warning."""

    counts: Mapping[str, int]


def camera_status(name: str, summary: Summary, inputs: InputState, quiet_after_s: float, before: Before) -> Status:
    """Of a camera: the worst that holds now is the message."""
    new = {
        fault: count - before.counts.get(fault, 0)
        for fault, count in summary.counts.items()
        if fault not in _SILENT_COUNTS and count > before.counts.get(fault, 0)
    }
    level, message = Level.OK, f"{summary.rate_hz:.1f} pictures/s"
    if new:
        fault = max(new, key=lambda f: new[f])
        level, message = Level.WARN, f"{fault}: {summary.faults.get(fault, '')}".rstrip(": ")
    if inputs.unheard:
        topic, count = next(iter(inputs.unheard.items()))
        level, message = Level.WARN, f"{count} best-effort publisher(s) of {topic} are not heard: set reliability"
    if inputs.quiet_s > quiet_after_s:
        level, message = Level.ERROR, f"no frames for {inputs.quiet_s:.1f} s"
    return Status(name, level, message, _values(summary, inputs))


def _values(summary: Summary, inputs: InputState) -> dict[str, str]:
    values = {
        "rate_hz": f"{summary.rate_hz:.2f}",
        "latency_ms": f"{1e3 * summary.latency_s:.1f}",
        "latency_p95_ms": f"{1e3 * summary.latency_p95_s:.1f}",
        "model_ms": f"{1e3 * summary.model_s:.1f}",
        "overhead_ms": f"{1e3 * summary.overhead_s:.1f}",
        "dropped": str(inputs.dropped),
        "seconds_without_picture": f"{inputs.quiet_s:.1f}",
    }
    values.update({name: str(count) for name, count in sorted(summary.counts.items())})
    values.update({f"last {name}": text for name, text in sorted(summary.faults.items())})
    values.update({f"QoS of {slot}": text for slot, text in inputs.reliabilities.items()})
    values.update({f"messages of {slot}": text for slot, text in inputs.fates.items()})
    values.update({f"not heard on {topic}": str(count) for topic, count in inputs.unheard.items()})
    return values
