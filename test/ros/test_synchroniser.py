"""Pictures, depth and camera infos brought together by their stamps."""

import threading
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.ros.synchroniser import Slot, SlotCounts, Synchroniser, SyncLimits, camera_slots, limits_of

MS = 1_000_000
START = 1_700_000_000_000 * MS
LIMITS = SyncLimits(slop_ns=20 * MS, patience_ns=100 * MS, queue=6)


class Message:
    """Something with a stamp."""

    def __init__(self, slot: str, stamp: int) -> None:
        self.slot, self.stamp = slot, stamp

    def __repr__(self) -> str:
        return f"{self.slot}@{(self.stamp - START) / MS if self.stamp > 0 else self.stamp}"


class Sender:
    """Adds messages at milliseconds after the start and collects the frames."""

    def __init__(self, slots=None, limits: SyncLimits = LIMITS, info: bool = True) -> None:
        self.sync = Synchroniser(slots or camera_slots(), limits)
        self.frames = []
        if info:
            self.raw("camera_info", 0)

    def raw(self, slot: str, stamp: int) -> tuple | None:
        frame = self.sync.add(slot, stamp, Message(slot, stamp))
        if frame is not None:
            self.frames.append(frame)
        return frame

    def __call__(self, slot: str, ms: float) -> tuple | None:
        """The frame as milliseconds of image and depth."""
        return shown(self.raw(slot, START + round(ms * MS)))

    def count(self, slot: str) -> dict[str, int]:
        return {name: n for name, n in asdict(self.sync.counts()[slot]).items() if n}


def shown(frame: tuple | None) -> tuple | None:
    if frame is None:
        return None
    return tuple(None if frame[i] is None else (frame[i].stamp - START) / MS for i in (0, 2))


# ---- pairing ----


def test_depth_before_or_after_its_image_makes_the_same_frame():
    for order in (("image", "depth"), ("depth", "image")):
        send = Sender()
        assert send(order[0], 0) is None
        assert send(order[1], 0) == (0, 0)


def test_the_nearest_depth_is_taken_not_the_last():
    send = Sender()
    send("depth", 85)
    assert send("image", 100) is None  # a nearer one may come
    assert send("depth", 118) == (100, 85)
    send("depth", 185)
    send("image", 200)
    assert send("depth", 212) == (200, 212)


def test_a_frame_does_not_wait_for_a_depth_that_cannot_be_nearer():
    send = Sender()
    for ms in (32, 65, 98):
        send("depth", ms)
    assert send("image", 100) == (100, 98)  # the next one is due at 131
    send("depth", 131)
    send("depth", 143)  # the stream got faster
    assert send("image", 155) is None
    assert send("depth", 156) == (155, 156)


def test_depth_over_the_slop_is_not_taken():
    send = Sender()
    send("depth", 79.9)
    send("image", 100)
    assert send("depth", 120.1) is None
    assert send("depth", 199.9) is None
    assert send("depth", 200) == (100, None)  # out of patience
    assert send.count("depth") == {
        "received": 4,
        "superseded": 1,
        "waiting": 3,
        "unpaired": 1,
    }  # the first is of no use any more


def test_one_depth_may_serve_two_images():
    send = Sender()
    send("image", 0)
    assert send("depth", 8) == (0, 8)
    assert send("image", 16) is None
    assert send("depth", 41) == (16, 8)
    assert send.count("depth") == {"received": 2, "delivered": 1, "waiting": 1}


def test_the_order_of_the_slots_is_the_order_of_the_messages():
    slots = (Slot("depth_info", "depth"), Slot("colour", required=True), Slot("depth"), Slot("info", "colour", True))
    sync = Synchroniser(slots, LIMITS)
    for slot in ("info", "depth_info", "depth"):
        assert sync.add(slot, START, slot) is None
    assert sync.add("colour", START, "colour") == ("depth_info", "colour", "depth", "info")


# ---- the newest wins ----


