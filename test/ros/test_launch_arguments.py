"""The commands that the launch files run: every argument matters, and every input of a camera gets its topic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.ros.launch_arguments import (
    GAZEBO_ARGUMENTS,
    NODE_ARGUMENTS,
    REWARD_BAG_ARGUMENTS,
    SIM_DEMO_ARGUMENTS,
    LaunchArgument,
    NodeProcess,
    camera_remaps,
    gazebo_arguments,
    gazebo_nodes,
    play_command,
    reward_node,
    sim_demo_nodes,
    vlm_node,
)
from spatialvlm_ros.ros.parameters import PARAMETERS, Settings
from spatialvlm_ros.ros.sim_settings import SIM_INTERFACES
from spatialvlm_ros.ros.standing import Standing
from spatialvlm_ros.ros.topics import INTERFACES, Kind

SHARE = Path(__file__).resolve().parents[2]
Commands = list[list[str]]


def _nodes(nodes: list[NodeProcess]) -> Commands:
    return [node.command(f"/lib/{node.executable}") for node in nodes]


# What each launch file runs, with the arguments that it needs.
FILES: dict[str, tuple[tuple[LaunchArgument, ...], Callable[[dict[str, str], Path], Commands]]] = {
    "spatialvlm": (NODE_ARGUMENTS, lambda v, share: _nodes([vlm_node(v, share)])),
    "sim_demo": (SIM_DEMO_ARGUMENTS, lambda v, share: _nodes(sim_demo_nodes(v, share))),
    "reward_bag": (REWARD_BAG_ARGUMENTS, lambda v, share: [*_nodes([reward_node(v, share)]), play_command(v)]),
    "gazebo": (GAZEBO_ARGUMENTS, lambda v, share: [*_nodes(gazebo_nodes(v, share)), [gazebo_arguments(v, share)]]),
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Values for arguments that name files, which must be there."""
    paths = {
        name: tmp_path / name
        for name in ("bag", "params_file", "sim_params_file", "planner_params_file", "world", "bridge_file")
    }
    for path in paths.values():
        path.write_text("", encoding="utf-8")
    return {name: str(path) for name, path in paths.items()}


def values_of(table: tuple[LaunchArgument, ...], files: dict[str, str], **given: str) -> dict[str, str]:
    """As `launch` gives them; those about Gazebo's files, which need not be here, are always set."""
    needed = {"reward_task": "pick up the mug", "reward_gamma": "0.95"}
    values = {a.name: a.default if a.default is not None else {**files, **needed}[a.name] for a in table}
    values.update({name: files[name] for name in ("world", "bridge_file") if name in values})
    return {**values, **given}


def other_value(argument: LaunchArgument, files: dict[str, str], tmp_path: Path) -> str:
    if argument.choices:
        return next(c for c in argument.choices if c not in ("", argument.default))
    if argument.name in files:
        other = tmp_path / f"another {argument.name}"
        other.write_text("", encoding="utf-8")
        return str(other)
    return {"rate": "7.5", "delay_s": "7.5", "reward_gamma": "1"}.get(argument.name, "/other/value")


def rules_of(command: list[str], flag: str) -> list[str]:
    """``-p a:=1 -p b:=2`` -> [a:=1, b:=2]."""
    return [word for before, word in zip(command, command[1:], strict=False) if before == flag]


def rules(command: list[str], flag: str) -> dict[str, str]:
    """``-p a:=1 -p b:=2`` -> {a: 1, b: 2}."""
    return dict(pair.split(":=", 1) for pair in rules_of(command, flag))


@pytest.mark.parametrize("name", FILES)
def test_every_argument_is_described_and_changes_what_runs(name: str, files: dict[str, str], tmp_path: Path) -> None:
    table, commands = FILES[name]
    assert len({a.name for a in table}) == len(table)
    usual = commands(values_of(table, files), SHARE)
    for argument in table:
        assert argument.description.endswith(".") and len(argument.description) > 15, argument.name
        assert not argument.choices or argument.default in argument.choices, argument.name
        other = other_value(argument, files, tmp_path)
        assert commands(values_of(table, files, **{argument.name: other}), SHARE) != usual, argument.name


