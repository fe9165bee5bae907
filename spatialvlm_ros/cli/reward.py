"""`spatialvlm reward annotate`: a reward for every picture of a recording; run again, it goes on where it stopped."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spatialvlm_ros.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from spatialvlm_ros.rewards.recordings.annotate import Outcome
    from spatialvlm_ros.rewards.recordings.beliefs import Beliefs
    from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
    from spatialvlm_ros.rewards.recordings.episode import EpisodeAnnotations, EpisodeInfo, Provenance, Recording
    from spatialvlm_ros.rewards.recordings.plan import Plan

ANNOTATE = "annotate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand and of what it can do."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, help="what is to be done")
    annotate = actions.add_parser(
        ANNOTATE,
        help="write a reward for every picture of a recording",
        description="Rewards for an MCAP/rosbag2 recording, a LeRobot data set or a robomimic file, in its own format. "
        "The original is not changed. Run the same command again to resume.",
    )
    annotate.add_argument("recording", type=Path, metavar="PATH", help="bag, LeRobot folder or robomimic HDF5 file")
    annotate.add_argument(
        "--task", default=None, help="a name, a sentence or a YAML file; by default what each episode says it is"
    )
    annotate.add_argument("--gamma", type=float, required=True, help="discount of the learner per control step")
    annotate.add_argument("--out", type=Path, default=None, help="what is written; PATH_rewards beside it by default")
    annotate.add_argument(
        "--into", choices=("copy", "beside"), default="copy", help="a copy, or a file of rewards only"
    )
    annotate.add_argument(
        "--view", default=None, metavar="CAMERA", help="topic, feature or observation of the pictures"
    )
    annotate.add_argument("--model", default="embedded", help='"embedded", a folder, a hub id, or "openai:URL#model"')
    annotate.add_argument("--batch", type=int, default=16, help="pictures that the model looks at together")
    annotate.add_argument("--known-size", action="append", default=[], metavar="NAME=W,D,H", help="metres; repeatable")
    annotate.add_argument(
        "--follow",
        action=argparse.BooleanOptionalAction,
        default=True,  # that of the node's reward_follow
        help="follow objects from picture to picture, as the node does, or measure each picture alone",
    )
    annotate.add_argument(
        "--filter", action="store_true", help="filter lengths over time, as the node's parameter filter does"
    )
    _add_camera(annotate)
    _add_beliefs(annotate)
    _add_learner(annotate)
    annotate.add_argument(
        "--pages", type=int, default=50, help="pages of at most so many episodes (they need matplotlib); 0 for none"
    )
    annotate.add_argument("--no-progress", action="store_true", help="no progress bar")


def _add_camera(parser: argparse.ArgumentParser) -> None:
    camera = parser.add_argument_group("camera, where the recording does not hold it (or a camera.yaml beside it)")
    camera.add_argument("--hfov", type=float, default=None, help="horizontal field of view in degrees, 5 to 170")
    camera.add_argument("--camera", default=None, metavar="fx,fy,cx,cy", help="in pixels")


def _add_beliefs(parser: argparse.ArgumentParser) -> None:
    beliefs = parser.add_argument_group("what is believed besides the pictures, in bags (depth in robomimic files too)")
    beliefs.add_argument(
        "--gripper-frame", default=None, metavar="FRAME", help="frame at the tool centre point, for bags with /tf"
    )
    beliefs.add_argument(
        "--support-frame", default=None, metavar="FRAME", help="frame whose z = 0 things stand on, for bags with /tf"
    )
    beliefs.add_argument(
        "--level-frame",
        action="append",
        default=[],
        metavar="FRAME",
        help="frame whose z axis points up; repeatable, the first one known wins; map, odom and world by default",
    )
    beliefs.add_argument("--no-depth", action="store_true", help="look at the pictures alone")
    beliefs.add_argument(
        "--no-tf", action="store_true", help="take neither the vertical nor the place of the camera from /tf"
    )
    beliefs.add_argument(
        "--no-imu", action="store_true", help="do not take the vertical from an IMU where /tf tells none"
    )
    beliefs.add_argument(
        "--slop-s", type=float, default=None, help="most seconds between a picture and its depth, 0.03 by default"
    )


def _add_learner(parser: argparse.ArgumentParser) -> None:
    learner = parser.add_argument_group("what the learner does (docs/rewards.md)")
    learner.add_argument("--mode", choices=("potential", "absolute"), default="potential", help="shaping, or potential")
    learner.add_argument("--every", type=int, default=1, help="control steps from one picture to the next")
    learner.add_argument(
        "--step-s", type=float, default=0.0, help="seconds of a control step, for bags; each picture is one by default"
    )
    learner.add_argument(
        "--unseen",
        choices=("kept", "dropped"),
        default="",
        help="pictures without a potential; by default kept, and dropped in bags, whose messages hold no number there",
    )
    learner.add_argument(
        "--end",
        choices=("truncated", "terminated"),
        default="truncated",
        help="the recording stops and the task could go on, or each episode ends the task",
    )


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say; 1 where something could not be read, or an episode has no valid reward."""
    return _ACTIONS[args.action](args)


