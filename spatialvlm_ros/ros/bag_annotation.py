"""Rewards for a recording, in a process of its own with low priority: the node's pictures go first. No rclpy in here.

The process ends when the goal is cancelled, and with the node, however that ends.

The child prints one JSON object a line: ``{"done": 40, "total": 300}`` while it works, and at the end
``{"out": path, "frames": 300, "valid": 288, "problems": ""}`` or ``{"error": sentence}``.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from spatialvlm_ros.bags.gravity import LEVEL_FRAMES
from spatialvlm_ros.errors import ConfigError, SpatialVLMError

if TYPE_CHECKING:
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM
    from spatialvlm_ros.rewards.recordings.beliefs import Beliefs
    from spatialvlm_ros.rewards.recordings.episode import Recording
    from spatialvlm_ros.rewards.recordings.plan import Plan
    from spatialvlm_ros.ros.parameters import Settings

_LOW_PRIORITY = 10
_EVERY = 8  # pictures between two lines of progress
_LOOK_UP_S = 0.1  # between two questions whether it is still wanted
_END_S = 1.0  # from the polite request to the other one
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


class AnnotationError(SpatialVLMError):
    """A recording could not be annotated."""


@dataclass(frozen=True)
class AnnotationOrder:
    """What is wanted: what a node with these parameters would have made of the pictures live.

    Attributes:
        bag: path of the recording; out: where the copy goes, "" for beside it.
        task: a name, a sentence or a specification in YAML; "" takes what the recording says.
        gamma, mode: of the learner, as the node's parameters.
        model, device, dtype, calibration: as the node's parameters.
        follow: whether objects are followed from picture to picture, as the node's parameter reward_follow.
        step_s, filtered: as its parameters reward_step_s and filter.
        gripper_frame, support_frame, known_sizes: as its parameters. While a gripper_frame is not linked to the camera
            answers about the gripper are refused (``no_frame``), as the node does; what is missing is told of.
        use_depth, use_tf, use_imu, level_frames, slop_s, rectified: as its parameters.
        topics: of its inputs: image, camera_info, depth, depth_camera_info, imu -> topic; which of them are taken says
            `rewards.recordings.bag_topics`. Without them all is found by names and types.
    """

    bag: str
    out: str
    task: str
    gamma: float
    mode: str
    model: str
    follow: bool = True
    step_s: float = 0.0
    filtered: bool = False
    gripper_frame: str = ""
    support_frame: str = ""
    known_sizes: Sequence[str] = ()
    use_depth: bool = True
    use_tf: bool = True
    use_imu: bool = False
    level_frames: Sequence[str] = LEVEL_FRAMES
    slop_s: float = 0.02
    rectified: str = "auto"
    topics: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    dtype: str = "auto"
    calibration: str = ""

    @staticmethod
    def of(
        bag: str, out: str, task: str, settings: Settings, topics: Mapping[str, str] | None = None
    ) -> AnnotationOrder:
        """What a node with these settings and topics is asked for.

        Raises:
            ConfigError: no discount.
        """
        if settings.reward_gamma <= 0:
            raise ConfigError(
                "a reward needs the discount of its learner", settings.reward_gamma, "Set the parameter reward_gamma."
            )
        return AnnotationOrder(
            bag,
            out,
            task,
            gamma=settings.reward_gamma,
            mode=settings.reward_mode,
            follow=settings.reward_follow,
            step_s=settings.reward_step_s,
            filtered=settings.filter,
            topics=dict(topics or {}),
            **{name: getattr(settings, name) for name in _SAME_NAME},
        )


# Of an order and of the node's parameters.
_SAME_NAME = (
    *("model", "device", "dtype", "calibration", "gripper_frame", "support_frame", "known_sizes"),
    *("use_depth", "use_tf", "use_imu", "level_frames", "slop_s", "rectified"),
)


@dataclass(frozen=True)
class AnnotationResult:
    """What was written.

    Attributes:
        out: its path.
        frames, valid: pictures, and those with a valid reward.
        problems: what went wrong, in sentences.
    """

    out: str
    frames: int
    valid: int
    problems: str = ""


def annotate_in_a_process(
    order: AnnotationOrder, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
) -> AnnotationResult | None:
    """Runs the child until it ends; what it has judged is kept, so the same order goes on where it was stopped.

    Args:
        order: what is wanted.
        progress: called with pictures done and in all.
        cancelled: asked again and again.

    Returns:
        None when it was cancelled.

    Raises:
        AnnotationError: the child says why, or ended without a word.
    """
    command = [sys.executable, "-m", __name__, json.dumps(asdict(order)), str(os.getpid())]
    # In a session of its own: Ctrl-C in a terminal is for the node, which ends the child.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            return _followed(child, progress, cancelled)
        except BaseException:
            _end(child)
            raise


def _followed(
    child: subprocess.Popen[str], progress: Callable[[int, int], None], cancelled: Callable[[], bool]
) -> AnnotationResult | None:
    """Until the child has said how it ended, or is not wanted any more."""
    assert child.stdout is not None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(child.stdout, lines), name="annotation", daemon=True).start()
    while not cancelled():
        try:
            line = lines.get(timeout=_LOOK_UP_S)
        except queue.Empty:
            continue
        if line is None:
            raise AnnotationError("the process that annotates ended", child.wait(), "See the node's log.")
        said = _object(line)
        if "error" in said:
            raise AnnotationError(said["error"])
        if "out" in said:
            return AnnotationResult(said["out"], int(said["frames"]), int(said["valid"]), str(said["problems"]))
        if "done" in said:
            progress(int(said["done"]), int(said["total"]))
    _end(child)
    return None


def _read(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    """Hands on what is written, and None at its end."""
    for line in stream:
        lines.put(line)
    lines.put(None)


def _object(line: str) -> dict[str, Any]:
    """The JSON object in a line; empty for the others: libraries print what they like in between."""
    if not line.startswith("{"):
        return {}
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        child.kill()


# ---- in the child ----


def main(argument: str, node: int) -> int:
    """Annotates and reports, as long as the process with the id ``node`` lives."""
    _end_with(node)
    os.nice(_LOW_PRIORITY)
    try:
        result = _annotated(AnnotationOrder(**json.loads(argument)))
    except SpatialVLMError as error:
        return _say({"error": str(error).removesuffix(".")}, 1)
    except Exception as error:  # noqa: BLE001  whoever waits for the result hears of it
        return _say({"error": f"{type(error).__name__}: {error}"}, 1)
    return _say(asdict(result), 0)


def _end_with(node: int) -> None:
    """Where there is such a thing (Linux), the system ends this process with its parent, even one that was killed.

    To the system the parent is the thread that started us: it waits for us as long as the node lives.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != node:  # it went before we asked
        sys.exit(1)


