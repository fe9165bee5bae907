"""Rewards for a recording through the node: what becomes of a goal that is cancelled, refused, or one too many."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from node_probe import HANG_S, NodeProbe, Services, wait_until

pytest.importorskip("torch")
sys.path.append(str(Path(__file__).parents[1] / "models" / "remote"))

from action_msgs.msg import GoalStatus  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from scripted_server import Reply, ScriptedServer, completion  # noqa: E402

from spatialvlm_ros.action import AnnotateBag  # noqa: E402
from spatialvlm_ros.bags.reader import open_bag  # noqa: E402

CHILD_S = 120.0  # to start, with torch


def done(future: Any, what: str, seconds: float = HANG_S) -> Any:
    wait_until(future.done, what, seconds)
    return future.result()


@pytest.fixture
def client(spawn: Callable[..., Any], node: Any, mute_server: Any) -> Iterator[Any]:
    """Of a node whose model never answers: what looks at a recording with it goes on until it is ended."""
    spawn("spatialvlm_ros.ros.node_main", "-p", f"model:={mute_server.model}", "-p", "reward_gamma:=0.9")
    NodeProbe(node).wait_until_active()
    made = ActionClient(node, AnnotateBag, "/spatialvlm/annotate_bag")
    assert made.wait_for_server(HANG_S)
    yield made
    made.destroy()


def test_a_cancelled_goal_ends_its_process_and_makes_room_for_the_next(
    client: Any, mute_server: Any, small_bag: Any, tmp_path: Path
) -> None:
    goal = AnnotateBag.Goal(bag=str(small_bag.path), out=str(tmp_path / "out"), task="pick up the apple")
    handle = done(client.send_goal_async(goal), "the goal to be accepted")
    assert handle.accepted and mute_server.asked.wait(CHILD_S)
    second = done(client.send_goal_async(goal), "the second goal to be accepted")
    refused = done(second.get_result_async(), "the refusal of a second goal")
    assert refused.status == GoalStatus.STATUS_ABORTED and "already" in refused.result.message
    assert done(handle.cancel_goal_async(), "an answer about the cancelling").goals_canceling
    ended = done(handle.get_result_async(), "the end of the goal")
    assert ended.status == GoalStatus.STATUS_CANCELED and not ended.result.success
    assert "goes on where it was stopped" in ended.result.message
    assert mute_server.left.wait(HANG_S), "the child is gone"
    third = done(client.send_goal_async(AnnotateBag.Goal(bag="/nowhere")), "the third goal to be accepted")
    missing = done(third.get_result_async(), "the result of the third goal", CHILD_S)
    assert missing.status == GoalStatus.STATUS_ABORTED and "nowhere" in missing.result.message


@pytest.fixture
def near() -> Iterator[Any]:
    """A server whose model says, after a while, that everything is 20 cm from everything."""
    server = ScriptedServer()
    server.answer = lambda request: Reply(completion(*["0.2 m"] * int(request.body.get("n") or 1)), delay_s=0.05)
    yield server
    server.close()


def nice_of_children(parent: int) -> list[int]:
    """Priorities of the processes that annotate for another one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            numbers = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(numbers[1]) == parent and b"bag_annotation" in (folder / "cmdline").read_bytes():
                found.append(int(numbers[16]))
        except OSError:  # it has ended meanwhile
            continue
    return found


def test_a_recording_gets_its_rewards_by_the_parameters_of_the_node(
    spawn: Callable[..., Any], node: Any, near: Any, small_bag: Any, tmp_path: Path
) -> None:
    parameters = {"model": f"openai:{near.url}#near", "reward_gamma": 0.9, "reward_step_s": 0.2, "filter": False}
    parameters["depth_transport"] = "compressedDepth"
    remap = ("-r", "/image:=/camera/image_raw", "-r", "/imu:=/robot/imu")
    remap += ("-r", "/depth/compressedDepth:=/robot/range/compressedDepth")
    options = [
        part for name, value in parameters.items() for part in ("-p", f"{name}:={value}".replace("False", "false"))
    ]
    process = spawn("spatialvlm_ros.ros.node_main", *options, *remap)
    NodeProbe(node).wait_until_active()
    client = ActionClient(node, AnnotateBag, "/spatialvlm/annotate_bag")
    assert client.wait_for_server(HANG_S)
    goal, told, nice = (
        AnnotateBag.Goal(bag=str(small_bag.path), out=str(tmp_path / "out"), task="reach the apple"),
        [],
        [],
    )

    def heard(message: Any) -> None:
        told.append(message.feedback)
        nice.extend(nice_of_children(process.popen.pid))

    handle = done(client.send_goal_async(goal, feedback_callback=heard), "the goal to be accepted")
    wait_until(lambda: nice.extend(nice_of_children(process.popen.pid)) or nice and max(nice) > 0, "a child", CHILD_S)
    ended = done(handle.get_result_async(), "the end of the goal", CHILD_S)
    client.destroy()
    assert ended.status == GoalStatus.STATUS_SUCCEEDED and ended.result.success, ended.result.message
    assert (ended.result.frames, ended.result.valid_frames) == (18, 9)  # 10 Hz, and a control step is 0.2 s
    assert ended.result.out == str(tmp_path / "out") and ended.result.out in ended.result.message
    assert told and [m.progress for m in told] == sorted(m.progress for m in told)
    assert all(m.frames_total == 18 and 0 <= m.frames_done <= 18 for m in told)
    assert max(nice) - os.getpriority(os.PRIO_PROCESS, process.popen.pid) == 10
    settings = json.loads((tmp_path / "out_report/run.json").read_text())
    assert (settings["step_s"], settings["filtered"], settings["camera"]) == (0.2, False, "/camera/image_raw")
    assert settings["topics"] == {
        "image": "/camera/image_raw",
        "camera_info": "/camera_info",
        "depth": "/robot/range/compressedDepth",
        "depth_camera_info": "/depth_camera_info",
        "imu": "/robot/imu",
    }
    assert len(list(open_bag(tmp_path / "out").messages(["/spatialvlm/reward"]))) == 9


def test_a_node_that_is_shut_down_ends_the_process(
    client: Any, node: Any, mute_server: Any, small_bag: Any, tmp_path: Path
) -> None:
    goal = AnnotateBag.Goal(bag=str(small_bag.path), out=str(tmp_path / "out"), task="pick up the apple")
    handle = done(client.send_goal_async(goal), "the goal to be accepted")
    assert mute_server.asked.wait(CHILD_S)
    request = ChangeState.Request()
    request.transition.id = Transition.TRANSITION_ACTIVE_SHUTDOWN
    assert Services(node).call(ChangeState, "/spatialvlm/change_state", request).success
    ended = done(handle.get_result_async(), "the end of the goal")
    assert ended.status == GoalStatus.STATUS_ABORTED and "The node ends" in ended.result.message
    assert mute_server.left.wait(HANG_S), "the child is gone"
