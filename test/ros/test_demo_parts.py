"""The parts of the demo that need no ROS: recording, processes, what is asked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags")

from spatialvlm_ros.bags import messages  # noqa: E402
from spatialvlm_ros.bags.images import image_fields  # noqa: E402
from spatialvlm_ros.bags.own_messages import full_typestore  # noqa: E402
from spatialvlm_ros.bags.reader import open_bag  # noqa: E402
from spatialvlm_ros.errors import RemoteError  # noqa: E402
from spatialvlm_ros.models.question_reading import read_question  # noqa: E402
from spatialvlm_ros.reasoning.planner.planner import read_plan  # noqa: E402
from spatialvlm_ros.rewards.templates import task_of  # noqa: E402
from spatialvlm_ros.ros.demo import processes as demo_processes  # noqa: E402
from spatialvlm_ros.ros.demo.opening import Opening  # noqa: E402
from spatialvlm_ros.ros.demo.processes import MODULES, Processes, command_of  # noqa: E402
from spatialvlm_ros.ros.demo.recorder import Recorder, header_stamp_ns  # noqa: E402
from spatialvlm_ros.ros.demo.story import STRANGER, queries_for, questions_for, thoughts_for  # noqa: E402
from spatialvlm_ros.ros.demo.topics import COLOUR, SERVER  # noqa: E402
from spatialvlm_ros.ros.launch_arguments import SIM_DEMO_ARGUMENTS, sim_demo_nodes  # noqa: E402
from spatialvlm_ros.ros.query_text import read_query  # noqa: E402
from spatialvlm_ros.ros.target_text import target_of  # noqa: E402
from spatialvlm_ros.scenes.relations import RELATIONS, Relation  # noqa: E402

SHARE = Path(__file__).resolve().parents[2]
LABELS = ("medicine bottle", "apple", "stapler")
# Says that it is ready, and how it was told to end.
POLITE = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("bye")
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def image(stamp_ns: int) -> bytes:
    fields = image_fields(np.zeros((4, 6, 3), np.uint8), "rgb8")
    message = messages.make(messages.IMAGE, header=messages.header(stamp_ns, "camera"), **fields)
    return bytes(full_typestore().serialize_cdr(message, messages.IMAGE))


def text(said: str) -> bytes:
    store = full_typestore()
    return bytes(store.serialize_cdr(store.types["std_msgs/msg/String"](data=said), "std_msgs/msg/String"))


# ---- the recording ----


def test_pictures_are_thinned_by_their_stamps_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "demo.mcap"
    path.write_bytes(b"an old one")
    recorder = Recorder(path, pictures_hz=2.0)
    start = 1_700_000_000_250_000_000
    for number in range(20):  # 10 a second; depth arrives later than colour
        stamp = start + number * 100_000_000
        assert header_stamp_ns(image(stamp)) == stamp
        recorder.take("/color", messages.IMAGE, image(stamp), 2 * number)
        recorder.take("/depth", messages.IMAGE, image(stamp), 2 * number + 1)
        recorder.take("/said", "std_msgs/msg/String", text(f"{number}"), 2 * number)
    assert path.read_bytes() == b"an old one"  # until the new one is whole
    recorder.close()
    recorder.close()
    recorder.take("/said", "std_msgs/msg/String", text("too late"), 99)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demo.mcap"]
    bag = open_bag(path)
    found = list(bag.messages(bag.topics))
    stamps = {
        topic: [messages.stamp_ns(m.message) for m in found if m.topic == topic] for topic in ("/color", "/depth")
    }
    assert stamps["/color"] == stamps["/depth"] and len(stamps["/color"]) == 5  # 2.25 s, half a second each
    assert stamps["/color"][0] == start and min(np.diff(stamps["/color"])) >= 300_000_000
    assert [m.message.data for m in found if m.topic == "/said"] == [str(n) for n in range(20)]
    assert recorder.messages == len(found) == 30 and recorder.left_out == 30


def test_the_first_seconds_are_a_whole_recording_while_the_rest_goes_on(tmp_path: Path) -> None:
    opening = Opening(tmp_path / "first_seconds.mcap", seconds=2.0)
    start = 1_700_000_000_000_000_000
    opening.take("/tf_static", "std_msgs/msg/String", text("before the first picture"), start - 10**10, latched=True)
    for number in range(10):
        assert not opening.whole and not opening.path.exists()
        now = start + number * 250_000_000
        opening.take(COLOUR, messages.IMAGE, image(now), now)
        opening.take(f"{SERVER}/reward", "std_msgs/msg/String", text("of the node"), now)
    assert opening.whole  # more than two seconds have passed
    opening.take(COLOUR, messages.IMAGE, image(start + 10**10), start + 10**10)
    opening.close()
    bag = open_bag(opening.path)
    assert sorted(bag.topics) == sorted(["/tf_static", COLOUR])
    assert len([m for m in bag.messages([COLOUR])]) == 5  # two a second


def test_all_pictures_are_kept_where_that_is_wanted(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "demo.mcap", pictures_hz=0)
    for number in range(4):
        recorder.take("/color", messages.IMAGE, image(number), number)
    recorder.close()
    assert (recorder.messages, recorder.left_out) == (4, 0)


# ---- processes ----


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path / "logs", {})


def wait_for(condition: object) -> None:
    end = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_processes_are_interrupted_and_killed_only_if_they_do_not_end(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_processes, "PATIENCE_S", 3.0)
    processes.start("polite", [sys.executable, "-c", POLITE])
    processes.start("stubborn", [sys.executable, "-c", STUBBORN])
    wait_for(lambda: all("ready" in processes.log_of(name) for name in ("polite", "stubborn")))
    assert processes.states() == {"polite": "running", "stubborn": "running"}
    processes.check()
    assert processes.end() == {"polite": 0, "stubborn": -9}
    assert "bye" in processes.log_of("polite")
    assert processes.end() == {"polite": 0, "stubborn": -9}  # again: nothing left to do


def test_one_that_ends_by_itself_is_named_with_what_it_said(processes: Processes) -> None:
    processes.start("robot", [sys.executable, "-c", "print('no such scene'); raise SystemExit(3)"])
    wait_for(lambda: processes.states() == {"robot": "ended (3)"})
    with pytest.raises(RemoteError, match="robot has ended by itself: no such scene"):
        processes.check()


def test_the_commands_are_those_of_the_launch_file_by_this_python() -> None:
    values = {a.name: a.default or "" for a in SIM_DEMO_ARGUMENTS}
    nodes = sim_demo_nodes(values, SHARE)
    assert {node.executable for node in nodes} == set(MODULES)
    for node in nodes:
        command = command_of(node)
        assert command[:3] == [sys.executable, "-m", MODULES[node.executable]]
        assert command[3:] == node.command("anything")[1:] and command[3] == "--ros-args"
        script = (SHARE / "scripts" / node.executable).read_text(encoding="utf-8")
        assert MODULES[node.executable] in script  # the executable runs the same module


# ---- what is asked ----


@pytest.mark.parametrize("target", LABELS)
def test_the_standing_queries_are_about_the_target_and_show_every_kind(target: str) -> None:
    queries = [read_query(line) for line in queries_for(LABELS, target)]
    assert (queries[0].kind, queries[0].subject, queries[0].reference) == (Relation.DISTANCE, "gripper", target)
    assert len(set(queries)) == len(queries) == 6  # that many fit into a terminal of 24 lines
    kinds = [RELATIONS[q.kind] for q in queries]
    assert any(k.predicate for k in kinds) and any(k.signed and not k.predicate for k in kinds)
    assert STRANGER in {q.subject for q in queries}
    assert all(q.subject != q.reference for q in queries)
    assert target_of(f"go to the {target}") == target


def test_the_questions_in_words_are_understood() -> None:
    kinds = {read_question(question).kind for question in questions_for(LABELS, "apple")}  # type: ignore[union-attr]
    assert kinds == {Relation.DISTANCE, Relation.HEIGHT}


@pytest.mark.parametrize("target", LABELS)
def test_the_planner_can_lead_the_chains_of_thought(target: str) -> None:
    questions = thoughts_for(LABELS, target)
    assert len(set(questions)) == 2 and all(target in q and read_plan(q) is not None for q in questions)
    assert task_of(f"reach the {target}").objects


# ---- where there is no ROS ----


def test_without_ros_one_line_says_what_to_do(tmp_path: Path) -> None:
    hidden = tmp_path / "rclpy"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError('hidden')", encoding="utf-8")
    command = [sys.executable, "-m", "spatialvlm_ros.cli.main", "demo", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{SHARE}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("spatialvlm: the demo needs ROS 2") and "make demo" in line
