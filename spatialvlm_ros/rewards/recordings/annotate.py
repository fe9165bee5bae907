"""Judging recordings: pictures in batches through the model, then one reward for each, episode by episode."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spatialvlm_ros.errors import (
    CameraModelError,
    ConfigError,
    DatasetError,
    ModelError,
    ObservationError,
    SourceError,
    SpatialVLMError,
)
from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.models.gaps import DEPTH_FAULTS
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.control_steps import ControlSteps
from spatialvlm_ros.rewards.frames import RewardFrame, RewardTerm
from spatialvlm_ros.rewards.looking import Sight, look_at_all, not_measured
from spatialvlm_ros.rewards.recordings.episode import (
    BETWEEN,
    FOLLOW,
    AnnotationWriter,
    EpisodeAnnotations,
    EpisodeInfo,
    Frame,
    Recording,
)
from spatialvlm_ros.rewards.recordings.journal import MeasuredPicture
from spatialvlm_ros.rewards.recordings.measuring import UNREADABLE, EpisodeMeasurer, may_pass
from spatialvlm_ros.rewards.recordings.registry import check_unseen
from spatialvlm_ros.rewards.reward import EngineSettings

if TYPE_CHECKING:
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

_log = logging.getLogger(__name__)

TRUNCATED, TERMINATED = "truncated", "terminated"
ENDS = (TRUNCATED, TERMINATED)
KnownSizes = Mapping[str, Sequence[float]]
_GO_ON = "What was measured so far is kept: do the same again to go on there."
_NOT_RECORDED = "The picture after the last action was not recorded."


class Engine(Protocol):
    """Turns the measurements of one picture after the other into rewards (`rewards.reward.RewardEngine`)."""

    @property
    def settings(self) -> EngineSettings:
        """How the rewards are made."""
        ...

    def queries(self) -> Sequence[Query]:
        """What has to be measured in every picture."""
        ...

    def step(
        self,
        estimates: Sequence[Estimate],
        terminated: bool = False,
        truncated: bool = False,
        *,
        stamp_ns: int | None = None,
        steps: int | None = None,
    ) -> RewardFrame:
        """Judge the next picture."""
        ...


EngineFactory = Callable[[EpisodeInfo], Engine]

_MOST_LINES = 20  # about episodes with the same fault


@dataclass
class Outcome:
    """What became of a run.

    Attributes:
        episodes, frames, valid: judged in this run or an earlier one; ``valid`` have a reward.
        between: pictures without a reward because they come between two control steps.
        refused: why pictures have no valid reward -> their number.
        unreadable: pictures that could not be read, by episode.
        empty: names of episodes without pictures.
        lost: what of the recording could not be read or used -> how often. Depth of a picture that was looked at
            without it is among it, also where that was in an earlier run.
        notes: what was asked for and is not in the recording, in sentences.
        failed: name of an episode -> the error that kept it from being judged.
        unrewarded: names of episodes that were judged, and not one of their pictures has a valid reward.
    """

    episodes: int = 0
    frames: int = 0
    valid: int = 0
    between: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, int] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    failed: dict[str, SpatialVLMError] = field(default_factory=dict)
    unrewarded: list[str] = field(default_factory=list)


def annotate(
    recording: Recording,
    writer: AnnotationWriter,
    engine_factory: EngineFactory,
    model: SpatialVLM,
    batch: int = 16,
    end: str = TRUNCATED,
    known_sizes: KnownSizes | None = None,
    progress: Callable[[int], None] = lambda pictures: None,
    follow: bool = FOLLOW,
    step_s: float = 0.0,
) -> Outcome:
    """Judge all episodes of a recording that are not judged yet.

    What is measured is kept batch by batch, and each episode when it is finished, so that a run that was interrupted
    goes on there, with the same numbers as one that was not. A damaged picture keeps its place and gets no reward; an
    episode that cannot be read is reported and left out.

    Args:
        recording: where the pictures come from.
        writer: where the annotations go; call its ``finish`` afterwards.
        engine_factory: makes the engine of an episode.
        model: that measures.
        batch: pictures that the model looks at together.
        end: "truncated": the recording stops, the task could go on; "terminated": the end of each episode is one of the
            task, after which there is nothing more to earn (its potential is 0 by definition).
        known_sizes: name -> (width, depth, height) in metres of objects whose size is known.
        progress: called with the number of pictures done.
        follow: follow the task's objects from picture to picture instead of measuring each alone, where a picture tells
            enough (`following.follower.can_follow`); each episode by itself. The camera stands still, or the recording
            tells how it moves. By default as the node does, so that a recording is measured as it would have been
            live. The provenance of the writer has to say the same.
        step_s: seconds of a control step, for recordings with times of their own: a picture that comes before a step is
            over has no reward, after a gap the steps in it count. 0: each picture is one.

    Raises:
        ConfigError: a setting out of its range, or another one than that of the writer's provenance; an engine whose
            learner does something else with unseen pictures than those of this format (`registry.check_unseen`).
        SourceError: the recording has no episode with pictures, or none can be read.
        CameraModelError: no episode has a camera; one that has none, or other pictures than the camera, is left out.
        QueryError, MissingDependencyError: what would go wrong in every episode.
        ModelError: the model fails now and may not later (a server is down, memory is short). That is no measurement:
            what was measured before is kept, and the same call goes on there.
        OutputError: the disk is full, or nothing may be written; likewise.
    """
    check_settings(batch, end, step_s)
    if writer.provenance.follow != follow:
        raise ConfigError(
            "the provenance says otherwise of following",
            writer.provenance.follow,
            f"Write Provenance(follow={follow}).",
        )
    outcome = Outcome(lost=Counter(recording.problems), notes=list(recording.notes))
    episodes = recording.episodes()
    run = _Run(recording, writer, model, batch, end, known_sizes, progress, follow, step_s)
    for episode in episodes:
        if episode.fault is not None:
            _leave_out(outcome, recording, episode, episode.fault)
            continue
        if episode.frames == 0:
            outcome.empty.append(episode.name)
            _log.warning("%s of %s is empty", episode.name, recording.path)
            continue
        try:
            annotations = run.annotations(episode, engine_factory)
        except ModelError as error:
            raise _stopped(error) from error
        except (SourceError, DatasetError, ObservationError, CameraModelError) as error:
            _leave_out(outcome, recording, episode, error)
            continue
        _count(outcome, episode, annotations)
    if not outcome.episodes:
        raise _nothing(recording, outcome)
    return outcome


def _leave_out(outcome: Outcome, recording: Recording, episode: EpisodeInfo, error: SpatialVLMError) -> None:
    outcome.failed[episode.name] = error
    _log.warning("%s of %s is left out: %s", episode.name, recording.path, error)


def check_settings(batch: int, end: str, step_s: float) -> None:
    """Complain of what `annotate` cannot work with, as it does itself.

    Raises:
        ConfigError: a setting out of its range.
    """
    if isinstance(batch, bool) or batch < 1:
        raise ConfigError("a batch has at least one picture", batch, "Pass 1 or more.")
    if end not in ENDS:
        raise ConfigError("an episode is truncated or terminated", end, f"Pass one of {', '.join(ENDS)}.")
    ControlSteps(step_s)


def _stopped(error: ModelError) -> ModelError:
    return type(error)(error.fault, error.value, f"{error.remedy} {_GO_ON}".strip())


def _nothing(recording: Recording, outcome: Outcome) -> SpatialVLMError:
    no_camera = [error for error in outcome.failed.values() if isinstance(error, CameraModelError)]
    if no_camera:  # the one thing that can be given from outside
        return no_camera[0]
    if outcome.failed:
        name, error = next(iter(outcome.failed.items()))
        fault = f"no episode of {recording.path} can be read; {name}: {error.fault}"
        return SourceError(fault, error.value, f"{error.remedy} The original is as it was.".strip())
    names = outcome.empty or "no episodes at all"
    return SourceError(f"{recording.path} has no pictures to judge", names, "Its episodes are empty.")


def _count(outcome: Outcome, episode: EpisodeInfo, annotations: EpisodeAnnotations) -> None:
    outcome.episodes += 1
    outcome.frames += episode.frames
    valid = int(annotations.valid[: episode.frames].sum())
    outcome.valid += valid
    if not valid:
        outcome.unrewarded.append(episode.name)
    outcome.between += annotations.detail.count(BETWEEN)
    recorded = zip(annotations.valid[: episode.frames], annotations.detail, strict=False)
    outcome.refused.update(detail for valid, detail in recorded if not valid and detail != BETWEEN)
    faults = [name for names in annotations.faults for name in names.split()]
    outcome.lost.update(name.replace("_", " ") for name in faults if name in DEPTH_FAULTS)  # frames are in the notes
    unreadable = sum(UNREADABLE in detail for detail in annotations.detail)
    if unreadable:
        outcome.unreadable[episode.name] = unreadable


def problems_of(outcome: Outcome) -> list[str]:
    """One sentence for each thing that went wrong; of each kind the first few episodes, and how many more."""
    lines = [f"The recording is damaged: {count} x {what}." for what, count in sorted(outcome.lost.items())]
    lines += outcome.notes
    unreadable = sorted(outcome.unreadable.items())
    lines += _first_few([f"{name}: {count} pictures could not be read." for name, count in unreadable])
    lines += _first_few([f"{name} is empty." for name in outcome.empty])
    lines += [f"{count} pictures without a valid reward: {why}" for why, count in outcome.refused.most_common(3)]
    lines += _first_few([f"{name} has not one picture with a valid reward." for name in outcome.unrewarded])
    return lines + _first_few([f"{name} is left out: {error}" for name, error in sorted(outcome.failed.items())])


def _first_few(lines: list[str]) -> list[str]:
    """A set of thousands of episodes that all lack the same thing would fill the screen."""
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"So it is with {more} more episodes."]


@dataclass(frozen=True)
class _Run:
    """The settings of one call of `annotate`."""

    recording: Recording
    writer: AnnotationWriter
    model: SpatialVLM
    batch: int
    end: str
    known_sizes: KnownSizes | None
    progress: Callable[[int], None]
    follow: bool
    step_s: float

    def annotations(self, episode: EpisodeInfo, engine_factory: EngineFactory) -> EpisodeAnnotations:
        """Those that are kept, or new ones."""
        kept = self._kept(episode)
        if kept is not None:
            self.progress(episode.frames)
            return kept
        engine = engine_factory(episode)
        check_unseen(self.recording, engine.settings.discount.unseen)
        judged: list[RewardFrame] = []
        stamps: list[int] = []
        faults: list[str] = []
        clock = ControlSteps(self.step_s)
        for measured in self._measured(episode, tuple(engine.queries())):
            last = len(judged) == episode.steps
            steps = clock.until(measured.stamp_ns, last and self.end == TERMINATED)
            if steps:
                judged.append(self._step(engine, measured.estimates, measured.stamp_ns, last, steps))
            else:
                judged.append(_between(judged[-1]))
            stamps.append(measured.stamp_ns)
            faults.append(" ".join(measured.faults))
        if len(judged) != episode.frames:
            raise SourceError(
                f"{episode.name} has {episode.frames} pictures, and so many came", len(judged), "It changed meanwhile."
            )
        if len(judged) == episode.steps:  # the picture after the last action is not there, but its reward is wanted
            unseen = not_measured(engine.queries(), Reason.TIMEOUT, _NOT_RECORDED)
            judged.append(self._step(engine, unseen, stamps[-1], True, None))
            stamps.append(stamps[-1])
            faults.append("")
        annotations = _as_arrays(stamps, judged, faults)
        self.writer.write(episode, annotations)
        return annotations

    def _kept(self, episode: EpisodeInfo) -> EpisodeAnnotations | None:
        """Those of an episode that is done; damaged ones are made again of what was measured."""
        if not self.writer.done(episode):
            return None
        try:
            return self.writer.read(episode)
        except DatasetError as error:
            _log.warning("%s is judged again: %s", episode.name, error)
            return None

    def _step(
        self, engine: Engine, estimates: Sequence[Estimate], stamp_ns: int, last: bool, steps: int | None
    ) -> RewardFrame:
        terminated, truncated = last and self.end == TERMINATED, last and self.end == TRUNCATED
        return engine.step(estimates, terminated, truncated, stamp_ns=stamp_ns, steps=steps if self.step_s else None)

    def _measured(self, episode: EpisodeInfo, queries: Sequence[Query]) -> Iterator[MeasuredPicture]:
        """What is kept of an episode, and then the rest of it, batch by batch."""
        journal, measurer = self.writer.journal(episode, queries), EpisodeMeasurer(queries, self.follow)
        kept = journal.read(self.batch)
        # Nothing has to be remembered of the pictures before the first into which something was followed.
        pictures = iter(kept)
        self.progress(kept.alone)
        yield from islice(pictures, kept.alone)
        frames = self.recording.frames(episode, kept.alone)
        for one, frame in zip(pictures, frames, strict=False):
            measurer.remember(frame, one)
            self.progress(1)
            yield one
        while part := list(islice(frames, self.batch)):
            measured = self._look(part, measurer)
            journal.append(measured)
            self.progress(len(part))
            yield from measured

    def _look(self, frames: Sequence[Frame], measurer: EpisodeMeasurer) -> list[MeasuredPicture]:
        """Look at a batch in one pass, and measure its pictures in their order."""
        views = iter(self._views([Sight(f.observation, f.gripper) for f in frames if f.observation is not None]))
        return [measurer.measure(frame, None if frame.observation is None else next(views)) for frame in frames]

    def _views(self, sights: Sequence[Sight]) -> list[Any]:
        """A view of each, or the error that the model raised."""
        if not sights:
            return []
        try:
            return list(look_at_all(self.model, sights, self.known_sizes))
        except (ModelError, ObservationError) as error:
            if len(sights) == 1 and may_pass(error):
                raise
            if len(sights) == 1:
                return [error]
            _log.debug("a batch failed, its pictures one by one: %s", error)
        return [view for sight in sights for view in self._views([sight])]  # one bad picture fails no others


def _between(before: RewardFrame) -> RewardFrame:
    """Of a picture that comes before the next control step is over: it says nothing."""
    nan = math.nan
    return replace(
        before,
        reward=0.0,
        reward_std=0.0,
        base=0.0,
        shaping=0.0,
        potential=nan,
        progress=nan,
        potential_std=nan,
        potential_interval=(nan, nan),
        success=False,
        success_probability=nan,
        terms=(),
        valid=False,
        reason=Reason.STALE,
        detail=BETWEEN,
        steps=0,
    )


def _as_arrays(stamps: Sequence[int], judged: Sequence[RewardFrame], faults: Sequence[str]) -> EpisodeAnnotations:
    def numbers(name: str) -> np.ndarray:
        return np.array([getattr(frame, name) for frame in judged], dtype=np.float64)

    interval = np.array([frame.potential_interval for frame in judged], dtype=np.float64).reshape(-1, 2)
    return EpisodeAnnotations(
        stamp_ns=np.array(stamps, dtype=np.int64),
        reward=numbers("reward"),
        reward_std=numbers("reward_std"),
        base=numbers("base"),
        potential=numbers("progress"),
        potential_std=numbers("potential_std"),
        potential_low=interval[:, 0],
        potential_high=interval[:, 1],
        success=np.array([frame.success for frame in judged], dtype=bool),
        success_probability=numbers("success_probability"),
        valid=np.array([frame.valid for frame in judged], dtype=bool),
        reason=tuple(str(frame.reason) for frame in judged),
        phase=tuple(frame.phase for frame in judged),
        terms=tuple(json.dumps([_term(term) for term in frame.terms]) for frame in judged),
        detail=tuple(frame.detail for frame in judged),
        faults=tuple(faults),
    )


def _term(term: RewardTerm) -> dict[str, Any]:
    """Plain values; what is not known is None."""
    value, std = (number if math.isfinite(number) else None for number in (term.value, term.std))
    return {
        "name": term.name,
        "value": value,
        "std": std,
        "unit": term.unit,
        "weight": term.weight,
        "valid": term.valid,
    }
