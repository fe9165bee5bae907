"""What the launch files start, without `launch`: their arguments, and the commands that these give.

A launch file declares the arguments of its table and hands their values to the functions here, so that the commands
can be tested (and run) where `launch` is not installed. Values are strings, as `launch` gives them; an empty one means
"as in the parameter file".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError

PACKAGE = "spatialvlm_ros"
NODE_NAME = "spatialvlm"
_SWITCH = ("true", "false")
_SWITCH_OR_FILE = ("", *_SWITCH)

Values = Mapping[str, str]


@dataclass(frozen=True)
class LaunchArgument:
    """One argument of a launch file.

    Attributes:
        name: ``name:=value`` on the command line.
        default: its value where none is given; None where it must be.
        description: what `ros2 launch --show-args` says.
        choices: all values it may have; () for any.
    """

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...] = ()

    def keywords(self) -> dict[str, Any]:
        """For ``DeclareLaunchArgument``."""
        known: dict[str, Any] = {"name": self.name, "description": self.description}
        if self.default is not None:
            known["default_value"] = self.default
        if self.choices:
            known["choices"] = list(self.choices)
        return known


@dataclass(frozen=True)
class NodeProcess:
    """A node to be started.

    Attributes:
        package, executable: where it is installed.
        name, namespace: of the node; "" leaves them to the node.
        ros_arguments: what follows ``--ros-args``.
    """

    package: str
    executable: str
    name: str = ""
    namespace: str = ""
    ros_arguments: tuple[str, ...] = ()

    def keywords(self) -> dict[str, Any]:
        """For ``launch_ros.actions.Node``."""
        return {
            "package": self.package,
            "executable": self.executable,
            "name": self.name or None,
            "namespace": self.namespace or None,
            "ros_arguments": list(self.ros_arguments),
            "output": "screen",
        }

    def command(self, executable: str) -> list[str]:
        """What ``Node`` runs, for an executable found at that path."""
        named = ["-r", f"__node:={self.name}"] if self.name else []
        placed = ["-r", f"__ns:=/{self.namespace.strip('/')}"] if self.namespace.strip("/") else []
        return [executable, "--ros-args", *self.ros_arguments, "--ros-args", *named, *placed]


NODE_ARGUMENTS = (
    LaunchArgument("namespace", "", "Namespace of the node; its outputs are <namespace>/spatialvlm/..."),
    LaunchArgument("params_file", "", "Parameter file; empty takes config/ros/spatialvlm.yaml of this package."),
    LaunchArgument("model", "", "Model: embedded, a folder, a hub id, or openai:URL#model; empty: as in params_file."),
    LaunchArgument("device", "", "Device of the model: auto, cpu, cuda, cuda:1, ...; empty: as in params_file."),
    LaunchArgument(
        "autostart",
        "",
        "Whether the node configures and activates itself; false where a lifecycle manager does it; "
        "empty: as in params_file.",
        _SWITCH_OR_FILE,
    ),
    LaunchArgument("use_sim_time", "", "Whether time is that of /clock; empty: as in params_file.", _SWITCH_OR_FILE),
    LaunchArgument("log_level", "info", "Least severity that is logged.", ("debug", "info", "warn", "error", "fatal")),
    LaunchArgument(
        "image_topic",
        "/camera/color/image_raw",
        "Colour pictures; <image_topic>/compressed where the parameter image_transport is compressed.",
    ),
    LaunchArgument("camera_info_topic", "/camera/color/camera_info", "Camera of the colour pictures."),
    LaunchArgument(
        "depth_topic",
        "/camera/aligned_depth_to_color/image_raw",
        "Depth; <depth_topic>/compressedDepth where the parameter depth_transport is compressedDepth.",
    ),
    LaunchArgument(
        "depth_camera_info_topic", "/camera/aligned_depth_to_color/camera_info", "Camera of the depth pictures."
    ),
    LaunchArgument("imu_topic", "/camera/imu", "IMU, where the parameter use_imu is true."),
)

SIM_DEMO_ARGUMENTS = (
    *NODE_ARGUMENTS,
    LaunchArgument("sim_params_file", "", "Parameter file of the simulated robot; empty takes its defaults."),
    LaunchArgument("planner", "true", "Whether the planner runs, which drives to what a sentence names.", _SWITCH),
    LaunchArgument("sentence", "", "Where to go at the start, e.g. 'go to the apple'; empty waits for ~/sentence."),
    LaunchArgument("planner_params_file", "", "Parameter file of the planner; empty takes its defaults."),
)

REWARD_BAG_ARGUMENTS = (
    LaunchArgument("bag", None, "Recording to play: a rosbag2 folder or an MCAP file."),
    LaunchArgument("reward_task", None, "Reward task: a name, a sentence or a file."),
    LaunchArgument("reward_gamma", None, "Discount of your learner per control step, above 0 and at most 1."),
    LaunchArgument("rate", "1.0", "Speed of the recording; below 1 where the model cannot keep up."),
    LaunchArgument("loop", "false", "Whether the recording starts again when it ends.", _SWITCH),
    LaunchArgument("delay_s", "10.0", "Seconds before the recording starts: the model loads its weights."),
    *(a for a in NODE_ARGUMENTS if a.name != "use_sim_time"),
    LaunchArgument("use_sim_time", "true", "Whether time is that of the recording.", _SWITCH),
)

GAZEBO_ARGUMENTS = (
    LaunchArgument("world", "", "World of Gazebo; empty takes config/gazebo/world.sdf of this package."),
    LaunchArgument("bridge_file", "", "Topics of ros_gz_bridge; empty takes config/gazebo/bridge.yaml."),
    LaunchArgument("gui", "true", "Whether Gazebo shows its window.", _SWITCH),
    *(a for a in NODE_ARGUMENTS if a.name != "use_sim_time"),
    LaunchArgument("use_sim_time", "true", "Whether time is that of Gazebo.", _SWITCH),
)


def vlm_node(values: Values, share: Path, **parameters: str | float) -> NodeProcess:
    """The node that looks at a camera.

    Args:
        values: of `NODE_ARGUMENTS`.
        share: folder in which config/ is, of the installed package or of a checkout.
        parameters: further ones.

    Raises:
        ConfigError: there is no such parameter file.
    """
    file = _file(values["params_file"] or share / "config/ros/spatialvlm.yaml", "parameter file")
    typed = {"model": values["model"], "device": values["device"], **parameters}
    switches = {"autostart": values["autostart"], **_time(values)}
    given = (
        *_params_file(file),
        # One by one they win over any file, also over one that names the node.
        *_parameters({name: json.dumps(value, ensure_ascii=False) for name, value in typed.items() if value}),
        *_parameters({name: value for name, value in switches.items() if value}),
        *_remaps(camera_remaps(values)),
        *("--log-level", values["log_level"]),
    )
    return NodeProcess(PACKAGE, "spatialvlm_node", NODE_NAME, values["namespace"], given)


def camera_remaps(values: Values) -> dict[str, str]:
    """Input of the node -> topic of the camera; that of compressed pictures may be given with its end, or without."""
    image = values["image_topic"].removesuffix("/compressed")
    depth = values["depth_topic"].removesuffix("/compressedDepth")
    return {
        "image": image,
        "image/compressed": f"{image}/compressed",
        "camera_info": values["camera_info_topic"],
        "depth": depth,
        "depth/compressedDepth": f"{depth}/compressedDepth",
        "depth_camera_info": values["depth_camera_info_topic"],
        "imu": values["imu_topic"],
    }


def sim_demo_nodes(values: Values, share: Path) -> list[NodeProcess]:
    """The simulated robot, the node, and the planner if it is wanted.

    Args:
        values: of `SIM_DEMO_ARGUMENTS`.
        share: as of `vlm_node`.

    Raises:
        ConfigError: there is no such parameter file.
    """

    # The simulation publishes on a RealSense's topics.
    usual = camera_remaps({a.name: a.default or "" for a in NODE_ARGUMENTS})
    moved = {topic: now for topic, now in zip(usual.values(), camera_remaps(values).values(), strict=True)}
    robot = _beside(
        "spatialvlm_sim", values["sim_params_file"], values, _remaps({a: b for a, b in moved.items() if a != b})
    )
    sentence = {"sentence": json.dumps(values["sentence"], ensure_ascii=False)} if values["sentence"] else {}
    planner = _beside("spatialvlm_planner", values["planner_params_file"], values, _parameters(sentence))
    return [robot, vlm_node(values, share), *([planner] if _is_true(values["planner"]) else [])]


def reward_node(values: Values, share: Path) -> NodeProcess:
    """The node with a reward task.

    Args:
        values: of `REWARD_BAG_ARGUMENTS`.
        share: as of `vlm_node`.

    Raises:
        ConfigError: no task or no discount was given, or there is no such parameter file.
    """
    return vlm_node(values, share, reward_task=_needed(values, "reward_task"), reward_gamma=_discount(values))


def play_command(values: Values) -> list[str]:
    """``ros2 bag play`` with the recording's clock.

    Args:
        values: of `REWARD_BAG_ARGUMENTS`.

    Raises:
        ConfigError: no recording was given, or it is not there.
    """
    bag = _file(_needed(values, "bag"), "recording")
    command = ["ros2", "bag", "play", str(bag), "--rate", values["rate"], "--delay", values["delay_s"]]
    clock = ["--clock"] if _is_true(values["use_sim_time"]) else []
    return [*command, *clock, *(["--loop"] if _is_true(values["loop"]) else [])]


def gazebo_nodes(values: Values, share: Path) -> list[NodeProcess]:
    """The bridge from Gazebo's topics to ROS, and the node.

    Args:
        values: of `GAZEBO_ARGUMENTS`.
        share: as of `vlm_node`.

    Raises:
        ConfigError: a file is not there.
    """
    config = _file(values["bridge_file"] or share / "config/gazebo/bridge.yaml", "bridge configuration")
    given = _parameters({"config_file": json.dumps(str(config)), **_time(values)})
    bridge = NodeProcess("ros_gz_bridge", "parameter_bridge", "spatialvlm_bridge", ros_arguments=given)
    return [bridge, vlm_node(values, share)]


def gazebo_arguments(values: Values, share: Path) -> str:
    """``gz_args`` of ros_gz_sim's gz_sim.launch.py: start at once, without the window where it is not wanted.

    Raises:
        ConfigError: there is no such world.
    """
    world = _file(values["world"] or share / "config/gazebo/world.sdf", "world")
    return " ".join(["-r", *([] if _is_true(values["gui"]) else ["-s"]), str(world)])


def _beside(executable: str, params_file: str, values: Values, more: Sequence[str]) -> NodeProcess:
    """Another node of ours, with the same clock, namespace and severity of the log."""
    file = _file(params_file, "parameter file") if params_file else None
    given = (*_params_file(file), *_parameters(_time(values)), *more, "--log-level", values["log_level"])
    return NodeProcess(PACKAGE, executable, namespace=values["namespace"], ros_arguments=given)


def _time(values: Values) -> dict[str, str]:
    return {"use_sim_time": values["use_sim_time"]} if values["use_sim_time"] else {}


def _is_true(value: str) -> bool:
    return value.lower() == "true"


def _needed(values: Values, name: str) -> str:
    if not values[name].strip():
        raise ConfigError(f"the launch argument {name} is needed", values[name], f"Add {name}:=... to the command.")
    return values[name]


def _discount(values: Values) -> float:
    given = _needed(values, "reward_gamma")
    try:
        gamma = float(given)
    except ValueError:
        gamma = math.nan
    if not 0.0 < gamma <= 1.0:
        raise ConfigError("the launch argument reward_gamma is no discount", given, "It is above 0 and at most 1.")
    return gamma


def _file(path: str | Path, what: str) -> Path:
    # launch itself only warns of a missing parameter file, and goes on without it.
    found = Path(path).expanduser()
    if not found.exists():
        raise ConfigError(f"there is no such {what}", str(path), "Give a path that exists.")
    return found


def _params_file(path: Path | None) -> Sequence[str]:
    return ("--params-file", str(path)) if path is not None else ()


def _parameters(values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in values.items() for word in ("-p", f"{name}:={value}"))


def _remaps(names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, topic in names.items() for word in ("-r", f"{name}:={topic}"))