def test_every_input_of_a_camera_gets_its_topic(files: dict[str, str]) -> None:
    inputs = {e.name for e in INTERFACES.values() if e.kind is Kind.INPUT and not e.name.startswith("/")}
    values = values_of(NODE_ARGUMENTS, files)
    assert set(camera_remaps(values)) == inputs
    given = rules(vlm_node(values, SHARE).command("x"), "-r")
    assert given["image"] == "/camera/color/image_raw"
    assert given["image/compressed"] == "/camera/color/image_raw/compressed"
    assert given["depth/compressedDepth"] == "/camera/aligned_depth_to_color/image_raw/compressedDepth"
    # Who lists the topics finds the compressed ones, and gives those.
    found = {**values, "image_topic": "/eye/image/compressed", "depth_topic": "/eye/depth/compressedDepth"}
    plain = {**values, "image_topic": "/eye/image", "depth_topic": "/eye/depth"}
    assert camera_remaps(found) == camera_remaps(plain)
    assert given["__node"] == "spatialvlm" and "__ns" not in given


def test_without_arguments_the_parameter_file_decides(files: dict[str, str]) -> None:
    command = vlm_node(values_of(NODE_ARGUMENTS, files), SHARE).command("/lib/spatialvlm_node")
    assert command[:4] == [
        "/lib/spatialvlm_node",
        "--ros-args",
        "--params-file",
        str(SHARE / "config/ros/spatialvlm.yaml"),
    ]
    assert rules(command, "-p") == {}


def test_arguments_win_over_the_parameter_file_with_their_types(files: dict[str, str]) -> None:
    given = {"model": "true", "device": "cuda:1", "autostart": "false", "use_sim_time": "true", "namespace": "/robot/"}
    command = vlm_node(values_of(NODE_ARGUMENTS, files, **given), SHARE).command("x")
    parameters = {name: yaml.safe_load(value) for name, value in rules(command, "-p").items()}
    assert parameters == {"model": "true", "device": "cuda:1", "autostart": False, "use_sim_time": True}
    assert Settings.of({n: v for n, v in parameters.items() if n in PARAMETERS}).device == "cuda:1"
    assert command.index("-p") > command.index("--params-file")
    assert rules(command, "-r")["__ns"] == "/robot"


def test_a_server_as_model_survives_the_command_line(files: dict[str, str]) -> None:
    model = 'openai:http://localhost:8000/v1#org/a "model"'
    command = vlm_node(values_of(NODE_ARGUMENTS, files, model=model), SHARE).command("x")
    assert yaml.safe_load(rules(command, "-p")["model"]) == model


def test_the_demo_runs_robot_node_and_planner_on_one_clock(files: dict[str, str]) -> None:
    values = values_of(SIM_DEMO_ARGUMENTS, files, use_sim_time="true", sim_params_file=files["sim_params_file"])
    nodes = sim_demo_nodes({**values, "sentence": "go to the 'red' mug"}, SHARE)
    assert [n.executable for n in nodes] == ["spatialvlm_sim", "spatialvlm_node", "spatialvlm_planner"]
    parameters = [rules(n.command("x"), "-p") for n in nodes]
    assert {p["use_sim_time"] for p in parameters} == {"true"}
    assert yaml.safe_load(parameters[2]["sentence"]) == "go to the 'red' mug"
    assert files["sim_params_file"] in nodes[0].ros_arguments and files["sim_params_file"] not in nodes[1].ros_arguments
    assert len(sim_demo_nodes({**values, "planner": "false"}, SHARE)) == 2


def test_the_simulated_camera_publishes_where_the_node_listens(files: dict[str, str]) -> None:
    pictures = ("image", "camera_info", "depth", "depth_camera_info")
    offered = {e.name for e in SIM_INTERFACES.values()}
    for given in ({}, {"image_topic": "/eye/image", "depth_topic": "/eye/depth"}):
        robot, node, _ = sim_demo_nodes(values_of(SIM_DEMO_ARGUMENTS, files, **given), SHARE)
        moved, heard = rules(robot.command("x"), "-r"), rules(node.command("x"), "-r")
        assert {heard[name] for name in pictures} <= {moved.get(topic, topic) for topic in offered}


