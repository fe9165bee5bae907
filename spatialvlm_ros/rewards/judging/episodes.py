"""One judged episode: the true potential and the estimated ones, frame by frame, and the file they are kept in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.evaluation.bench import write_file
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.query import GRIPPER_NAME
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.models.view import View
from spatialvlm_ros.rewards.following.follower import Follower
from spatialvlm_ros.rewards.from_truth import estimates_of_scene
from spatialvlm_ros.rewards.judging.settings import Case, JudgeSettings
from spatialvlm_ros.rewards.judging.sources import SOURCES, JudgedSource
from spatialvlm_ros.rewards.looking import Sight, look_at_all
from spatialvlm_ros.rewards.reward import RewardEngine
from spatialvlm_ros.rewards.task import RewardTask
from spatialvlm_ros.rewards.templates import template
from spatialvlm_ros.scenes.relations import Relation
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.robot.episodes import EpisodeFrame, EpisodeInfo, run_episode

Float = NDArray[np.float64]

_BATCH = 8  # pictures that the model looks at together
_GAMMA = 1.0  # potentials do not depend on it
_HIDDEN_TOO = -1.0  # what has been reached does not depend on what is seen of it


@dataclass(frozen=True)
class Curve:
    """A potential over an episode, (T,) each; NaN where it was not known.

    Attributes:
        potential, low, high: with the 90% interval.
        gap: metres between tool centre point and target.
        away: metres from the centre of the thing that was taken for the target to that of the target; NaN where
            nothing is followed.
    """

    potential: Float
    low: Float
    high: Float
    gap: Float
    away: Float

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(T,) whether the potential is known."""
        return np.isfinite(self.potential)

    @property
    def held(self) -> Float:
        """(T,) potential; the last known one where it is not known, 0 before the first: what a learner has."""
        last = np.maximum.accumulate(np.where(self.answered, np.arange(len(self.potential)), -1))
        return np.where(last >= 0, self.potential[np.maximum(last, 0)], 0.0)


@dataclass(frozen=True)
class EpisodeCurves:
    """A judged episode.

    Attributes:
        case: which one.
        instruction: in words.
        time_s: (T,) of its frames.
        done: (T,) whether the simulation says that the task is done.
        visible: (T,) share of the target that is seen, 0..1.
        true: the potential of the exact scene.
        estimated: source -> the one that was measured.
    """

    case: Case
    instruction: str
    time_s: Float
    done: NDArray[np.bool_]
    visible: Float
    true: Curve
    estimated: Mapping[str, Curve]

    @property
    def succeeded(self) -> bool:
        """What the script was to do, which the simulation has verified."""
        return self.case.outcome == "success"


def judge_episode(
    model: SpatialVLM, case: Case, settings: JudgeSettings, pack: AssetPack | None = None
) -> EpisodeCurves:
    """Simulate an episode and measure all of its frames.

    Raises:
        SimulationError: no such episode came about.
        ConfigError: its things have names that no task can be about.
    """
    return judge_frames(model, case, settings, list(_frames(case, settings, pack)))


def judge_frames(
    model: SpatialVLM, case: Case, settings: JudgeSettings, frames: Sequence[EpisodeFrame]
) -> EpisodeCurves:
    """Measure the frames of an episode."""
    task = reward_task(frames[0].episode)
    truth = [estimates_of_scene(frame.scene, task.queries, _HIDDEN_TOO) for frame in frames]
    target = [_labels(frame).index(frames[0].episode.target) for frame in frames]
    objects = [frame.scene.objects[k] for frame, k in zip(frames, target, strict=True)]
    return EpisodeCurves(
        case=case,
        instruction=frames[0].episode.instruction,
        time_s=np.array([frame.time_s for frame in frames]),
        done=np.array([frame.is_success for frame in frames]),
        visible=np.array([one.visible_fraction for one in objects]),
        true=curve(task, truth),
        estimated=_measured(model, frames, settings.sources, task),
    )


def _labels(frame: EpisodeFrame) -> list[str]:
    return [one.label for one in frame.scene.objects]


def reward_task(info: EpisodeInfo) -> RewardTask:
    """The template of the episode's task, about its objects."""
    names = {"target": info.target} | ({} if info.container is None else {"container": info.container})
    return template(info.task, **names)


def curve(task: RewardTask, rows: Iterable[Sequence[Estimate]], away: Sequence[float] = ()) -> Curve:
    """The potential of T frames from their estimates; the phases follow from the same estimates."""
    engine = RewardEngine(task, gamma=_GAMMA)
    frames, gaps = [], []
    for estimates in rows:
        frames.append(engine.step(estimates))
        found = [e.value for e in estimates if e.relation is Relation.GAP and e.valid and _is_of_gripper(e)]
        gaps.append(found[0] if found else np.nan)
    intervals = np.array([frame.potential_interval for frame in frames]).reshape(-1, 2)
    potential = np.array([frame.progress for frame in frames])
    far = np.array(away, dtype=np.float64) if len(away) else np.full(len(frames), np.nan)
    return Curve(potential, intervals[:, 0], intervals[:, 1], np.array(gaps), far)


