"""The command of the launch file, run as it is: parameters, namespace and topics arrive in the real node."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.ros.launch_arguments import NODE_ARGUMENTS, camera_remaps, vlm_node

SHARE = Path(__file__).resolve().parents[2]


def test_the_shipped_parameter_file_is_read_with_its_types(ros_domain: int) -> None:
    import rclpy

    from spatialvlm_ros.ros.declaring import declare, read
    from spatialvlm_ros.ros.parameters import Settings

    file = str(SHARE / "config/ros/spatialvlm.yaml")
    rclpy.init(domain_id=ros_domain)
    node = rclpy.create_node("spatialvlm", cli_args=["--ros-args", "--params-file", file, "-p", "max_age_s:=3.5"])
    try:
        declare(node)
        assert read(node) == Settings(max_age_s=3.5)
    finally:
        node.destroy_node()
        rclpy.shutdown()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("deadline_s:=2", ("deadline_s", "got 2)", "2.0")),
        ("max_age_s:=-1.0", ("max_age_s", "0.01 to 60", "got -1.0)")),
        ("max_age_s:=-1", ("max_age_s", "0.01 to 60", "got -1.0)")),
        ("rectified:=true", ("rectified", "str", "got True)")),
        ("use_tf:=1", ("use_tf", "bool", "got 1)")),
    ],
)
def test_a_value_that_may_not_be_is_refused_by_name_at_the_start(
    given: str, words: tuple[str, ...], ros_domain: int
) -> None:
    import rclpy

    from spatialvlm_ros.ros.declaring import declare

    rclpy.init(domain_id=ros_domain)
    node = rclpy.create_node("spatialvlm", cli_args=["--ros-args", "-p", given])
    try:
        with pytest.raises(ConfigError) as refused:
            declare(node)
        assert all(word in str(refused.value) for word in words), refused.value
    finally:
        node.destroy_node()
        rclpy.shutdown()


def test_the_node_ends_with_that_sentence(spawn: Callable[..., Any], wait_until: Callable[..., None]) -> None:
    process = spawn("spatialvlm_ros.ros.node_main", "-p", "deadline_s:=2")
    wait_until(lambda: process.popen.poll() is not None, 60.0, "the end of the node")
    assert process.stop() == 1
    assert "spatialvlm_node: the parameter deadline_s is a double (got 2). With a point: 2.0." in process.output
    assert "Traceback" not in process.output


def test_the_command_starts_the_node_at_the_camera(
    spawn: Callable[..., Any], node: Any, wait_until: Callable[..., None], tmp_path: Path
) -> None:
    from rcl_interfaces.srv import GetParameters

    parameters = tmp_path / "mine.yaml"
    mine = {"model": "elsewhere", "slop_s": 0.5, "queries": ["height: mug"]}
    parameters.write_text(json.dumps({"/robot/spatialvlm": {"ros__parameters": mine}}), encoding="utf-8")
    values = {a.name: a.default or "" for a in NODE_ARGUMENTS}
    values |= {"params_file": str(parameters), "namespace": "robot", "model": "embedded", "image_topic": "/eye/image"}
    _, first, *ros_arguments = vlm_node(values, SHARE).command("spatialvlm_node")
    assert first == "--ros-args"
    process = spawn("spatialvlm_node", *ros_arguments)

    client = node.create_client(GetParameters, "/robot/spatialvlm/get_parameters")
    assert client.wait_for_service(30.0), process.output
    wanted = {"model": "embedded", "slop_s": 0.5, "queries": ["height: mug"], "device": "auto"}
    future = client.call_async(GetParameters.Request(names=list(wanted)))
    wait_until(future.done, what="an answer about parameters")
    model, slop, queries, device = future.result().values
    assert (model.string_value, slop.double_value) == ("embedded", 0.5)
    assert (list(queries.string_array_value), device.string_value) == (["height: mug"], "auto")

    topics = camera_remaps(values)
    heard = [topics[name] for name in ("image", "camera_info", "depth", "depth_camera_info")]
    assert heard[0] == "/eye/image"
    wait_until(lambda: all(node.count_subscribers(t) == 1 for t in heard), 60.0, f"subscriptions to {heard}")
    assert node.count_publishers("/robot/spatialvlm/distances") == 1


@pytest.mark.skipif(importlib.util.find_spec("launch_ros") is None, reason="launch_ros is not installed")
@pytest.mark.parametrize("file", ["spatialvlm", "sim_demo"])
def test_launch_itself_runs_the_same_commands(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from launch.actions import EmitEvent, IncludeLaunchDescription, RegisterEventHandler, TimerAction
    from launch.event_handlers import OnProcessStart
    from launch.events import Shutdown
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    from launch import LaunchDescription, LaunchService
    from spatialvlm_ros.ros.launch_arguments import SIM_DEMO_ARGUMENTS, sim_demo_nodes

    # A prefix of our own, in which the executables do nothing: only their commands are of interest.
    (tmp_path / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (tmp_path / "share/ament_index/resource_index/packages/spatialvlm_ros").touch()
    programs = tmp_path / "lib/spatialvlm_ros"
    programs.mkdir(parents=True)
    for name in ("spatialvlm_node", "spatialvlm_sim", "spatialvlm_planner"):
        (programs / name).write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    given = {"namespace": "robot", "model": "embedded", "use_sim_time": "true"}
    table, nodes_of = {
        "spatialvlm": (NODE_ARGUMENTS, lambda v, share: [vlm_node(v, share)]),
        "sim_demo": (SIM_DEMO_ARGUMENTS, sim_demo_nodes),
    }[file]
    values = {**{a.name: a.default or "" for a in table}, **given}
    expected = [node.command(str(programs / node.executable)) for node in nodes_of(values, SHARE)]

    seen: list[list[str]] = []

    def started(event: Any, _: Any) -> None:
        seen.append(list(event.cmd))

    source = PythonLaunchDescriptionSource(str(SHARE / f"launch/{file}.launch.py"))
    service = LaunchService(noninteractive=True)
    service.include_launch_description(
        LaunchDescription(
            [
                RegisterEventHandler(OnProcessStart(on_start=started)),
                IncludeLaunchDescription(source, launch_arguments=given.items()),
                TimerAction(period=3.0, actions=[EmitEvent(event=Shutdown())]),
            ]
        )
    )
    assert service.run() == 0
    assert sorted(seen) == sorted(expected)
