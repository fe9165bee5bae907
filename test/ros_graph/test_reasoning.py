"""The action ``reason`` of the real node over the picture of docs/reasoning.md, led by planner and language model."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from ros_processes import GraphProcess  # noqa: E402

from spatialvlm_ros.geometry.cameras import Camera  # noqa: E402
from spatialvlm_ros.models.estimate import Reason  # noqa: E402

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = (ROOT / "docs/reasoning.md").read_text(encoding="utf-8")
QUESTION = "Which is taller, the jug or the tray?"


@pytest.fixture
def picture_node(spawn: Callable[..., GraphProcess], tmp_path: Path) -> GraphProcess:
    """The node, with a camera that shows the picture of the page."""
    rgb = np.asarray(Image.open(ROOT / "docs/images/reasoning.jpg"))
    height, width = rgb.shape[:2]
    camera = Camera.from_hfov(width, height, np.radians(55.4))
    clip = tmp_path / "clip.npz"
    np.savez(clip, rgb=rgb[None], depth=np.zeros((1, height, width), np.uint16), k=camera.K)
    spawn(HERE / "camera_process.py", "-p", f"clip:={clip}", "-p", "depth:=none", "-p", "rate_hz:=5.0")
    started = spawn("spatialvlm_node", "-p", "queries:=['height: jug']")
    started.wait_for_output("active with the model", 180)
    return started


@pytest.fixture
def server() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "test/models/remote"))
    from scripted_server import ScriptedServer

    made = ScriptedServer()
    yield made
    made.close()


def set_llm(node: Any, value: str, wait_until: Callable[..., None], calls_tools: bool = False) -> None:
    client = node.create_client(SetParameters, "/spatialvlm/set_parameters")
    assert client.wait_for_service(20)
    values = {"llm": value, "llm_calls_tools": calls_tools}
    request = SetParameters.Request(parameters=[Parameter(k, value=v).to_parameter_msg() for k, v in values.items()])
    future = client.call_async(request)
    wait_until(future.done, 20, "setting llm")
    assert all(result.successful for result in future.result().results), future.result().results
    node.destroy_client(client)


def test_the_python_of_the_page_runs(picture_node: GraphProcess, capsys: pytest.CaptureFixture[str]) -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.S) if "SpatialClient" in block)
    found: dict[str, Any] = {}
    exec(compile(code, "docs/reasoning.md", "exec"), found)
    shown = capsys.readouterr().out.splitlines()
    assert found["solution"].valid, (shown, found["solution"])
    assert [line.split()[0] for line in shown[:-1]] == [
        "think",
        "locate",
        "measure",
        "calculate",
        "calculate",
        "answer",
    ]
    solution = found["solution"]
    assert solution.valid and shown[-1] == solution.text and "the jug" in solution.text.lower()
    assert [e.relation.value for step in solution.steps for e in step.estimates] == ["height", "height"]


def test_what_is_concluded_becomes_the_target(
    picture_node: GraphProcess, node: Any, wait_until: Callable[..., None]
) -> None:
    from geometry_msgs.msg import PoseStamped

    from spatialvlm_ros.ros.client import SpatialClient

    poses: list[Any] = []
    node.create_subscription(PoseStamped, "/spatialvlm/target_pose", poses.append, 10)
    question = "Which of the jug and the yellow bowl is nearest to the tray?"
    with SpatialClient(timeout_s=60) as client:
        unasked = client.reason(question, timeout_s=60)
        assert unasked.valid and unasked.conclusion is not None and unasked.conclusion.object
        assert client.start_reason("How tall is the jug?", 60, set_target=True).target() == ""  # a number is no object
        pictures = client.estimates(timeout_s=60)
        for _ in range(3):
            next(pictures)
        assert poses == []
        goal = client.start_reason(question, 60, set_target=True)
        solution = goal.result()
        end = solution.conclusion
        assert end is not None and end.labels == (end.object,) and end.probability > 0.5 and end.unit == "m"
        assert goal.target() == end.object and end.object in solution.text
        wait_until(lambda: poses, 60, "a pose of the target")
        place = client.locate(end.object, timeout_s=60).position
        found = poses[-1].pose.position
        np.testing.assert_allclose([found.x, found.y, found.z], place, atol=0.3)
        assert client.set_target("") == ""


@pytest.mark.parametrize("camera", [True, False], ids=["the model", "a picture"])
def test_a_goal_is_cancelled_while_it_waits_for(
    spawn: Callable[..., GraphProcess], node: Any, wait_until: Callable[..., None], mute_server: Any, camera: bool
) -> None:
    """A model that sees and never answers, or a picture that never comes."""
    from action_msgs.msg import GoalStatus
    from rclpy.action import ActionClient

    from spatialvlm_ros.action import Reason as Reasoning

    if camera:
        spawn(HERE / "camera_process.py")
    spawn("spatialvlm_node", "-p", f"model:={mute_server.model}").wait_for_output("active with the model", 180)
    client = ActionClient(node, Reasoning, "/spatialvlm/reason")
    assert client.wait_for_server(60)
    sent = client.send_goal_async(Reasoning.Goal(question=QUESTION, deadline_s=300.0))
    wait_until(sent.done, 60, "the goal to be accepted")
    handle = sent.result()
    result = handle.get_result_async()
    if camera:
        wait_until(mute_server.asked.is_set, 60, "the model to be asked")
    assert not result.done()
    handle.cancel_goal_async()
    wait_until(result.done, 60, "the cancelled goal to end")
    found = result.result()
    assert found.status == GoalStatus.STATUS_CANCELED and found.result.answer.detail.startswith("Cancelled before")
    assert found.result.answer.reason == str(Reason.TIMEOUT)
    client.destroy()


def test_a_language_model_thinks_and_is_left_when_the_goal_is_cancelled(
    picture_node: GraphProcess, node: Any, server: Any, wait_until: Callable[..., None]
) -> None:
    from scripted_server import Reply, completion

    from spatialvlm_ros.ros.client import SpatialClient

    said = ("MEASURE: height | jug", "MEASURE: height | tray", "CALCULATE: m1 > m2", "ANSWER: The jug is taller.")
    server.script = [Reply(completion(text)) for text in said]
    set_llm(node, f"openai:{server.url}#tiny", wait_until)
    with SpatialClient(timeout_s=60) as client:
        solution = client.reason(QUESTION, timeout_s=60)
        assert solution.valid and solution.text == "The jug is taller.", solution.detail
        assert [s.kind.value for s in solution.steps] == ["measure", "measure", "calculate", "answer"]
        assert "true" in solution.steps[2].tool_output
        assert all("image_url" not in str(r.body) for r in server.requests)

        asked, silent = threading.Event(), threading.Event()

        def never(request: Any) -> Reply:
            asked.set()
            silent.wait(60)
            return Reply(completion("ANSWER: too late"))

        server.answer = never
        goal = client.start_reason(QUESTION, timeout_s=60)
        assert asked.wait(30)
        goal.cancel()
        cancelled = goal.result()
        assert not cancelled.valid and cancelled.reason is Reason.TIMEOUT
        assert client.measure("jug", relation="height").valid  # the node serves others meanwhile
        silent.set()


def test_a_language_model_that_calls_tools(
    picture_node: GraphProcess, node: Any, server: Any, wait_until: Callable[..., None]
) -> None:
    from scripted_server import Reply, completion

    from spatialvlm_ros.ros.client import SpatialClient

    called = completion(None)
    arguments = json.dumps({"relation": "height", "subject": "jug"})
    call = {"id": "one", "type": "function", "function": {"name": "measure", "arguments": arguments}}
    called["choices"][0]["message"]["tool_calls"] = [call]
    server.script = [Reply(called), Reply(completion("It is taller than nothing."))]
    spec = f"openai:{server.url}#tiny"
    set_llm(node, spec, wait_until, calls_tools=True)
    with SpatialClient(timeout_s=60) as client:
        solution = client.reason("How tall is the jug?", timeout_s=60)
        assert solution.valid and solution.text == "It is taller than nothing.", solution.detail
        assert [s.kind.value for s in solution.steps] == ["measure", "answer"]
        offered = {tool["function"]["name"] for tool in server.requests[0].body["tools"]}
        assert offered == {"measure", "locate", "ask", "calculate"}
        # The same model in plain lines: the parameter is live.
        asked = len(server.requests)
        server.script = [Reply(completion("MEASURE: height | jug")), Reply(completion("ANSWER: It is there."))]
        set_llm(node, spec, wait_until, calls_tools=False)
        assert client.reason("How tall is the jug?", timeout_s=60).text == "It is there."
        assert all("tools" not in request.body for request in server.requests[asked:])