def _is_of_gripper(estimate: Estimate) -> bool:
    return GRIPPER_NAME in (estimate.subject, estimate.reference)


def _frames(case: Case, settings: JudgeSettings, pack: AssetPack | None) -> Iterator[EpisodeFrame]:
    drawn = run_episode(case.task, case.outcome, case.seed, pack, settings.width, settings.height)
    return (frame for frame in drawn if frame.index % settings.every == 0 or frame.is_last)


def _observation(frame: EpisodeFrame) -> Any:
    observation = frame.scene.observation
    assert observation is not None  # an episode's scenes are pictures
    return observation


def _measured(
    model: SpatialVLM, frames: Sequence[EpisodeFrame], sources: Sequence[str], task: RewardTask
) -> dict[str, Curve]:
    """The curve of each source; a picture that several sources look at is encoded once."""
    runs = {name: _Run(SOURCES[name], task, frames[0]) for name in sources}
    for start in range(0, len(frames), _BATCH):
        batch = frames[start : start + _BATCH]
        sights = {name: [run.sight(frame) for frame in batch] for name, run in runs.items()}
        views = look_at_all(model, [sight for some in sights.values() for sight in some])
        for number, run in enumerate(runs.values()):
            for frame, view in zip(batch, views[number * len(batch) : (number + 1) * len(batch)], strict=True):
                run.measure(frame, view)
    return {name: curve(task, run.rows, run.away) for name, run in runs.items()}


class _Run:
    """One source through one episode."""

    def __init__(self, source: JudgedSource, task: RewardTask, first: EpisodeFrame) -> None:
        self._source, self._task = source, task
        self._names = [name for name in (first.episode.target, first.episode.container) if name is not None]
        self.rows: list[list[Estimate]] = []
        self.away: list[float] = []
        shown = {o.label: o.box2d.tolist() for o in first.scene.objects if o.label in self._names}
        self._follower = Follower(shown if source.pointed else None) if source.follows else None

    def sight(self, frame: EpisodeFrame) -> Sight:
        """What the model is shown of a frame."""
        return Sight(self._source.given(_observation(frame)), self._gripper(frame))

    def measure(self, frame: EpisodeFrame, view: View) -> None:
        """Keep the estimates of a frame, and how far what was followed is from the target."""
        if self._follower is None:
            self.rows.append(view.measure_many(self._task.queries))
            self.away.append(np.nan)
            return
        self.rows.append(self._follower.measure(view, self._task.queries, self._gripper(frame)))
        found = self._follower.where(self._names[0])
        truth = frame.scene.objects[_labels(frame).index(self._names[0])].box3d
        assert truth is not None
        self.away.append(np.nan if found is None else float(np.linalg.norm(found - truth.centers[0])))

    def _gripper(self, frame: EpisodeFrame) -> Float | None:
        return frame.tcp if self._source.gripper else None


# ---- the file of an episode ----


def write_curves(path: Path, curves: EpisodeCurves, provenance: Mapping[str, Any]) -> None:
    """Keep an episode, whole or not at all."""
    content = {
        "provenance": dict(provenance),
        "case": asdict(curves.case),
        "instruction": curves.instruction,
        "time_s": _plain(curves.time_s),
        "done": curves.done.tolist(),
        "visible": _plain(curves.visible),
        "true": _plain_curve(curves.true),
        "estimated": {name: _plain_curve(one) for name, one in curves.estimated.items()},
    }
    write_file(path, json.dumps(content).encode())


def read_curves(path: Path, provenance: Mapping[str, Any]) -> EpisodeCurves:
    """An episode that was kept.

    Raises:
        DatasetError: it was measured by another model or with other settings, or is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["provenance"] != dict(provenance):
            raise DatasetError(
                f"{path} was judged by another model or with other settings",
                content["provenance"],
                "Choose another folder for this run.",
            )
        return EpisodeCurves(
            Case(**content["case"]),
            content["instruction"],
            _array(content["time_s"]),
            np.array(content["done"], dtype=bool),
            _array(content["visible"]),
            _curve(content["true"]),
            {name: _curve(one) for name, one in content["estimated"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is damaged", str(error), "Delete it: it is judged again.") from error


def _plain(values: Float) -> list[float | None]:
    """All digits: a run that goes on ranks what it reads as it would have ranked what it measured."""
    return [v if np.isfinite(v) else None for v in values.tolist()]


def _array(values: Sequence[float | None]) -> Float:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _plain_curve(one: Curve) -> dict[str, list[float | None]]:
    return {name: _plain(values) for name, values in vars(one).items()}


def _curve(content: Mapping[str, Sequence[float | None]]) -> Curve:
    return Curve(**{name: _array(values) for name, values in content.items()})