def _say(content: dict[str, Any], status: int) -> int:
    print(json.dumps(content), flush=True)
    return status


def _annotated(order: AnnotationOrder) -> AnnotationResult:
    from spatialvlm_ros.models.loading import fingerprint_of
    from spatialvlm_ros.rewards.recordings.annotate import problems_of
    from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
    from spatialvlm_ros.rewards.recordings.plan import report_folder, tasks_of
    from spatialvlm_ros.rewards.recordings.registry import output_path

    recording = recording_of(order)
    plan, tasks = plan_of(order), tasks_of(recording, order.task)
    plan.check(recording)
    target = Path(order.out).absolute() if order.out else output_path(recording, "copy")
    model = _model(order)
    provenance = plan.provenance(recording, tasks, fingerprint_of(model.backend))
    writer = RecordingWriter(recording, report_folder(target), target, "copy", provenance)
    total, done = sum(e.frames for e in recording.episodes()), 0
    _say({"done": done, "total": total}, 0)

    def count(pictures: int) -> None:
        nonlocal done
        if done // _EVERY != (done + pictures) // _EVERY:
            _say({"done": done + pictures, "total": total}, 0)
        done += pictures

    outcome = plan.carry_out(recording, writer, tasks, model, count)
    if outcome.failed:
        name, fault = next(iter(outcome.failed.items()))
        raise AnnotationError(f"{name} could not be annotated: {fault}")
    problems = " ".join(problems_of(outcome))
    return AnnotationResult(str(writer.finish()), outcome.frames, outcome.valid, problems)


def recording_of(order: AnnotationOrder) -> Recording:
    """The recording as the node would have seen it."""
    from spatialvlm_ros.rewards.recordings.registry import open_recording

    return open_recording(
        order.bag,
        gripper_frame=order.gripper_frame or None,
        support_frame=order.support_frame or None,
        beliefs=_beliefs_of(order),
        strict=False,
    )


def _beliefs_of(order: AnnotationOrder) -> Beliefs:
    from spatialvlm_ros.rewards.recordings.beliefs import Beliefs, LiveTopics

    return Beliefs(
        use_depth=order.use_depth,
        use_tf=order.use_tf,
        use_imu=order.use_imu,
        imu_first=True,  # as `bearings.Bearings`
        level_frames=tuple(order.level_frames),
        slop_s=order.slop_s,
        rectified=None if order.rectified == "auto" else order.rectified == "true",
        topics=LiveTopics(**order.topics) if order.topics else None,
    )


def plan_of(order: AnnotationOrder) -> Plan:
    """How its rewards are made."""
    from spatialvlm_ros.rewards.recordings.plan import Plan
    from spatialvlm_ros.ros.query_text import read_known_sizes

    return Plan(
        gamma=order.gamma,
        mode=order.mode,
        step_s=order.step_s,
        filtered=order.filtered,
        follow=order.follow,
        known_sizes=read_known_sizes(order.known_sizes),
        gripper_frame=order.gripper_frame or None,
        support_frame=order.support_frame or None,
        beliefs=_beliefs_of(order),
        model=order.model,
        model_options={"device": order.device, "dtype": order.dtype, "calibration": order.calibration},
    )


def _model(order: AnnotationOrder) -> SpatialVLM:
    """As the node loads it."""
    from spatialvlm_ros.ros.shared_models import ModelSpec, weights_of

    return weights_of(ModelSpec(order.model, order.device, order.dtype, order.calibration))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
