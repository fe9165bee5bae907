"""The demo as users run it: one command, three processes of its own, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("torch")
pytest.importorskip("mujoco")

from spatialvlm_ros.bags.reader import IndexedBag, open_bag  # noqa: E402
from spatialvlm_ros.models.estimate import Reason  # noqa: E402
from spatialvlm_ros.ros.demo.story import STRANGER  # noqa: E402
from spatialvlm_ros.ros.demo.topics import demo_topics  # noqa: E402
from spatialvlm_ros.ros.from_messages import estimates_from  # noqa: E402

MODULES = ("sim_main", "node_main", "planner_main")
# These are said seldom or not at all in a few seconds: best effort, no simulated clock, no target seen, no way yet.
SELDOM = {
    "/clock",
    "/spatialvlm/annotated",
    "/spatialvlm/target_pose",
    "/sim/pose_target",
    "/spatialvlm_planner/sentence",
}


def start(out: Path, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {
        "MUJOCO_GL": "egl",
        **os.environ,
        "SPATIALVLM_ASSETS": str(out / "no assets"),  # plain shapes: they are drawn at once
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "spatialvlm_ros.cli.main", "demo", "--out", str(out), *arguments]
    with open(log, "wb") as stream:
        return subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)


def left_behind(out: Path) -> list[str]:
    """Processes of ours that still run: each was told where its parameters are, or is told by its parent's folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            said = (folder / "fd" / "1").resolve()
        except OSError:
            continue
        if any(module.encode() in argument for argument in arguments for module in MODULES) and out in said.parents:
            found.append(f"{folder.name}: {arguments}")
    return found


@pytest.mark.slow
def test_a_few_seconds_leave_a_recording_a_picture_and_no_process(tmp_path: Path) -> None:
    out, log = tmp_path / "demo", tmp_path / "printed.log"
    process = start(out, log, "--seconds", "8", "--headless", "--camera-rate", "5")
    assert process.wait(400) == 0, log.read_text()
    assert left_behind(out) == []
    printed = log.read_text()
    assert str(out / "demo.mcap") in printed and str(out / "annotated.png") in printed and "force" not in printed
    assert sorted(p.name for p in out.iterdir()) == ["annotated.png", "annotation", "demo.mcap", "logs"]
    opening = open_bag(out / "annotation" / "first_seconds.mcap")
    assert isinstance(opening, IndexedBag) and "/tf_static" in opening.topics
    assert not any(topic.startswith("/spatialvlm/") for topic in opening.topics)

    bag = open_bag(out / "demo.mcap")
    assert isinstance(bag, IndexedBag)  # whole, with its index
    expected = {topic.name: topic.type for topic in demo_topics()}
    missing = {name: kind for name, kind in expected.items() if bag.topics.get(name) != kind}
    assert set(missing) <= SELDOM and set(bag.topics) <= set(expected)
    messages = list(bag.messages(bag.topics))
    assert not bag.problems
    counts = Counter(m.topic for m in messages)
    assert counts["/spatialvlm/distances"] >= 3 and counts["/sim/truth"] > counts["/camera/color/image_raw"] >= 2
    answers = [estimates_from(m.message) for m in messages if m.topic == "/spatialvlm/distances"]
    reasons = {e.subject: e.reason for picture in answers for e in picture.estimates}
    assert reasons[STRANGER] is Reason.UNKNOWN_NAME
    labels = {thing.label for m in messages if m.topic == "/sim/truth" for thing in m.message.objects}
    asked = {name for p in answers for e in p.estimates for name in (e.subject, e.reference)}
    assert len(labels & asked) >= 3
    with_places = [m.message for m in messages if m.topic == "/spatialvlm/objects"]
    assert with_places and {o.label for o in with_places[-1].objects} <= labels | {STRANGER}

    picture = cv2.imread(str(out / "annotated.png"))
    assert picture is not None and picture.shape[1] == 1280 and picture.shape[0] > 960
    assert picture[:960].std() > 10 and (picture[960:].max(axis=2) > 200).any()


def interrupted(out: Path, log: Path, process: subprocess.Popen[bytes], number: int) -> float:
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(60) == 0, log.read_text()
    assert left_behind(out) == [] and "Traceback" not in log.read_text()
    return time.monotonic() - began


def wait_for(condition: object, process: subprocess.Popen[bytes], log: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_well_while_everything_starts(tmp_path: Path, number: int) -> None:
    out, log = tmp_path / "demo", tmp_path / "printed.log"
    process = start(out, log, "--no-terminal", "--seconds", "0")
    wait_for(lambda: "waiting" in log.read_text(), process, log)
    interrupted(out, log, process, number)
    assert "no picture was answered" in log.read_text() and not (out / "annotated.png").exists()
    assert isinstance(open_bag(out / "demo.mcap"), IndexedBag)


def test_ctrl_c_ends_it_while_it_runs_and_it_says_what_it_saw(tmp_path: Path) -> None:
    out, log = tmp_path / "demo", tmp_path / "printed.log"
    process = start(out, log, "--no-terminal", "--seconds", "0", "--camera-rate", "5")
    wait_for(lambda: f"height {STRANGER}: unknown name" in log.read_text(), process, log)
    interrupted(out, log, process, signal.SIGINT)
    printed = log.read_text()
    assert (
        "No asset pack" in printed
        and "distance gripper" in printed
        and ", true " in printed
        and "pictures/s" in printed
    )
    assert "\x1b" not in printed
    assert (out / "annotated.png").exists()


def test_without_a_scene_it_says_why(tmp_path: Path) -> None:
    out, log = tmp_path / "demo", tmp_path / "printed.log"
    process = start(out, log, "--headless", "--seed", "-5")
    assert process.wait(200) == 1
    last = log.read_text().strip().splitlines()[-1]
    assert last.startswith("spatialvlm: robot has ended by itself") and "seed" in last
    assert left_behind(out) == [] and json.dumps(str(out))[1:-1] in last