def test_the_newest_complete_frame_wins_and_the_older_are_superseded():
    send = Sender()
    for ms in (0, 33, 66):
        assert send("image", ms) is None
    assert send("depth", 33) == (33, 33)
    assert send("depth", 66) == (66, 66)
    assert send.count("image") == {"received": 3, "delivered": 2, "superseded": 1}


def test_depth_that_takes_longer_than_the_next_image_still_finds_its_own():
    send, delay = Sender(), 80
    events = sorted(
        [("image", ms, ms) for ms in range(0, 600, 33)] + [("depth", m, m + delay) for m in range(0, 600, 33)],
        key=lambda event: event[2],
    )
    frames = [frame for slot, ms, _ in events if (frame := send(slot, ms)) is not None]
    assert frames == [(ms, ms) for ms in range(0, 600, 33)]


def test_an_image_gives_way_to_a_newer_one_only_after_its_patience():
    send = Sender()
    send("image", 0)
    assert send("image", 60) is None
    assert send("image", 99.9) is None
    assert send("image", 100) == (0, None)
    assert send("image", 161) == (60, None)
    assert send("depth", 161) == (161, 161)
    assert send.count("image") == {"received": 5, "delivered": 3, "superseded": 2}


def test_a_dead_depth_camera_costs_no_time_for_long():
    send = Sender()
    delays = []
    for ms in range(0, 1000, 20):
        frame = send("image", ms)
        if frame is not None:
            assert frame[1] is None
            delays.append(ms - frame[0])
    assert delays[0] == 100 and delays[-1] == 0 and len(delays) > 40
    send("depth", 1000)  # it lives again
    assert send("image", 1001) == (1001, 1000) or send("depth", 1020) == (1001, 1000)
    assert send("image", 1040) is None


def test_slow_depth_is_not_taken_for_dead():
    send = Sender()
    paired = 0
    for ms in range(0, 3000, 50):
        frame = send("image", ms)
        paired += frame is not None and frame[1] is not None
        if ms % 200 == 0:
            frame = send("depth", ms)
            paired += frame is not None and frame[1] is not None
    assert paired == 15


@pytest.mark.parametrize(("wait_s", "paired"), [(0.1, 0), (1.0, 42)])
def test_depth_that_another_node_makes_is_waited_for_as_long_as_was_said(wait_s, paired):
    """60 Hz, and depth 0.3 s behind its picture: the queue holds all pictures that wait."""
    send = Sender(limits=limits_of(0.005, wait_s))
    for k in range(60):
        send("image", 1000 / 60 * k)
        if k >= 18:
            send("depth", 1000 / 60 * (k - 18))
    frames = [shown(frame) for frame in send.frames]
    assert sum(depth is not None for _, depth in frames) == paired
    assert send.count("image").get("overflow", 0) == 0


def test_no_patience_means_no_waiting():
    send = Sender(limits=SyncLimits(slop_ns=20 * MS, patience_ns=0))
    assert send("image", 0) == (0, None)
    send("depth", 30)
    assert send("image", 33) == (33, 30)


def test_without_depth_slots_every_image_is_a_frame():
    send = Sender(camera_slots(depth=False))
    for ms in (0, 33, 66):
        frame = send.raw("image", START + ms * MS)
        assert [part.slot for part in frame] == ["image", "camera_info"]


def test_an_image_whose_required_depth_does_not_come_is_dropped():
    send = Sender(camera_slots(depth_required=True))
    send("image", 0)
    assert send("image", 100) is None
    assert send.count("image") == {"received": 2, "waiting": 1, "unmatched": 1}
    assert send("depth", 100) == (100, 100)


def test_flush_gives_the_last_frame_as_it_is():
    send = Sender()
    assert send.sync.flush() is None
    send("image", 0)
    send("depth", 33)
    send("image", 50)
    assert shown(send.sync.flush()) == (50, 33)
    assert send.sync.flush() is None


# ---- camera infos ----


def infos(frame: tuple) -> tuple:
    return tuple(None if frame[i] is None else frame[i].stamp for i in (1, 3))