def _annotate(args: argparse.Namespace) -> int:
    from spatialvlm_ros.models.loading import fingerprint_of
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM
    from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
    from spatialvlm_ros.rewards.recordings.plan import report_folder, tasks_of
    from spatialvlm_ros.rewards.recordings.registry import open_recording, output_path

    plan = _plan(args)
    if args.pages < 0:
        raise ConfigError("a number of pages is 0 or more", args.pages, "Write --pages 0 for none.")
    recording = open_recording(
        args.recording, args.view, args.hfov, args.camera, plan.gripper_frame, plan.support_frame, plan.beliefs
    )
    plan.check(recording)
    tasks = tasks_of(recording, args.task or "")
    target = args.out or output_path(recording, args.into)
    model = SpatialVLM.from_pretrained(args.model)
    provenance = plan.provenance(recording, tasks, fingerprint_of(model.backend))
    writer = RecordingWriter(recording, report_folder(target), target, args.into, provenance)
    episodes = recording.episodes()
    with _progress(sum(e.frames for e in episodes), not args.no_progress) as report:
        outcome = plan.carry_out(recording, writer, tasks, model, report)
    written = writer.finish()
    if args.pages > 0:
        _write_pages(writer, recording, provenance, outcome, args.pages)
    return _say(outcome, written, writer.folder)


def _plan(args: argparse.Namespace) -> Plan:
    from spatialvlm_ros.rewards.recordings.plan import Plan

    return Plan(
        gamma=args.gamma,
        mode=args.mode,
        every=args.every,
        unseen=args.unseen,
        end=args.end,
        step_s=args.step_s,
        filtered=args.filter,
        follow=args.follow,
        batch=args.batch,
        known_sizes=dict(_known_size(text) for text in args.known_size),
        gripper_frame=args.gripper_frame,
        support_frame=args.support_frame,
        beliefs=_beliefs(args),
        model=args.model,
    )


def _beliefs(args: argparse.Namespace) -> Beliefs:
    from spatialvlm_ros.rewards.recordings.beliefs import Beliefs

    usual = Beliefs()
    return Beliefs(
        use_depth=not args.no_depth,
        use_tf=not args.no_tf,
        use_imu=not args.no_imu,
        level_frames=tuple(args.level_frame) or usual.level_frames,
        slop_s=usual.slop_s if args.slop_s is None else args.slop_s,
    )


def _known_size(text: str) -> tuple[str, tuple[float, ...]]:
    name, _, numbers = text.partition("=")
    try:
        size = tuple(float(part) for part in numbers.split(","))
    except ValueError:
        size = ()
    if not name.strip() or len(size) != 3:
        raise ConfigError("a known size is a name and three lengths", text, 'Write --known-size "mug=0.08,0.08,0.1".')
    return name.strip(), size


@contextmanager
def _progress(total: int, show: bool) -> Iterator[Callable[[int], None]]:
    from spatialvlm_ros.evaluation.evaluate import progress_bar

    with progress_bar(total, "annotate", show) as report:
        yield report


def _write_pages(
    writer: RecordingWriter, recording: Recording, provenance: Provenance, outcome: Outcome, most: int
) -> None:
    """Pages of at most so many episodes, spread over the recording, and the list of all."""
    from spatialvlm_ros.rewards.recordings.annotate import problems_of
    from spatialvlm_ros.rewards.recordings.page import write_episode_page, write_index
    from spatialvlm_ros.rewards.recordings.writing import writing

    episodes = [episode for episode in recording.episodes() if episode.frames and writer.done(episode)]
    shown = set(range(0, len(episodes), -(-len(episodes) // most)))

    def judged() -> Iterator[tuple[EpisodeInfo, EpisodeAnnotations, str]]:
        for number, episode in enumerate(episodes):
            annotations, path = writer.read(episode), writer.page(episode)
            if number in shown:
                write_episode_page(path, recording, episode, annotations, provenance)
            yield episode, annotations, path.name if number in shown else ""

    try:
        with writing(writer.folder):
            write_index(writer.folder, recording, judged(), " ".join(problems_of(outcome)))
    except MissingDependencyError as error:  # the rewards are written; only their pages are not
        sys.stderr.write(f"No pages: {error}\n")


def _say(outcome: Outcome, written: Path, report: Path) -> int:
    from spatialvlm_ros.rewards.recordings.annotate import problems_of

    for line in problems_of(outcome):
        sys.stderr.write(f"{line}\n")
    share = f"{outcome.valid:,} of {outcome.frames:,} pictures"
    if outcome.between:
        share += f" ({outcome.between:,} between two control steps have none)"
    count = "1 episode" if outcome.episodes == 1 else f"{outcome.episodes} episodes"
    print(f"{written}: {count}, {share} with a valid reward. How it came about: {report}")
    return 1 if outcome.failed or outcome.unrewarded or outcome.lost else 0


_ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {ANNOTATE: _annotate}
