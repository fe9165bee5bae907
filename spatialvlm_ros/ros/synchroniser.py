"""Brings a picture, its depth and their camera infos together by time stamps. No rclpy in here: stamps are numbers.

The newest picture that is complete wins; older ones that were still waiting are dropped, so that nothing lags behind.
A picture waits for its depth until no nearer one can come, or until other stamps are ``patience_ns`` past its own;
then it goes without. Time is the time of the stamps, so it also holds in simulation and replay; a clock is asked only
whether the time of a stamp has come.

Whatever arrives has one fate, and all are counted (`SlotCounts`).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from spatialvlm_ros.errors import ConfigError

_MOST_HZ = 90  # of a camera whose pictures are all kept while they wait
_SILENT = 3  # after so many waits (or periods of its own) without a message a stream is not waited for


@dataclass(frozen=True)
class Slot:
    """One input.

    Attributes:
        name: for `Synchroniser.add`.
        info_of: name of the slot whose camera info this is; empty for a stream that is paired by its stamps.
        required: a frame without it is not given. Of an info: if the picture that it belongs to is there.
    """

    name: str
    info_of: str = ""
    required: bool = False


def camera_slots(depth: bool = True, depth_required: bool = False) -> tuple[Slot, ...]:
    """``image``, ``camera_info`` and, with ``depth``, also ``depth``, ``depth_camera_info``. The info of the depth is
    not required: some drivers publish depth in the colour camera's pixels without one."""
    colour = (Slot("image", required=True), Slot("camera_info", "image", required=True))
    return (*colour, Slot("depth", required=depth_required), Slot("depth_camera_info", "depth")) if depth else colour