def test_a_recording_is_played_with_its_clock(files: dict[str, str]) -> None:
    values = values_of(REWARD_BAG_ARGUMENTS, files, rate="0.5")
    expected = ["ros2", "bag", "play", files["bag"], "--rate", "0.5", "--delay", "10.0", "--clock"]
    assert play_command(values) == expected
    assert play_command({**values, "loop": "true"}) == [*expected, "--loop"]
    node = rules(reward_node(values, SHARE).command("x"), "-p")
    assert node["use_sim_time"] == "true" and yaml.safe_load(node["reward_task"]) == "pick up the mug"


@pytest.mark.parametrize("name", FILES)
def test_the_node_can_be_configured_with_what_its_command_says(name: str, files: dict[str, str]) -> None:
    table, commands = FILES[name]
    files["params_file"] = str(SHARE / "config/ros/spatialvlm.yaml")
    (command,) = (c for c in commands(values_of(table, files), SHARE) if c[0].endswith("/spatialvlm_node"))
    (file,) = rules_of(command, "--params-file")
    in_file = yaml.safe_load(Path(file).read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    given = {n: yaml.safe_load(value) for n, value in rules(command, "-p").items()}
    values = {n: value for n, value in {**in_file, **given}.items() if n in PARAMETERS}
    assert [
        n for n, value in values.items() if isinstance(PARAMETERS[n].default, float) is not isinstance(value, float)
    ] == []
    standing = Standing.of(Settings.of(values))
    assert (standing.reward is not None) == ("reward_task" in given)


@pytest.mark.parametrize("gamma", ["0", "-1", "1.01", "nan", "much"])
def test_what_is_no_discount_is_refused(gamma: str, files: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="reward_gamma"):
        reward_node(values_of(REWARD_BAG_ARGUMENTS, files, reward_gamma=gamma), SHARE)


def test_a_discount_of_one_is_a_double(files: dict[str, str]) -> None:
    command = reward_node(values_of(REWARD_BAG_ARGUMENTS, files, reward_gamma="1"), SHARE).command("x")
    assert rules(command, "-p")["reward_gamma"] == "1.0"


def test_gazebo_is_bridged_and_starts_without_a_window_if_asked(files: dict[str, str]) -> None:
    values = values_of(GAZEBO_ARGUMENTS, files)
    bridge, node = gazebo_nodes(values, SHARE)
    assert (bridge.package, bridge.executable) == ("ros_gz_bridge", "parameter_bridge")
    parameters = rules(bridge.command("x"), "-p")
    assert yaml.safe_load(parameters["config_file"]) == files["bridge_file"]
    assert parameters["use_sim_time"] == rules(node.command("x"), "-p")["use_sim_time"] == "true"
    assert gazebo_arguments(values, SHARE) == f"-r {files['world']}"
    assert gazebo_arguments({**values, "gui": "false"}, SHARE) == f"-r -s {files['world']}"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("spatialvlm", {"params_file": "/nowhere.yaml"}),
        ("sim_demo", {"sim_params_file": "/nowhere.yaml"}),
        ("sim_demo", {"planner_params_file": "/nowhere.yaml"}),
        ("reward_bag", {"bag": "/nowhere.mcap"}),
        ("reward_bag", {"bag": ""}),
        ("reward_bag", {"reward_task": " "}),
        ("reward_bag", {"reward_gamma": ""}),
        ("gazebo", {"world": "/nowhere.sdf"}),
        ("gazebo", {"bridge_file": "/nowhere.yaml"}),
    ],
)
def test_what_is_missing_is_named(name: str, wrong: dict[str, str], files: dict[str, str]) -> None:
    table, commands = FILES[name]
    with pytest.raises(ConfigError, match="nowhere|needed"):
        commands(values_of(table, files, **wrong), SHARE)


def test_launch_is_told_the_same() -> None:
    needed = LaunchArgument("bag", None, "A recording.")
    assert needed.keywords() == {"name": "bag", "description": "A recording."}
    chosen = replace(needed, default="a", choices=("a", "b"))
    assert chosen.keywords() == {
        "name": "bag",
        "description": "A recording.",
        "default_value": "a",
        "choices": ["a", "b"],
    }
    node = NodeProcess("p", "e", "", "", ("-p", "x:=1"))
    assert node.keywords()["name"] is None and node.keywords()["namespace"] is None
