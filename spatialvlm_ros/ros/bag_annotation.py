"""Rewards for a recording, in a process of its own with low priority: the node's pictures go first. No rclpy in here.

The child prints one JSON object a line: ``{"done": 40, "total": 300}`` while it works, and at the end
``{"out": path, "frames": 300, "valid": 288}`` or ``{"error": sentence}``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from spatialvlm_ros.errors import ConfigError, SpatialVLMError

if TYPE_CHECKING:
    from spatialvlm_ros.ros.parameters import Settings

_LOW_PRIORITY = 10
_EVERY = 8  # pictures between two lines of progress


class AnnotationError(SpatialVLMError):
    """A recording could not be annotated."""


@dataclass(frozen=True)
class AnnotationOrder:
    """What is wanted.

    Attributes:
        bag: path of the recording; out: where the copy goes, "" for beside it.
        task: a name, a sentence or a specification in YAML; "" takes what the recording says.
        gamma, mode: of the learner, as the node's parameters.
        model: as the node's parameter.
        follow: whether objects are followed from picture to picture, as the node's parameter reward_follow.
    """

    bag: str
    out: str
    task: str
    gamma: float
    mode: str
    model: str
    follow: bool = True

    @staticmethod
    def of(bag: str, out: str, task: str, settings: Settings) -> AnnotationOrder:
        """What a node with these settings is asked for.

        Raises:
            ConfigError: no discount.
        """
        if settings.reward_gamma <= 0:
            raise ConfigError(
                "a reward needs the discount of its learner", settings.reward_gamma, "Set the parameter reward_gamma."
            )
        return AnnotationOrder(
            bag, out, task, settings.reward_gamma, settings.reward_mode, settings.model, settings.reward_follow
        )


@dataclass(frozen=True)
class AnnotationResult:
    """What was written."""

    out: str
    frames: int
    valid: int


def annotate_in_a_process(
    order: AnnotationOrder, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
) -> AnnotationResult | None:
    """Runs the child until it ends; what it has judged is kept, so the same order goes on where it was stopped.

    Args:
        order: what is wanted.
        progress: called with pictures done and in all.
        cancelled: asked with each line that comes.

    Returns:
        None when it was cancelled.

    Raises:
        AnnotationError: the child says why, or ended without a word.
    """
    command = [sys.executable, "-m", __name__, json.dumps(asdict(order))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for said in _objects(child.stdout):
            if cancelled():
                child.terminate()
                return None
            if "error" in said:
                raise AnnotationError(said["error"])
            if "out" in said:
                return AnnotationResult(said["out"], int(said["frames"]), int(said["valid"]))
            progress(int(said["done"]), int(said["total"]))
    raise AnnotationError("the process that annotates ended", child.returncode, "See the node's log.")


def _objects(lines: Iterator[str] | Any) -> Iterator[dict[str, Any]]:
    """The JSON objects among the lines; libraries print what they like in between."""
    for line in lines:
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except ValueError:
                continue


# ---- in the child ----


def main(argument: str) -> int:
    """Annotates and reports."""
    os.nice(_LOW_PRIORITY)
    try:
        result = _annotated(AnnotationOrder(**json.loads(argument)))
    except SpatialVLMError as error:
        return _say({"error": str(error).removesuffix(".")}, 1)
    except Exception as error:  # noqa: BLE001  whoever waits for the result hears of it
        return _say({"error": f"{type(error).__name__}: {error}"}, 1)
    return _say(asdict(result), 0)


def _say(content: dict[str, Any], status: int) -> int:
    print(json.dumps(content), flush=True)
    return status


def _annotated(order: AnnotationOrder) -> AnnotationResult:
    from pathlib import Path

    from spatialvlm_ros.models.spatial_vlm import SpatialVLM
    from spatialvlm_ros.rewards.recordings.annotate import annotate
    from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
    from spatialvlm_ros.rewards.recordings.episode import EpisodeInfo, Provenance
    from spatialvlm_ros.rewards.recordings.registry import open_recording, output_path
    from spatialvlm_ros.rewards.reward import RewardEngine
    from spatialvlm_ros.rewards.task_file import to_plain
    from spatialvlm_ros.rewards.templates import task_of

    recording, task = open_recording(order.bag), task_of(order.task)
    target = Path(order.out) if order.out else output_path(recording, "copy")
    model = SpatialVLM.from_pretrained(order.model)
    settings = {"mode": order.mode}
    provenance = Provenance(to_plain(task), order.gamma, order.model, recording.camera_name, settings, order.follow)
    report = target.with_name(f"{target.stem if target.suffix else target.name}_report")
    writer = RecordingWriter(recording, report, target, "copy", provenance)
    total, done = sum(e.frames for e in recording.episodes()), 0

    def count(pictures: int) -> None:
        nonlocal done
        if done // _EVERY != (done + pictures) // _EVERY:
            _say({"done": done + pictures, "total": total}, 0)
        done += pictures

    def engine(_: EpisodeInfo) -> RewardEngine:
        return RewardEngine(task, gamma=order.gamma, mode=order.mode)

    outcome = annotate(recording, writer, engine, model, progress=count, follow=order.follow)
    if outcome.failed:
        name, fault = next(iter(outcome.failed.items()))
        raise AnnotationError(f"{name} could not be annotated: {fault}")
    return AnnotationResult(str(writer.finish()), outcome.frames, outcome.valid)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
