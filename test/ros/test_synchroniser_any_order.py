"""Any messages in any order: what the synchroniser may never do."""

import weakref
from collections import Counter
from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.ros.synchroniser import Synchroniser, SyncLimits, camera_slots

MS = 1_000_000
START = 1_700_000_000_000 * MS


class Message:
    """Something with a stamp that can be watched."""

    def __init__(self, slot: str, stamp: int) -> None:
        self.slot, self.stamp = slot, stamp


slot_names = st.sampled_from(["image", "depth", "image", "depth", "camera_info", "depth_camera_info"])
moves = st.one_of(
    st.integers(0, 60), st.integers(-40, 10), st.sampled_from([0, 33, 600, -600, -700_000, 20_000, 7_200_000])
)
stamps_of = st.one_of(st.just("clock"), st.just("clock"), st.just("clock"), st.sampled_from(["zero", "far", "again"]))
events = st.lists(st.tuples(slot_names, moves, stamps_of), max_size=120)
all_limits = st.builds(
    SyncLimits,
    slop_ns=st.integers(0, 40).map(lambda ms: ms * MS),
    patience_ns=st.integers(0, 150).map(lambda ms: ms * MS),
    jump_back_ns=st.just(500 * MS),
    jump_ahead_ns=st.just(10_000 * MS),
    queue=st.integers(1, 5),
)


@settings(max_examples=150, deadline=None)
@given(events=events, limits=all_limits, depth_required=st.booleans())
def test_whatever_comes_nothing_goes_back_is_mispaired_or_lost(events, limits, depth_required):
    sync = Synchroniser(camera_slots(depth_required=depth_required), limits)
    now, last, jumps, frames, alive = START, None, 0, 0, weakref.WeakSet()
    previous: dict[str, int] = {}
    zeros: Counter[str] = Counter()
    for slot, move, kind in events:
        now = max(now + move * MS, START // 2)
        clock = {"clock": now, "zero": 0, "far": now + 10**18, "again": previous.get(slot, now)}
        stamp = previous[slot] = clock[kind]
        zeros[slot] += stamp == 0
        message = Message(slot, stamp)
        alive.add(message)
        frame = sync.add(slot, stamp, message)
        del message
        held = {name: sum(m.slot == name for m in alive) for name in sync.counts()}
        parts = {id(part) for part in frame or () if part is not None}
        for name in held:  # what was given out now is still alive for that reason
            own = sum(m.slot == name and id(m) in parts for m in alive)
            assert held[name] - own <= limits.queue
        if frame is None:
            continue
        image, info, depth, _ = frame
        assert image.slot == "image" and info.slot == "camera_info"
        if depth is not None:
            assert depth.slot == "depth" and abs(depth.stamp - image.stamp) <= limits.slop_ns
        assert depth is not None or not depth_required
        if jumps != (jumps := sync.jumps_back + sync.jumps_ahead):
            last = None
        if image.stamp > 0:
            assert last is None or image.stamp > last
            last = image.stamp
        frames += 1
        del image, info, depth, frame, _

    counts = sync.counts()
    info_of = {slot.name: slot.info_of for slot in camera_slots()}
    for slot, count in counts.items():
        fates = asdict(count)
        assert fates.pop("received") == sum(s == slot for s, _, _ in events)
        assert fates.pop("zero_stamps") == zeros[slot] * (not info_of[slot])
        del fates["out_of_order"], fates["unpaired"]
        assert sum(fates.values()) == count.received
    assert counts["image"].delivered == frames
