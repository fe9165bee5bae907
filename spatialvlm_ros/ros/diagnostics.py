"""What /diagnostics says: one status for the model, one for each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from spatialvlm_ros.ros.statistics import Summary
from spatialvlm_ros.ros.synchroniser import SlotCounts
from spatialvlm_ros.ros.worker import ModelState

# Nothing is wrong where these count.
_SILENT_COUNTS = ("received", "published", "unasked", "throttled", "imu_not_at_rest")
# Fates of messages that no picture could be made of, though they arrived: what is wrong with them.
_TROUBLES = {
    "duplicate": "its stamp had come before",
    "unstamped": "stamps of zero among others",
    "far_back": "a stamp far in the past",
    "far_ahead": "a stamp far in the future",
    "late": "older than a picture that was given on already",
    "unmatched": "what belongs to it did not come in time",
}
_REMEDIES = {"late depth": "raise depth_wait_s"}
_UNPAIRED = "most pictures go without it: compare the stamps of both, or raise slop_s"


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
        messages: slot -> what became of its messages.
        silences: slot -> why nothing comes there.
    """

    quiet_s: float
    unheard: Mapping[str, int]
    reliabilities: Mapping[str, str]
    dropped: int
    messages: Mapping[str, SlotCounts]
    silences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Before:
    """Counts at the last report, of faults and of messages: only new ones are a warning."""

    counts: Mapping[str, int]
    messages: Mapping[str, SlotCounts] = field(default_factory=dict)

    @staticmethod
    def of(summary: Summary, inputs: InputState) -> Before:
        """What the next report is compared with."""
        counts, _ = _faults(summary, inputs)
        return Before(counts, inputs.messages)


def camera_status(name: str, summary: Summary, inputs: InputState, quiet_after_s: float, before: Before) -> Status:
    """Of a camera: the worst that holds now is the message."""
    counts, sentences = _faults(summary, inputs)
    new = {f: n - before.counts.get(f, 0) for f, n in counts.items() if n > before.counts.get(f, 0)}
    level, message = Level.OK, f"{summary.rate_hz:.1f} pictures/s"
    for slot, fates in inputs.messages.items():
        if _mostly_unpaired(fates, before.messages.get(slot, SlotCounts())):
            level, message = Level.WARN, f"unpaired {slot}: {_UNPAIRED}"
    if new:
        fault = max(new, key=lambda f: new[f])
        level, message = Level.WARN, f"{fault}: {sentences.get(fault, '')}".rstrip(": ")
    unheard = [f"{n} best-effort publisher(s) of {topic} are not heard" for topic, n in inputs.unheard.items()]
    if unheard:
        level, message = Level.WARN, f"{unheard[0]}: set reliability"
    if inputs.quiet_s > quiet_after_s:
        why = [inputs.silences["image"]] if "image" in inputs.silences else unheard[:1]
        level, message = Level.ERROR, "; ".join([f"no frames for {inputs.quiet_s:.1f} s", *why])
    return Status(name, level, message, _values(summary, inputs))


def _faults(summary: Summary, inputs: InputState) -> tuple[dict[str, int], dict[str, str]]:
    """Counts and sentences of all that went wrong, with pictures that were given on and with messages that were not."""
    counts = {fault: count for fault, count in summary.counts.items() if fault not in _SILENT_COUNTS}
    sentences = dict(summary.faults)
    for slot, fates in inputs.messages.items():
        for fate, sentence in _TROUBLES.items():
            if count := getattr(fates, fate):
                fault = f"{fate} {slot}"
                counts[fault] = count
                sentences[fault] = f"{sentence}: {_REMEDIES[fault]}" if fault in _REMEDIES else sentence
    return counts, sentences


def _mostly_unpaired(now: SlotCounts, before: SlotCounts) -> bool:
    """One that is lost, or a slower stream, is no fault: more pictures than not have to go without."""
    return now.unpaired - before.unpaired > now.delivered - before.delivered


def _fates(counts: SlotCounts) -> str:
    """Only what is not zero."""
    return ", ".join(f"{name} {number}" for name, number in vars(counts).items() if number)


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
    values.update({f"messages of {slot}": _fates(counts) for slot, counts in inputs.messages.items()})
    values.update({f"not heard on {topic}": str(count) for topic, count in inputs.unheard.items()})
    return values
