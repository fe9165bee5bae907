"""Parameters and topics of the simulation node: what it declares, and what Gazebo has to speak to take its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from spatialvlm_ros.ros.parameters import Parameter
from spatialvlm_ros.ros.sim_scene import SceneOptions
from spatialvlm_ros.ros.sim_world import DEPTH_NOISES, STAND_OFF_M
from spatialvlm_ros.ros.topics import Interface, Kind
from spatialvlm_ros.simulation.robot.tasks import TASKS

COLOUR_ENCODINGS = ("rgb8", "bgr8")
DEPTH_ENCODINGS = ("16UC1", "32FC1")
RELIABILITIES = ("reliable", "best_effort")


def _declared(default: Any, description: str, **about: Any) -> Any:
    return field(default=default, metadata={"about": {"description": description, **about}})


@dataclass(frozen=True)
class SimSettings:
    """The values of all parameters of ``spatialvlm_sim``, checked."""

    seed: int = _declared(SceneOptions.seed, "Decides the objects and where they stand.", low=0, high=2**31 - 1)
    task: str = _declared(
        SceneOptions.task, "Which objects are drawn: things to reach or pick, or a container too.", choices=tuple(TASKS)
    )
    distractors: int = _declared(
        SceneOptions.n_distractors, "How many objects stand beside the one of the task.", low=2, high=8
    )
    assets: str = _declared(
        "", "Folder of the asset pack; empty takes the default one, or plain coloured shapes where none is built."
    )
    rate_hz: float = _declared(10.0, "Pictures in a second of the simulation.", low=0.1, high=50.0)
    realtime_factor: float = _declared(
        1.0, "Seconds of the simulation in one second, at most; less where drawing takes longer.", low=0.01, high=100.0
    )
    width: int = _declared(SceneOptions.width, "Width of the pictures in pixels.", low=64, high=1920)
    height: int = _declared(SceneOptions.height, "Height of the pictures in pixels.", low=64, high=1200)
    depth_noise: str = _declared(
        "none", "What the depth camera does to depth; realsense: noise, steps, holes.", choices=tuple(DEPTH_NOISES)
    )
    encoding: str = _declared("rgb8", "Encoding of the colour pictures.", choices=COLOUR_ENCODINGS)
    depth_encoding: str = _declared(
        "16UC1", "Encoding of depth: millimetres (as drivers do) or metres.", choices=DEPTH_ENCODINGS
    )
    reliability: str = _declared("reliable", "QoS of the pictures and camera infos.", choices=RELIABILITIES)
    publish_clock: bool = _declared(
        False, "Publish /clock and stamp with the time of the simulation; also done with use_sim_time."
    )
    stand_off_m: float = _declared(
        STAND_OFF_M, "The tool stays so many metres above whatever lies under it.", low=0.0, high=0.3
    )

    @staticmethod
    def of(values: Mapping[str, Any]) -> SimSettings:
        """Checked settings; raises `ConfigError` for a value that may not be."""
        return SimSettings(**{name: p.validated(values.get(name, p.default)) for name, p in SIM_PARAMETERS.items()})

    @property
    def scene(self) -> SceneOptions:
        """What is to be drawn."""
        return SceneOptions(self.seed, self.task, self.distractors, self.width, self.height)


SIM_PARAMETERS: Mapping[str, Parameter] = {
    f.name: Parameter(f.name, f.default, **f.metadata["about"]) for f in fields(SimSettings)
}

_PICTURES = "as the parameter reliability says, depth 2"

# Names as they are given to rclpy: those of a RealSense driver are absolute, the others follow the namespace.
SIM_INTERFACES: Mapping[str, Interface] = {
    "color": Interface(
        Kind.OUTPUT, "/camera/color/image_raw", "sensor_msgs/msg/Image", "Colour pictures (encoding).", _PICTURES
    ),
    "color_info": Interface(
        Kind.OUTPUT, "/camera/color/camera_info", "sensor_msgs/msg/CameraInfo", "Their camera.", _PICTURES
    ),
    "depth": Interface(
        Kind.OUTPUT,
        "/camera/aligned_depth_to_color/image_raw",
        "sensor_msgs/msg/Image",
        "Depth in the pixels of the colour picture, with the same stamp (depth_encoding).",
        _PICTURES,
    ),
    "depth_info": Interface(
        Kind.OUTPUT,
        "/camera/aligned_depth_to_color/camera_info",
        "sensor_msgs/msg/CameraInfo",
        "The same camera.",
        _PICTURES,
    ),
    "joint_states": Interface(
        Kind.OUTPUT, "joint_states", "sensor_msgs/msg/JointState", "Seven joints in radians, two fingers in metres."
    ),
    "tf": Interface(Kind.OUTPUT, "/tf", "tf2_msgs/msg/TFMessage", "panda_link0 to tool.", "reliable, depth 100"),
    "tf_static": Interface(
        Kind.OUTPUT,
        "/tf_static",
        "tf2_msgs/msg/TFMessage",
        "world to panda_link0, world to camera_link, camera_link to camera_color_optical_frame.",
        "reliable, transient local, depth 1",
    ),
    "truth": Interface(
        Kind.OUTPUT,
        "sim/truth",
        "spatialvlm_ros/msg/LocatedObjectArray",
        "Where all objects truly are, in the frame world; sizes and boxes as the camera sees them.",
    ),
    "clock": Interface(Kind.OUTPUT, "/clock", "rosgraph_msgs/msg/Clock", "Time of the simulation (publish_clock)."),
    "pose_target": Interface(
        Kind.INPUT,
        "sim/pose_target",
        "geometry_msgs/msg/PoseStamped",
        "Where the tool is to go, in any frame of the simulation; the orientation is not used.",
    ),
    "reset": Interface(Kind.SERVICE, "sim/reset", "std_srvs/srv/Trigger", "Everything back to the first moment."),
}
