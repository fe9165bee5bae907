"""Rewards for a recording through the node: what becomes of a goal that is cancelled, refused, or one too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from node_probe import HANG_S, NodeProbe, Services, wait_until

pytest.importorskip("torch")

from action_msgs.msg import GoalStatus  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402

from spatialvlm_ros.action import AnnotateBag  # noqa: E402

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