def test_the_info_of_equal_stamp_wins_over_the_latest():
    send = Sender(info=False)
    for ms in (0, 33, 66):
        send("camera_info", ms)
        send("depth_camera_info", ms + 1)
    send("image", 33)
    send("depth", 34)
    assert infos(send.frames[-1]) == (START + 33 * MS, START + 34 * MS)
    send("image", 50)
    send("depth", 50)
    assert infos(send.frames[-1]) == (START + 66 * MS, START + 67 * MS)


def test_an_image_waits_for_the_first_info_and_is_dropped_if_none_comes():
    send = Sender(info=False)
    send("image", 0)
    assert send("depth", 0) is None
    assert send("camera_info", -5000) == (0, 0)

    send = Sender(info=False)
    send("image", 0)
    assert send("image", 100) is None
    assert send.count("image")["unmatched"] == 1


def test_depth_without_a_required_info_is_left_out():
    slots = (*camera_slots()[:3], Slot("depth_camera_info", "depth", required=True))
    send = Sender(slots)
    send("image", 0)
    send("depth", 0)
    assert send("image", 100) == (0, None)
    send("depth_camera_info", 0)
    assert send("depth", 100) == (100, 100)
    assert send("image", 200) is None


def test_an_info_that_is_sent_once_survives_a_jump_back():
    send = Sender()
    send("image", 5000)
    send("depth", 5000)
    send("image", 0)
    send("image", 33)
    assert send("depth", 33) == (33, 33)
    assert infos(send.frames[-1]) == (0, None)


# ---- pictures that go without their depth ----


def test_depth_that_is_always_too_far_from_the_pictures_is_counted():
    send = Sender()
    for ms in range(0, 2000, 100):
        send("image", ms)
        send("depth", ms + 60)
    assert len(send.frames) > 15 and all(frame[2] is None for frame in send.frames)
    assert send.count("depth")["unpaired"] >= 15 and "unpaired" not in send.count("image")


def test_depth_without_stamps_beside_pictures_that_have_some_is_counted():
    send = Sender()
    for ms in range(0, 1000, 33):
        send.raw("depth", 0)
        send("image", ms)
    assert send.count("depth")["unpaired"] >= 15


def test_depth_that_does_not_come_or_has_stopped_is_not_missed():
    send = Sender()
    for ms in range(0, 5000, 33):
        send("image", ms)
    assert "unpaired" not in send.count("depth")
    for ms in range(5000, 6000, 33):
        send("depth", ms)
        send("image", ms)
    for ms in range(6000, 12_000, 33):
        send("image", ms)
    assert send.count("depth").get("unpaired", 0) < 15


# ---- broken stamps ----


def test_late_duplicate_and_out_of_order_stamps_are_counted():
    send = Sender()
    send("image", 66)
    assert send("depth", 66) == (66, 66)
    assert send("image", 66) is None and send("image", 33) is None
    assert send.count("image") == {"received": 3, "delivered": 1, "duplicate": 1, "late": 1}
    send("depth", 66)
    send("depth", 45)
    assert send.count("depth") == {"received": 3, "delivered": 1, "duplicate": 1, "late": 1}
    send("image", 132)
    send("image", 99)
    assert send("depth", 99) == (99, 99)
    send("image", 131)
    send("image", 131)
    assert send.count("image") == {
        "received": 7, "delivered": 2, "duplicate": 2, "late": 1, "out_of_order": 2, "waiting": 2,
    }  # fmt: skip


def test_a_jump_back_starts_again():
    send = Sender()
    send("image", 10_000)
    assert send("depth", 10_000) == (10_000, 10_000)
    send("image", 10_033)
    send("depth", 10_060)
    assert send("image", 9_533) is None and send.sync.jumps_back == 0  # within the tolerance
    assert send("image", 9_000) is None and send("depth", 9_000) is None and send.sync.jumps_back == 0
    assert send("image", 9_033) is None and send.sync.jumps_back == 1  # time goes on there
    assert send("depth", 9_033) == (9_033, 9_033)
    assert send.count("image") == {"received": 5, "delivered": 2, "late": 1, "cleared": 1, "far_back": 1}
    assert send.count("depth") == {"received": 4, "delivered": 2, "cleared": 1, "far_back": 1}
    assert send.sync.jumps_back == 1  # depth went back with the image: one jump


