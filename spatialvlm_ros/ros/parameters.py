"""Every parameter of the node: its default, range, unit and meaning, in one table that the documentation is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.ros.query_text import read_known_sizes, read_query

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Attributes:
        name: in ROS.
        default: its value; the type of the parameter is its type (a tuple is a list of strings).
        description: one sentence, with the unit.
        choices: the values it may have, () for any.
        low, high: inclusive range of a number, None for no bound.
        live: whether it may change while the node is inactive or active; others need a new configure.
        check: further check of a value: raises `ConfigError`.
    """

    name: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    live: bool = False
    check: Callable[[Any], None] | None = None

    def validated(self, value: Any) -> Any:
        """``value`` if it may be set.

        Raises:
            ConfigError: wrong type, outside the range, or none of the choices.
        """
        if isinstance(self.default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if isinstance(self.default, tuple):
            if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
                raise ConfigError(f"the parameter {self.name} is a list of strings", value)
            value = tuple(str(v) for v in value if str(v).strip())  # [""] is how YAML writes an empty list of strings
        elif type(value) is not type(self.default):
            raise ConfigError(f"the parameter {self.name} is of type {type(self.default).__name__}", value)
        if self.choices and value not in self.choices:
            raise ConfigError(
                f"the parameter {self.name} has no such value", value, f"One of {', '.join(self.choices)}."
            )
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and (value != value or not _inside(value, self.low, self.high)):
            raise ConfigError(f"the parameter {self.name} is outside {self.low} to {self.high}", value)
        if self.check is not None:
            self.check(value)
        return value


def _inside(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _queries(lines: Sequence[str]) -> None:
    for line in lines:
        read_query(line)


def _sizes(lines: Sequence[str]) -> None:
    read_known_sizes(lines)


def _task(text: str) -> None:
    if text.strip():
        from spatialvlm_ros.rewards.templates import task_of

        task_of(text)


def _target(text: str) -> None:
    from spatialvlm_ros.ros.standing import target_named

    target_named(text)


def _camera_names(names: Sequence[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError("this is no name of a camera", name, "Letters, digits and _, a letter first.")
    if len(set(names)) != len(names):
        raise ConfigError("two cameras have one name", list(names))


def _declared(default: Any, description: str, **about: Any) -> Any:
    return field(default=default, metadata={"about": {"description": description, **about}})


@dataclass(frozen=True)
class Settings:
    """The values of all parameters, checked. This is the one place where they are declared."""

    model: str = _declared("embedded", "Model: embedded, a folder, a hub id, or openai:URL#model.")
    device: str = _declared("auto", "Device of the model: auto, cpu, cuda, cuda:1, ...")
    dtype: str = _declared("auto", "Type of its numbers.", choices=("auto", "float32", "bfloat16", "float16"))
    calibration: str = _declared("", "Path of a calibration file; empty takes the one beside the weights.")
    autostart: bool = _declared(
        True, "Configure, wait for the weights and activate without a lifecycle manager; again after a failure."
    )
    wait_for_model_s: float = _declared(
        120.0, "Seconds of loading after which autostart warns that it still waits.", low=1.0, high=3600.0
    )
    cameras: tuple[str, ...] = _declared(
        (),
        "Names of several cameras that share the model: each has its topics under its name. Empty for one camera.",
        check=_camera_names,
    )
    image_transport: str = _declared("raw", "How colour pictures come.", choices=("raw", "compressed"))
    depth_transport: str = _declared("raw", "How depth comes.", choices=("raw", "compressedDepth"))
    use_depth: bool = _declared(True, "Subscribe to depth and use it where it fits the picture.")
    rectified: str = _declared(
        "auto",
        "Whether pictures are rectified (P and no distortion hold); auto reads the topic's name.",
        choices=("auto", "true", "false"),
    )
    reliability: str = _declared(
        "auto",
        "QoS of the picture subscriptions; auto reads the publishers' and follows them.",
        choices=("auto", "reliable", "best_effort"),
    )
    slop_s: float = _declared(
        0.02, "Most seconds between a picture and the depth that goes with it.", low=0.0, high=1.0
    )
    depth_wait_s: float = _declared(
        0.1,
        "Most seconds that a picture waits for its depth, by the stamps of what comes meanwhile; raise it where depth "
        "comes late.",
        low=0.0,
        high=2.0,
    )
    max_age_s: float = _declared(
        1.0,
        "Pictures older than this, in seconds, are not looked at; answers older are stale.",
        low=0.01,
        high=60.0,
        live=True,
    )
    max_rate_hz: float = _declared(
        0.0, "Most pictures looked at in a second; 0 for as many as the model can.", low=0.0, high=1000.0, live=True
    )
    use_imu: bool = _declared(
        False, "Take the vertical from an IMU (orientation if its covariance allows, else gravity at rest)."
    )
    use_tf: bool = _declared(True, "Take the vertical, the support plane and the gripper from TF where they are known.")
    level_frames: tuple[str, ...] = _declared(
        ("map", "odom", "world"), "Frames whose z axis points up, in order of preference."
    )
    support_frame: str = _declared("", "Frame whose z = 0 is the plane that things stand on; empty for unknown.")
    gripper_frame: str = _declared("", "Frame of the tool centre point: makes the object 'gripper' exact.")
    target_frame: str = _declared(
        "", "Frame of published positions and of the target's pose; empty takes the optical frame."
    )
    queries: tuple[str, ...] = _declared(
        (),
        "Standing queries, one a line: 'relation: subject | reference', e.g. 'gap: gripper | red mug'.",
        live=True,
        check=_queries,
    )
    known_sizes: tuple[str, ...] = _declared(
        (), "Sizes in metres that are known: 'name: width depth height'.", live=True, check=_sizes
    )
    target: str = _declared("", "Object (or sentence) whose pose is published for a planner.", live=True, check=_target)
    filter: bool = _declared(True, "Publish filtered distances with their rate of change.", live=True)
    track_gap_s: float = _declared(
        2.0, "Seconds after which an object that was not seen gets a new id.", low=0.1, high=60.0, live=True
    )
    deadline_s: float = _declared(
        2.0, "Seconds a service has to answer where the request names none.", low=0.01, high=600.0, live=True
    )
    publish_markers: bool = _declared(True, "Publish markers for RViz.", live=True)
    publish_image: bool = _declared(True, "Publish the annotated picture while somebody listens.", live=True)
    publish_spatial_frame: bool = _declared(True, "Broadcast <camera_frame>_spatial: x forward, y left, z up.")
    quiet_after_s: float = _declared(
        2.0, "Seconds without pictures after which diagnostics warn.", low=0.1, high=600.0, live=True
    )
    reward_task: str = _declared(
        "", "Reward task: a name, a sentence, a file or YAML; empty for none.", live=True, check=_task
    )
    reward_gamma: float = _declared(
        0.0, "Discount of the learner per control step; a reward task needs it.", low=0.0, high=1.0, live=True
    )
    reward_mode: str = _declared(
        "potential",
        "Potential-based shaping beside the sparse reward, or the potential itself.",
        choices=("potential", "absolute"),
        live=True,
    )
    reward_step_s: float = _declared(
        0.0, "Seconds of a control step of the learner; 0: every picture is one.", low=0.0, high=60.0, live=True
    )
    reward_ends_on_success: bool = _declared(
        False,
        "A success terminates the episode: its potential is 0 by definition, and the next picture begins another.",
        live=True,
    )
    reward_follow: bool = _declared(
        True,
        "Follow the objects of the task from picture to picture, by depth or by TF; else each picture by itself.",
        live=True,
    )
    llm: str = _declared(
        "",
        "Who leads a chain of thought: openai:URL#model, a hub id or folder; empty takes the embedded planner.",
        live=True,
    )
    llm_calls_tools: bool = _declared(
        False,
        "Offer the tools to a language model as functions, for servers and models that call them; else in plain lines.",
        live=True,
    )
    reason_deadline_s: float = _declared(
        30.0, "Seconds a chain of thought may take where the goal names none.", low=0.1, high=3600.0, live=True
    )

    @staticmethod
    def of(values: Mapping[str, Any]) -> Settings:
        """Checked settings; what ``values`` leaves out has its default.

        Raises:
            ConfigError: a value that may not be, or an unknown name.
        """
        unknown = sorted(set(values) - set(PARAMETERS))
        if unknown:
            raise ConfigError("the node has no such parameters", unknown, "See docs/interfaces.md.")
        return Settings(**{name: p.validated(values.get(name, p.default)) for name, p in PARAMETERS.items()})

    def with_live(self, changes: Mapping[str, Any]) -> Settings:
        """Settings after parameters were set while the node is configured.

        Raises:
            ConfigError: a bad value, or a parameter that needs a new configure.
        """
        for name in changes:
            if name in PARAMETERS and not PARAMETERS[name].live:
                raise ConfigError(
                    f"the parameter {name} cannot change while the node is configured",
                    changes[name],
                    "Clean up the node first; if it is active, deactivate it before.",
                )
        return Settings.of({**asdict(self), **changes})


PARAMETERS: Mapping[str, Parameter] = {
    f.name: Parameter(f.name, f.default, **f.metadata["about"]) for f in fields(Settings)
}
