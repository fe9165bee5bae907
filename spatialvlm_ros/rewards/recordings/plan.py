"""How the rewards of a recording are made: all settings that they depend on, for everybody who annotates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.known_sizes import checked_sizes
from spatialvlm_ros.rewards.recordings.annotate import TRUNCATED, Outcome, annotate, check_settings
from spatialvlm_ros.rewards.recordings.beliefs import Beliefs
from spatialvlm_ros.rewards.recordings.episode import FOLLOW, EpisodeInfo, Provenance, Recording
from spatialvlm_ros.rewards.recordings.registry import check_step, check_unseen, unseen_in
from spatialvlm_ros.rewards.reward import POTENTIAL, EngineSettings, RewardEngine
from spatialvlm_ros.rewards.shaping import Discount
from spatialvlm_ros.rewards.task import RewardTask
from spatialvlm_ros.rewards.task_file import to_plain
from spatialvlm_ros.rewards.templates import task_of
from spatialvlm_ros.tracking.settings import FilterSettings
from spatialvlm_ros.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from spatialvlm_ros.models.spatial_vlm import SpatialVLM
    from spatialvlm_ros.rewards.recordings.episode import AnnotationWriter

Size = tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """What is done with a recording.

    Attributes:
        gamma, mode, every: of the learner, as in `RewardEngine`.
        unseen: likewise; "" takes what is usual in the format of the recording.
        end: "truncated" or "terminated", as in `annotate`.
        step_s: seconds of a control step, for recordings with times of their own; 0: each picture is one.
        filtered: whether estimates are filtered over time.
        follow: whether objects are followed from picture to picture.
        batch: pictures that the model looks at together.
        known_sizes: name -> (width, depth, height) in metres.
        gripper_frame, support_frame, beliefs: with which the recording was opened.
        model: its name. model_options: how it was loaded, as plain values.
    """

    gamma: float
    mode: str = POTENTIAL
    every: int = 1
    unseen: str = ""
    end: str = TRUNCATED
    step_s: float = 0.0
    filtered: bool = False
    follow: bool = FOLLOW
    batch: int = 16
    known_sizes: Mapping[str, Size] = field(default_factory=dict)
    gripper_frame: str | None = None
    support_frame: str | None = None
    beliefs: Beliefs = field(default_factory=Beliefs)
    model: str = "embedded"
    model_options: Mapping[str, str] = field(default_factory=dict)

    def check(self, recording: Recording) -> None:
        """Complain of what cannot be, or does not fit a recording, before any work.

        Raises:
            ConfigError: a value out of its range; ``unseen`` or ``step_s`` is not for its format, or both ``step_s``
                and ``every`` are given.
            QueryError: a known size is none.
        """
        check_settings(self.batch, self.end, self.step_s)
        EngineSettings(Discount(self.gamma, self.every, self._unseen(recording)), self.mode)
        checked_sizes(self.known_sizes)
        check_unseen(recording, self._unseen(recording))
        check_step(recording, self.step_s)
        if self.step_s and self.every != 1:
            raise ConfigError("control steps are counted by time, or by pictures", self.every, "Leave every out.")

    def engine(self, recording: Recording, task: RewardTask) -> RewardEngine:
        """That of one episode."""
        return RewardEngine(
            task,
            gamma=self.gamma,
            mode=self.mode,
            every=self.every,
            unseen=self._unseen(recording),
            filtered=FilterSettings() if self.filtered else None,
        )

    def provenance(self, recording: Recording, tasks: Mapping[int, RewardTask], fingerprint: str) -> Provenance:
        """Everything that the rewards depend on; a run goes on only with the same.

        Args:
            recording: that is annotated.
            tasks: number of an episode -> its task.
            fingerprint: of the model's weights.
        """
        different = {task.name: to_plain(task) for task in tasks.values()}
        settings: dict[str, Any] = {
            "mode": self.mode,
            "every": self.every,
            "unseen": self._unseen(recording),
            "end": self.end,
            "step_s": self.step_s,
            "filtered": self.filtered,
            "batch": self.batch,
            "intrinsics": recording.intrinsics.source,
            "gripper_frame": self.gripper_frame,
            "support_frame": self.support_frame,
            **asdict(self.beliefs),
            "model_fingerprint": fingerprint,
            "model_options": dict(self.model_options),
            "known_sizes": {name: list(size) for name, size in sorted(self.known_sizes.items())},
            "version": __version__,
        }
        task = next(iter(different.values())) if len(different) == 1 else different
        return Provenance(task, self.gamma, self.model, recording.camera_name, settings, self.follow)

    def carry_out(
        self,
        recording: Recording,
        writer: AnnotationWriter,
        tasks: Mapping[int, RewardTask],
        model: SpatialVLM,
        progress: Callable[[int], None] = lambda pictures: None,
    ) -> Outcome:
        """Judge all episodes; see `annotate`."""

        def engine(episode: EpisodeInfo) -> RewardEngine:
            return self.engine(recording, tasks[episode.number])

        return annotate(
            recording,
            writer,
            engine,
            model,
            self.batch,
            self.end,
            dict(self.known_sizes) or None,
            progress,
            self.follow,
            self.step_s,
        )

    def _unseen(self, recording: Recording) -> str:
        return self.unseen or unseen_in(recording)


def tasks_of(recording: Recording, text: str) -> dict[int, RewardTask]:
    """Number of an episode -> its task; all are found out before any work is done.

    Args:
        recording: that is annotated.
        text: a name, a sentence or YAML for all episodes; "" for what each of them says it is.

    Raises:
        ConfigError: no such task, or an episode does not say what was to be done.
    """
    if text:
        task = task_of(text)
        return {episode.number: task for episode in recording.episodes()}
    episodes = [episode for episode in recording.episodes() if episode.frames and episode.fault is None]
    silent = [episode.name for episode in episodes if not episode.instruction]
    if silent:
        raise ConfigError("the recording does not say what was to be done", silent[0], "Give a task (--task).")
    tasks = {words: task_of(words) for words in dict.fromkeys(episode.instruction for episode in episodes)}
    return {episode.number: tasks[episode.instruction] for episode in episodes}


def report_folder(target: Path) -> Path:
    """Where the report of a result lies: beside it."""
    return target.with_name(f"{target.stem if target.suffix else target.name}_report")
