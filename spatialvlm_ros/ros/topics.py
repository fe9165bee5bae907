"""Every topic, service and action of the node, in one table: the node, the documentation and the tests are made of it.

Names are relative. Inputs are in the node's namespace (remap them to a camera's topics); outputs, services and actions
are private (``~/distances`` is ``/spatialvlm/distances`` for a node of that name). With the parameter ``cameras`` each
camera has all of them under its own name: ``front/image``, ``~/front/distances``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What an entry is."""

    INPUT = "subscribed"
    OUTPUT = "published"
    SERVICE = "service"
    ACTION = "action"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Interface:
    """One entry.

    Attributes:
        kind: what it is.
        name: relative to the camera's prefix; absolute names (``/tf``) are the same for all cameras.
        type: "package/msg/Name" or srv, action.
        description: one sentence with units and frames.
        qos: in words, of which the profiles are made; inputs of pictures follow the parameter ``reliability``.
    """

    kind: Kind
    name: str
    type: str
    description: str
    qos: str = "reliable, depth 10"

    def topic(self, camera: str = "") -> str:
        """The name as it is given to rclpy, for a camera of the parameter ``cameras``."""
        if self.name.startswith("/"):
            return self.name
        name = f"{camera}/{self.name}" if camera else self.name
        return name if self.kind is Kind.INPUT else f"~/{name}"


# A busy executor takes the topics one after the other: what belongs together must still be there by then. Of pictures
# that are complete the synchroniser gives only the newest.
_PICTURES = "follows the publishers (parameter reliability), depth 5"

_TABLE = (
    Interface(Kind.INPUT, "image", "sensor_msgs/msg/Image", "Colour pictures (image_transport raw).", _PICTURES),
    Interface(
        Kind.INPUT,
        "image/compressed",
        "sensor_msgs/msg/CompressedImage",
        "Colour pictures as JPEG or PNG (image_transport compressed).",
        _PICTURES,
    ),
    Interface(
        Kind.INPUT, "camera_info", "sensor_msgs/msg/CameraInfo", "Their camera; without it no metres.", _PICTURES
    ),
    Interface(
        Kind.INPUT, "depth", "sensor_msgs/msg/Image", "Depth, 16UC1 millimetres or 32FC1 metres (REP-118).", _PICTURES
    ),
    Interface(
        Kind.INPUT,
        "depth/compressedDepth",
        "sensor_msgs/msg/CompressedImage",
        "Depth as image_transport compresses it (depth_transport compressedDepth).",
        _PICTURES,
    ),
    Interface(
        Kind.INPUT,
        "depth_camera_info",
        "sensor_msgs/msg/CameraInfo",
        "The depth camera; depth that is not in the colour camera's pixels is reprojected.",
        _PICTURES,
    ),
    Interface(
        Kind.INPUT,
        "imu",
        "sensor_msgs/msg/Imu",
        "The vertical: orientation if its covariance allows, else acceleration at rest (use_imu).",
        "best effort, depth 10",
    ),
    Interface(Kind.INPUT, "/tf", "tf2_msgs/msg/TFMessage", "Frames that move (use_tf).", "reliable, depth 100"),
    Interface(
        Kind.INPUT,
        "/tf_static",
        "tf2_msgs/msg/TFMessage",
        "Frames that do not.",
        "reliable, transient local, depth 100",
    ),
    Interface(
        Kind.OUTPUT,
        "distances",
        "spatialvlm_ros/msg/EstimateArray",
        "The standing queries of one picture, each with its 90% interval or the reason why there is none.",
    ),
    Interface(
        Kind.OUTPUT,
        "distances_filtered",
        "spatialvlm_ros/msg/EstimateArray",
        "The same over time, with a rate of change (parameter filter).",
    ),
    Interface(
        Kind.OUTPUT,
        "objects",
        "spatialvlm_ros/msg/LocatedObjectArray",
        "The objects of the standing queries and the target, with ids that last.",
    ),
    Interface(
        Kind.OUTPUT,
        "target_pose",
        "geometry_msgs/msg/PoseStamped",
        "The target for a planner: middle of the object, z up; only while it is seen.",
    ),
    Interface(Kind.OUTPUT, "reward", "spatialvlm_ros/msg/Reward", "The reward of each picture, with its terms."),
    Interface(
        Kind.OUTPUT, "reward_value", "std_msgs/msg/Float64", "The reward alone, for RL code; NaN when it is invalid."
    ),
    Interface(
        Kind.OUTPUT,
        "markers",
        "visualization_msgs/msg/MarkerArray",
        "Boxes, names and distances for RViz (publish_markers).",
    ),
    Interface(
        Kind.OUTPUT,
        "annotated",
        "sensor_msgs/msg/Image",
        "The picture with boxes and distances, while somebody listens (publish_image).",
        "best effort, depth 1",
    ),
    Interface(
        Kind.OUTPUT,
        "/diagnostics",
        "diagnostic_msgs/msg/DiagnosticArray",
        "Rate, latency, dropped, stale, model state, faults; once a second.",
    ),
    Interface(Kind.SERVICE, "measure", "spatialvlm_ros/srv/Measure", "Measure quantities in the newest picture."),
    Interface(Kind.SERVICE, "locate", "spatialvlm_ros/srv/Locate", "Locate objects in the newest picture."),
    Interface(
        Kind.SERVICE, "ask", "spatialvlm_ros/srv/Ask", "Ask in words, about the newest picture or one that is sent."
    ),
    Interface(Kind.SERVICE, "set_queries", "spatialvlm_ros/srv/SetQueries", "Change the standing queries."),
    Interface(Kind.SERVICE, "set_target", "spatialvlm_ros/srv/SetTarget", "Choose the target, by name or sentence."),
    Interface(Kind.SERVICE, "set_task", "spatialvlm_ros/srv/SetTask", "Choose the reward task."),
    Interface(
        Kind.SERVICE, "end_episode", "spatialvlm_ros/srv/EndEpisode", "End the reward's episode with the next reward."
    ),
    Interface(Kind.ACTION, "reason", "spatialvlm_ros/action/Reason", "Chain of thought; its steps are the feedback."),
    Interface(
        Kind.ACTION, "annotate_bag", "spatialvlm_ros/action/AnnotateBag", "Write a reward for every recorded picture."
    ),
)

INTERFACES: Mapping[str, Interface] = {entry.name: entry for entry in _TABLE}
