"""Rewards for a recording in a process of its own: progress, the result, and why there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("torch", "transformers", "rosbags"):
    pytest.importorskip(package)

sys.path.append(str(Path(__file__).parents[1] / "models" / "remote"))

from scripted_server import Reply, ScriptedServer, completion  # noqa: E402

from spatialvlm_ros.bags.reader import open_bag  # noqa: E402
from spatialvlm_ros.bags.writer import BagWriter  # noqa: E402
from spatialvlm_ros.geometry.cameras import Camera  # noqa: E402
from spatialvlm_ros.ros.bag_annotation import AnnotationError, AnnotationOrder, annotate_in_a_process  # noqa: E402
from spatialvlm_ros.ros.parameters import Settings  # noqa: E402

HANG_S = 120.0


def order(bag: Path, **changes: object) -> AnnotationOrder:
    values = {"out": "", "task": "pick up the apple", "gamma": 0.9, "mode": "potential", "model": "embedded"}
    return AnnotationOrder(bag=str(bag), **{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def near() -> Iterator[ScriptedServer]:
    """A server whose model says that everything is 20 cm from everything."""
    server = ScriptedServer()
    server.answer = lambda request: Reply(completion(*["0.2 m"] * int(request.body.get("n") or 1)))
    yield server
    server.close()


@pytest.fixture
def annotated_near(small_bag: Any, tmp_path: Path, near: ScriptedServer) -> Callable[..., Any]:
    """Annotates with that model, with changes of the order; the result."""

    def annotated(**changes: object) -> Any:
        served = {"model": f"openai:{near.url}#near", "task": "reach the apple", "out": str(tmp_path / "out")}
        return annotate_in_a_process(order(small_bag.path, **{**served, **changes}), lambda *_: None, lambda: False)

    return annotated


def test_a_recording_gets_its_rewards_in_a_copy(small_bag: Any, tmp_path: Path, near: ScriptedServer) -> None:
    told: list[tuple[int, int]] = []
    wanted = order(small_bag.path, out=str(tmp_path / "out"), model=f"openai:{near.url}#near", task="reach the apple")
    result = annotate_in_a_process(wanted, lambda *p: told.append(p), lambda: False)
    assert result is not None and result.frames == result.valid == small_bag.pictures and not result.problems
    assert told and all(total == small_bag.pictures for _, total in told) and told == sorted(told)
    recorded = open_bag(result.out)
    assert recorded.topics["/camera/image_raw"] and recorded.topics["/spatialvlm/reward"] == "spatialvlm_ros/msg/Reward"
    rewards = [item.message for item in recorded.messages(["/spatialvlm/reward"])]
    assert len(rewards) == small_bag.pictures and all(m.valid and 0 < m.potential < 1 for m in rewards)
    assert all(m.reward == pytest.approx((0.9 - 1) * m.potential, abs=1e-6) for m in rewards[1:])  # nothing moves


def test_a_recording_without_one_valid_reward_is_told_of(small_bag: Any, tmp_path: Path) -> None:
    """Noise shows neither an apple nor a gripper."""
    result = annotate_in_a_process(order(small_bag.path, out=str(tmp_path / "out")), lambda *_: None, lambda: False)
    assert result is not None and result.valid == 0 and "not one picture with a valid reward" in result.problems


def test_a_server_that_fails_for_a_while_costs_nothing(small_bag: Any, tmp_path: Path, near: ScriptedServer) -> None:
    answer, model = near.answer, f"openai:{near.url}#near"
    wanted = order(small_bag.path, out=str(tmp_path / "out"), model=model, task="reach the apple")
    near.answer = lambda request: answer(request) if len(near.requests) < 9 else Reply(b"no such model", 404)
    with pytest.raises(AnnotationError, match="do the same again to go on"):
        annotate_in_a_process(wanted, lambda *_: None, lambda: False)
    near.answer = answer
    result = annotate_in_a_process(wanted, lambda *_: None, lambda: False)
    assert result is not None and result.valid == small_bag.pictures


def test_another_model_does_not_go_on(small_bag: Any, tmp_path: Path, near: ScriptedServer) -> None:
    def run(model: str) -> None:
        wanted = order(small_bag.path, out=str(tmp_path / "out"), model=model, task="reach the apple")
        annotate_in_a_process(wanted, lambda *_: None, lambda: False)

    run(f"openai:{near.url}#near")
    with pytest.raises(AnnotationError, match="other settings: model"):
        run(f"openai:{near.url}#other")


def test_a_gripper_frame_that_the_recording_does_not_have_is_refused_as_live(
    small_bag: Any, annotated_near: Callable[..., Any]
) -> None:
    """The parameters of a node stand for all recordings: this one has no frames at all, and a model that is sure."""
    result = annotated_near(gripper_frame="tool0")
    assert result is not None and result.frames == small_bag.pictures and result.valid == 0
    assert "gripper_frame 'tool0' is not used" in result.problems and "no_frame" in result.problems
    rewards = [item.message for item in open_bag(result.out).messages(["/spatialvlm/reward"])]
    assert {m.reason for m in rewards} == {"no_frame"} and all("tool0" in m.detail for m in rewards)


def test_a_support_frame_that_the_recording_does_not_have_is_told_of(
    small_bag: Any, annotated_near: Callable[..., Any]
) -> None:
    """Live, too, the model estimates the plane then, and nothing is refused."""
    result = annotated_near(support_frame="table")
    assert result is not None and result.valid == small_bag.pictures
    assert "support_frame 'table' is not used" in result.problems


def test_a_run_goes_on_only_with_what_the_node_believes(annotated_near: Callable[..., Any]) -> None:
    for _ in range(2):
        assert annotated_near() is not None
    for name, value in {"use_depth": False, "slop_s": 0.5, "use_imu": True, "level_frames": ("hall",)}.items():
        with pytest.raises(AnnotationError, match=f"other settings: {name}"):
            annotated_near(**{name: value})


def test_an_order_says_what_the_parameters_say() -> None:
    parameters = {
        **{"use_depth": False, "use_tf": False, "use_imu": True, "level_frames": ("hall",), "slop_s": 0.5},
        **{"rectified": "true", "gripper_frame": "tool0", "support_frame": "table", "device": "cpu"},
    }
    usual = AnnotationOrder.of("bag", "", "", Settings(reward_gamma=0.9))
    made = AnnotationOrder.of("bag", "", "", Settings.of({"reward_gamma": 0.9, **parameters}))
    for name, value in parameters.items():
        assert getattr(usual, name) == getattr(Settings(), name) != value and getattr(made, name) == value
    # Who makes an order without a node gets what a node does by default.
    assert order(Path("bag"), task="", mode=Settings().reward_mode, filtered=True) == usual


def test_the_topics_of_the_node_are_read(tmp_path: Path, near: ScriptedServer) -> None:
    """Not those that have likelier names: here only the node's camera fits the picture."""
    path, stamp = tmp_path / "bag", 1_700_000_000_000_000_000
    camera, other = (Camera(width, 3 * width // 4, 60.0, 60.0, 31.5, 23.5) for width in (64, 640))
    with BagWriter(path) as bag:
        bag.image("/eye", np.zeros((48, 64, 3), np.uint8), "rgb8", stamp, "camera")
        bag.camera_info("/calibration", camera, stamp, "camera")
        bag.camera_info("/camera_info", other, stamp, "camera")
        bag.image("/range", np.full((48, 64), 700, np.uint16), "16UC1", stamp, "camera")
        bag.image("/depth", np.full((480, 640), 700, np.uint16), "16UC1", stamp, "camera")
    served = {"model": f"openai:{near.url}#near", "task": "reach the apple"}
    topics = {"image": "/eye", "camera_info": "/calibration", "depth_camera_info": "/nobody", "imu": "/imu"}
    for depth, problems in (("/range", ""), ("/depth", "1 x depth not registered")):
        wanted = order(path, **served, out=str(tmp_path / depth[1:]), topics={**topics, "depth": depth})
        result = annotate_in_a_process(wanted, lambda *_: None, lambda: False)
        assert result is not None and result.frames == result.valid == 1
        assert problems in result.problems and bool(problems) == bool(result.problems)


def test_why_there_is_none_is_said(small_bag: Any, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="nowhere"):
        annotate_in_a_process(order(tmp_path / "nowhere"), lambda *_: None, lambda: False)
    with pytest.raises(AnnotationError, match="sing"):
        annotate_in_a_process(order(small_bag.path, task="sing a song"), lambda *_: None, lambda: False)


def test_it_can_be_cancelled(small_bag: Any, tmp_path: Path) -> None:
    done = annotate_in_a_process(order(small_bag.path, out=str(tmp_path / "half")), lambda *_: None, lambda: True)
    assert done is None and not (tmp_path / "half").exists()


def test_it_can_be_cancelled_while_nothing_comes(small_bag: Any, tmp_path: Path, mute_server: Any) -> None:
    waiting = order(small_bag.path, out=str(tmp_path / "half"), model=mute_server.model)
    assert annotate_in_a_process(waiting, lambda *_: None, mute_server.asked.is_set) is None
    assert mute_server.left.wait(HANG_S), "the child is gone"


def test_it_ends_with_the_process_that_started_it(small_bag: Any, tmp_path: Path, mute_server: Any) -> None:
    waiting = asdict(order(small_bag.path, out=str(tmp_path / "half"), model=mute_server.model))
    node = "import json, sys; from spatialvlm_ros.ros import bag_annotation as b; b.annotate_in_a_process("
    node += "b.AnnotationOrder(**json.loads(sys.argv[1])), print, lambda: False)"
    with subprocess.Popen([sys.executable, "-c", node, json.dumps(waiting)]) as process:
        assert mute_server.asked.wait(HANG_S)
        process.kill()  # it can tell nobody
    assert mute_server.left.wait(HANG_S), "the child is gone"