def test_a_single_old_stamp_is_dropped_and_disturbs_nothing():
    send = Sender()
    for k in range(200):
        ms = 33 * k - 700 * (k % 20 == 19)
        send("depth", ms)
        send("image", ms)
    assert send.sync.jumps_back == 0 and len(send.frames) == 190
    assert send.count("image") == {"received": 200, "delivered": 190, "far_back": 10}


def test_the_same_old_stamp_again_and_again_does_not_move_time():
    send = Sender()
    send("image", 10_000)
    for _ in range(5):
        send("image", 1_000)
    assert send.sync.jumps_back == 0 and send("depth", 10_000) == (10_000, 10_000)


def test_a_stamp_far_ahead_is_dropped_unless_time_goes_on_there():
    send = Sender()
    send("image", 0)
    assert send("depth", 0) == (0, 0)
    hour = 3_600_000
    assert send("image", hour) is None
    assert send("image", 33) is None
    assert send("image", hour + 33) is None  # near the first fault, but time went on here in between
    assert send("depth", 33) == (33, 33)
    assert send.count("image") == {"received": 4, "delivered": 2, "far_ahead": 2}
    assert send.sync.jumps_ahead == 0
    # The recording was cut: everything goes on an hour later.
    send("depth", hour)
    send("image", hour)
    send("depth", hour + 33)
    assert send.sync.jumps_ahead == 1
    assert send("image", hour + 33) == (hour + 33, hour + 33)
    assert send.sync.jumps_back == 0


def test_a_camera_that_takes_a_picture_now_and_then_is_heard_where_a_clock_says_that_its_time_has_come():
    sync = Synchroniser(camera_slots(), LIMITS)
    sync.add("camera_info", START, Message("camera_info", START))
    hour = 3_600_000 * MS
    for k in range(1, 5):
        stamp = START + k * 30_000 * MS
        assert sync.add("depth", stamp, Message("depth", stamp), stamp + 20 * MS) is None
        frame = sync.add("image", stamp, Message("image", stamp), stamp + 25 * MS)
        assert frame is not None and frame[0].stamp == frame[2].stamp == stamp
        assert sync.add("image", stamp + hour, Message("image", stamp + hour), stamp + 30 * MS) is None
    counts = sync.counts()["image"]
    assert (counts.received, counts.delivered, counts.far_ahead) == (8, 4, 4)


def test_the_same_far_stamp_twice_does_not_move_time():
    send = Sender()
    send("image", 0)
    send("image", 10_000_000)
    send("image", 10_000_000)
    assert send.sync.jumps_ahead == 0 and send("depth", 0) == (0, 0)


def test_streams_of_two_clocks_never_pair_and_do_not_block():
    send = Sender()
    for ms in range(0, 2000, 33):
        send("depth", ms - 3_600_000)
        send("image", ms)
    assert len(send.frames) > 50 and all(frame[2] is None for frame in send.frames)
    assert send.sync.jumps_back == send.sync.jumps_ahead == 0
    assert send.count("depth")["late"] > 50


def test_streams_without_stamps_are_paired_as_they_come():
    send = Sender()
    assert send.raw("image", 0)[2] is None  # nothing to wait with
    send.raw("depth", 0)
    frame = send.raw("image", 0)
    assert [part and part.slot for part in frame] == ["image", "camera_info", "depth", None]
    assert send.raw("image", 0)[2] is None  # each depth once
    for _ in range(9):
        send.raw("depth", -1)
    assert send.count("depth") == {"received": 10, "delivered": 1, "waiting": 1, "superseded": 8, "zero_stamps": 10}
    assert send.count("image") == {"received": 3, "delivered": 3, "zero_stamps": 3}


def test_a_zero_stamp_in_a_stamped_stream_is_dropped():
    send = Sender()
    send("image", 0)
    assert send.raw("image", 0) is None and send.raw("depth", 0) is None
    assert send("depth", 0) == (0, 0)
    assert send.count("image") == {"received": 2, "delivered": 1, "unstamped": 1, "zero_stamps": 1}
    assert send.sync.jumps_back == 0