@dataclass(frozen=True)
class SyncLimits:
    """What counts as together, late or broken. Nanoseconds of stamp time.

    Attributes:
        slop_ns: the most between a picture and its depth.
        patience_ns: the most that a picture waits.
        jump_back_ns: a stamp that is further behind its stream is taken for a fault, unless a second one follows: then
            the stream has started again (replay, simulation), and everything is forgotten. By less: out of order.
        jump_ahead_ns: the same for a stamp that is further ahead, of its stream and of the clock.
        queue: messages kept of one slot.

    Raises:
        ConfigError: a negative time, or no room for a message.
    """

    slop_ns: int = 20_000_000
    patience_ns: int = 100_000_000
    jump_back_ns: int = 500_000_000
    jump_ahead_ns: int = 10_000_000_000
    queue: int = 10

    def __post_init__(self) -> None:
        for name in ("slop_ns", "patience_ns", "jump_back_ns", "jump_ahead_ns"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is negative", getattr(self, name), "Give nanoseconds.")
        if self.queue < 1:
            raise ConfigError("the queue of a synchroniser holds at least one message", self.queue)


def limits_of(slop_s: float, wait_s: float) -> SyncLimits:
    """The limits for the node's parameters ``slop_s`` and ``depth_wait_s``: the queues hold what comes meanwhile."""
    queue = max(SyncLimits.queue, round(_MOST_HZ * wait_s))
    return SyncLimits(slop_ns=int(slop_s * 1e9), patience_ns=int(wait_s * 1e9), queue=queue)


@dataclass(frozen=True)
class SlotCounts:
    """What became of the messages of one slot: ``received`` is the sum of the fates.

    Attributes:
        received: all that arrived.
        delivered: given out; one that went into several frames counts once.
        waiting: kept, and may still be given out.
        superseded: a newer one made it useless.
        unmatched: a picture whose required partner did not come in time.
        overflow: the queue was full.
        late: older than what was given out already.
        duplicate: its stamp had come before.
        unstamped: a stamp of zero in a stream that has stamps.
        far_back, far_ahead: a stamp far in the past or future that none followed.
        cleared: forgotten after a jump of time.
        out_of_order: older than its predecessor, within the tolerance. These also have one of the fates above.
        zero_stamps: never filled by the driver. These also have one of the fates above.
        unpaired: pictures of the leading slot that went without one of these, though these come. No fate either.
    """

    received: int = 0
    delivered: int = 0
    waiting: int = 0
    superseded: int = 0
    unmatched: int = 0
    overflow: int = 0
    late: int = 0
    duplicate: int = 0
    unstamped: int = 0
    far_back: int = 0
    far_ahead: int = 0
    cleared: int = 0
    out_of_order: int = 0
    zero_stamps: int = 0
    unpaired: int = 0


@dataclass(eq=False)
class _Held:
    stamp: int
    message: Any
    used: bool = False


@dataclass(eq=False)
class _Stream:
    """The messages of one slot: pictures in the order of their stamps, infos in that of their arrival."""

    slot: Slot
    held: list[_Held] = field(default_factory=list)
    newest: int | None = None  # largest stamp
    gaps: deque[int] = field(default_factory=lambda: deque(maxlen=4))  # between the last stamps in order
    suspect: int | None = None  # stamp far off that waits for a second one
    counts: Counter[str] = field(default_factory=Counter)

    def drop(self, number: int, fate: str) -> None:
        """Remove the first ``number`` messages."""
        self.counts[fate] += sum(not held.used for held in self.held[:number])
        del self.held[:number]

    def forget(self) -> None:
        """Remove everything but the last info: a camera that says once how it is will not say it again."""
        self.drop(len(self.held) - bool(self.slot.info_of and self.held), "cleared")
        self.newest = self.suspect = None
        self.gaps.clear()

    @property
    def spacing(self) -> int:
        """Period of the stream, the smallest of the last gaps: single losses do not count. 0 for not known yet."""
        return min(self.gaps) if len(self.gaps) > 1 else 0

    def nearest(self, stamp: int, slop: int) -> _Held | None:
        best = min(self.held, key=lambda held: abs(held.stamp - stamp), default=None)
        return best if best is not None and abs(best.stamp - stamp) <= slop else None

    def may_improve(self, best: _Held, stamp: int) -> bool:
        """Whether a message still to come may be nearer. Half a period is allowed for jitter."""
        if best.stamp >= stamp or self.newest is None or self.newest >= stamp:
            return False
        return self.spacing == 0 or self.newest + self.spacing // 2 < 2 * stamp - best.stamp

    def info(self, stamp: int) -> _Held | None:
        """The one of equal stamp, else the last that came."""
        equal = (held for held in reversed(self.held) if held.stamp == stamp and stamp > 0)
        return next(equal, self.held[-1] if self.held else None)


_UNMATCHED: dict[str, _Held] = {}  # the parts of a frame that will never be complete


class Synchroniser:
    """Approximate time synchroniser of one camera. The first slot that is no info leads: it makes the frames.

    Args:
        slots: in the order in which `add` gives the messages.

    A lock makes calls from several threads safe; the order of the frames is that of the calls.

    Raises:
        ConfigError: slots of equal names, no picture slot, or an info of a slot that is none.
    """

    def __init__(self, slots: Sequence[Slot], limits: SyncLimits | None = None) -> None:
        self._limits = limits or SyncLimits()
        self._streams = {slot.name: _Stream(slot) for slot in slots}
        pictures = [slot.name for slot in slots if not slot.info_of]
        if len(self._streams) != len(slots) or not pictures:
            raise ConfigError("slots need different names, and one picture", [slot.name for slot in slots])
        for slot in slots:
            if slot.info_of and slot.info_of not in pictures:
                raise ConfigError(f"{slot.name} is the camera info of no picture", slot.info_of, f"One of {pictures}.")
        self._lead = self._streams[pictures[0]]
        self._partners = [self._streams[name] for name in pictures[1:]]
        self._infos = [stream for stream in self._streams.values() if stream.slot.info_of]
        self._start: int | None = None  # first stamp of the lead
        self._delivered: int | None = None  # last stamp of the lead that was given out
        self._jumps: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, slot: str, stamp_ns: int, message: Any, now_ns: int = 0) -> tuple[Any, ...] | None:
        """Take a message.

        Args:
            slot: name of its slot.
            stamp_ns: of its header; 0 or less was never filled. Such messages are paired as they arrive.
            now_ns: of the clock that stamps are taken from, 0 where it is not known. A stamp whose time has come is no
                fault, however long its stream was silent: some cameras take a picture only when they are asked to.

        Returns:
            The newest complete frame, if there is one now: a message or None for each slot. Stamps of the leading slot
            only ever rise, but after a jump back.

        Raises:
            ConfigError: no such slot.
        """
        with self._lock:
            stream = self._streams.get(slot)
            if stream is None:
                raise ConfigError("the synchroniser has no such slot", slot, f"One of {', '.join(self._streams)}.")
            stream.counts["received"] += 1
            held = _Held(int(stamp_ns), message)
            if stream.slot.info_of:
                stream.held.append(held)
            elif held.stamp <= 0:
                self._keep_unstamped(stream, held)
            else:
                self._keep(stream, held, now_ns)
            surplus = max(len(stream.held) - self._limits.queue, 0)
            stream.drop(surplus, "superseded" if stream.slot.info_of else "overflow")
            return self._newest_frame()

    def flush(self) -> tuple[Any, ...] | None:
        """The newest frame without more waiting: for the end of a stream, when no stamp will move time on."""
        with self._lock:
            return self._newest_frame(patient=False)

    def clear(self) -> None:
        """Forget all messages but the last camera infos."""
        with self._lock:
            self._forget()

    def counts(self) -> dict[str, SlotCounts]:
        """What became of the messages so far, by slot."""
        with self._lock:
            return {
                name: SlotCounts(**stream.counts, waiting=sum(not held.used for held in stream.held))
                for name, stream in self._streams.items()
            }

    @property
    def jumps_back(self) -> int:
        """How often time has started again."""
        return self._jumps["back"]

    @property
    def jumps_ahead(self) -> int:
        """How often time has gone on by more than the limit."""
        return self._jumps["ahead"]

    # ---- what comes in ----

    def _keep(self, stream: _Stream, held: _Held, now_ns: int) -> None:
        """Put a stamped message of a picture stream in its place, or count why not."""
        stamp = held.stamp
        if self._is_far_off(stream, stamp, now_ns) and not self._has_jumped(stream, stamp):
            return
        stream.suspect = None
        if self._delivered is not None:
            # A partner of a frame that is out can still serve the next one.
            oldest = self._delivered if stream is self._lead else self._delivered - self._limits.slop_ns
            if stamp < oldest or (stream is self._lead and stamp == oldest):
                stream.counts["duplicate" if stamp == self._delivered else "late"] += 1
                return
        if stream.newest is None:
            stream.drop(len(stream.held), "superseded")  # what came before the driver knew the time
        place = bisect_left(stream.held, stamp, key=lambda other: other.stamp)
        if place < len(stream.held) and stream.held[place].stamp == stamp:
            stream.counts["duplicate"] += 1
            return
        if stream.newest is not None and stamp < stream.newest:
            stream.counts["out_of_order"] += 1
        else:
            if stream.newest is not None:
                stream.gaps.append(stamp - stream.newest)
            stream.newest = stamp
        if stream is self._lead and self._start is None:
            self._start = stamp
        stream.held.insert(place, held)

    def _is_far_off(self, stream: _Stream, stamp: int, now_ns: int) -> bool:
        newest, limits = stream.newest, self._limits
        if newest is None:
            return False
        return not newest - limits.jump_back_ns <= stamp <= max(newest, now_ns) + limits.jump_ahead_ns

    def _has_jumped(self, stream: _Stream, stamp: int) -> bool:
        """Whether time goes on where this stamp is: only if it follows one that was as far off. Forgets all then."""
        way = "back" if stream.newest is not None and stamp < stream.newest else "ahead"
        first, stream.suspect = stream.suspect, stamp
        if first is None or not first < stamp <= first + self._limits.jump_ahead_ns:
            stream.counts[f"far_{way}"] += 1
            return False
        self._jumps[way] += 1
        self._forget()
        return True

    def _keep_unstamped(self, stream: _Stream, held: _Held) -> None:
        """Keep only the last message of a stream without stamps: there is nothing else to go by."""
        stream.counts["zero_stamps"] += 1
        if stream.newest is not None:
            stream.counts["unstamped"] += 1
            return
        held.stamp = 0
        stream.drop(len(stream.held), "superseded")
        stream.held.append(held)

    def _forget(self) -> None:
        for stream in self._streams.values():
            stream.forget()
        self._start = self._delivered = None

    # ---- what goes out ----

    def _newest_frame(self, patient: bool = True) -> tuple[Any, ...] | None:
        for image in reversed(list(self._lead.held)):
            parts = self._parts(image, patient and not self._expired(image))
            if parts is _UNMATCHED:
                self._lead.held.remove(image)
                self._lead.counts["unmatched"] += 1
            elif parts is not None:
                return self._deliver(image, parts)
        return None

    def _expired(self, image: _Held) -> bool:
        if image.stamp <= 0:
            return True  # its time does not go on
        now = max(s.newest for s in (self._lead, *self._partners) if s.newest is not None)
        # At least two periods: a busy executor calls back in any order, so the next picture may overtake a depth.
        return now - image.stamp >= max(self._limits.patience_ns, 2 * self._lead.spacing)

    def _is_silent(self, stream: _Stream, image: _Held) -> bool:
        """Whether a partner has stopped, so that waiting for it only costs time."""
        last = stream.newest if stream.newest is not None else self._start
        return last is not None and image.stamp - last > _SILENT * max(self._limits.patience_ns, stream.spacing)

    def _comes(self, stream: _Stream, image: _Held) -> bool:
        """Whether a partner is there, so that a picture should not go without it."""
        return bool(stream.held) or (stream.newest is not None and not self._is_silent(stream, image))

    def _parts(self, image: _Held, waits: bool) -> dict[str, _Held] | None:
        """The messages of a frame by slot; None to wait for more, `_UNMATCHED` if a required one will not come."""
        parts = {self._lead.slot.name: image}
        for stream in self._partners:
            best = stream.nearest(image.stamp, self._limits.slop_ns)
            if best is not None:
                if waits and stream.may_improve(best, image.stamp):
                    return None
                parts[stream.slot.name] = best
            elif waits and not self._is_silent(stream, image):
                return None
            elif stream.slot.required:
                return _UNMATCHED
        for stream in self._infos:
            owner = parts.get(stream.slot.info_of)
            if owner is None:
                continue
            info = stream.info(owner.stamp)
            if info is not None:
                parts[stream.slot.name] = info
            elif stream.slot.required:
                if waits:
                    return None
                if self._streams[stream.slot.info_of].slot.required or owner is image:
                    return _UNMATCHED
                del parts[stream.slot.info_of]  # a depth picture without its camera cannot be used
        return parts

    def _deliver(self, image: _Held, parts: dict[str, _Held]) -> tuple[Any, ...]:
        for name, held in parts.items():
            self._streams[name].counts["delivered"] += not held.used
            held.used = True
        for stream in self._partners:
            stream.counts["unpaired"] += stream.slot.name not in parts and self._comes(stream, image)
        self._lead.drop(self._lead.held.index(image) + 1, "superseded")
        if image.stamp > 0:
            self._delivered = image.stamp
        for stream in self._partners:
            if image.stamp > 0:
                oldest = image.stamp - self._limits.slop_ns
                stream.drop(bisect_left(stream.held, oldest, key=lambda held: held.stamp), "superseded")
            else:
                stream.held = [held for held in stream.held if not held.used]
        return tuple(self._message(parts.get(name)) for name in self._streams)

    @staticmethod
    def _message(held: _Held | None) -> Any:
        return None if held is None else held.message