def test_queues_are_bounded():
    send = Sender()
    for ms in range(0, 90, 2):
        send("image", ms)
        send("camera_info", ms)
    assert send.count("image") == {"received": 45, "overflow": 39, "waiting": 6}
    assert send.count("camera_info") == {"received": 46, "superseded": 40, "waiting": 6}


def test_clear_forgets_pictures():
    send = Sender()
    send("image", 0)
    send.sync.clear()
    assert send("depth", 0) is None
    assert send.count("image") == {"received": 1, "cleared": 1}


# ---- many streams ----


@st.composite
def good_streams(draw) -> list[tuple[str, int, float]]:
    """(slot, stamp, arrival) in milliseconds: steady streams with jitter, losses and delays, each in its order."""
    arrivals = []
    for slot in ("image", "depth"):
        period, phase = draw(st.sampled_from([10, 33, 50, 100])), draw(st.integers(0, 30))
        delay = draw(st.integers(0, 60))
        lost = {5 * place + draw(st.integers(0, 1)) for place in draw(st.sets(st.integers(1, 5)))}
        for number in range(30):
            if number not in lost:
                stamp = phase + number * period + draw(st.integers(0, period // 5))
                arrivals.append((slot, stamp, stamp + delay))
    return sorted(arrivals, key=lambda item: item[2])


@settings(max_examples=60, deadline=None)
@given(stream=good_streams(), patience=st.integers(85, 200))
def test_in_steady_streams_every_frame_has_the_nearest_depth_that_there_is(stream, patience):
    """Delay and slop stay below the patience, so a frame goes without depth only if none was near enough."""
    limits = SyncLimits(slop_ns=20 * MS, patience_ns=patience * MS, queue=50)
    send = Sender(limits=limits)
    out = []
    for slot, ms, arrival in stream:
        frame = send(slot, ms)
        if frame is not None:
            out.append(frame)
            assert arrival - frame[0] <= patience + 60 + 2 * 100 + 20  # the delays and two periods
    all_depths = [ms for slot, ms, _ in stream if slot == "depth"]
    for image, depth in out:
        distance = min(abs(ms - image) for ms in all_depths)
        if depth is None:
            assert distance > 20
        else:
            assert abs(depth - image) == distance
    assert len({image for image, _ in out}) == len(out) > 0


def test_streams_may_come_from_several_threads():
    sync = Synchroniser(camera_slots(), SyncLimits(slop_ns=0, queue=400))
    sync.add("camera_info", 1, "info")
    frames = []

    def send(slot: str) -> None:
        for number in range(1, 401):
            frame = sync.add(slot, number, number)
            if frame is not None:
                frames.append(frame)

    threads = [threading.Thread(target=send, args=(slot,)) for slot in ("image", "depth")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert frames and all(image == depth for image, _, depth, _ in frames)
    images = sync.counts()["image"]
    assert images.delivered == len(frames) and images.delivered + images.superseded + images.waiting == 400


@pytest.mark.parametrize(
    ("slots", "fault"),
    [
        ((), "one picture"),
        ((Slot("image"), Slot("image")), "different names"),
        ((Slot("info", "image"),), "one picture"),
        ((Slot("image"), Slot("info", "depth")), "no picture"),
        ((Slot("image"), Slot("a", "image"), Slot("b", "a")), "no picture"),
    ],
)
def test_slots_that_make_no_sense_are_refused(slots, fault):
    with pytest.raises(ConfigError, match=fault):
        Synchroniser(slots)


def test_bad_limits_and_unknown_slots_are_refused():
    with pytest.raises(ConfigError, match="slop_ns is negative"):
        SyncLimits(slop_ns=-1)
    with pytest.raises(ConfigError, match="at least one"):
        SyncLimits(queue=0)
    with pytest.raises(ConfigError, match="no such slot"):
        Synchroniser(camera_slots()).add("imu", START, None)
    assert Synchroniser(camera_slots()).counts()["image"] == SlotCounts()
