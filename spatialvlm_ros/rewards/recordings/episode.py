"""What a recording is for rewards: episodes of pictures, and what is written for each picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DatasetError, SourceError
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.recordings.intrinsics import Intrinsics
from spatialvlm_ros.rewards.recordings.journal import Journal
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

# As the node's parameter reward_follow: a recording is judged as the node would have judged it live.
FOLLOW = True
# What is said of a picture without a reward that comes before the next control step is over.
BETWEEN = "Between two control steps."


@dataclass(frozen=True)
class EpisodeInfo:
    """One episode.

    Attributes:
        number: as the format counts it.
        name: as the format names it, e.g. "demo_3".
        frames: pictures in it, damaged ones included.
        steps: from one picture to the next: as many as the format has rows, each with an action and a reward. Formats
            that do not keep the picture after the last action have as many pictures as steps, the others one more.
        instruction: what was to be done, in words, where the recording says it.
        fault: why it cannot be read, where that is known when the recording is opened.
    """

    number: int
    name: str
    frames: int
    steps: int
    instruction: str = ""
    fault: SourceError | None = None


@dataclass(frozen=True)
class Frame:
    """One picture of an episode.

    Attributes:
        index: from 0.
        stamp_ns: its time in nanoseconds.
        observation: None where the picture cannot be used; a damaged picture keeps its place.
        gripper: (3,) tool centre point in the optical frame, metres, where the recording says it; else None.
        reason: why there is none; `Reason.OK` where there is one.
        detail: one sentence for people.
        camera_pose: takes the optical frame of a camera that moves into a frame that stands still; None of a camera
            that stands still.
        placed: whether ``camera_pose`` is known, or not needed. Objects are not followed into a picture of a camera
            that has moved nobody knows where.
        faults: what is amiss with the picture, and what of it could not be used: name -> sentence, as the node says it
            live (``depth_not_registered``, ``depth_unreadable``; ``gripper_frame`` for one that is named, and is not
            linked to the camera).
    """

    index: int
    stamp_ns: int
    observation: Observation | None
    gripper: Float | None = None
    reason: Reason = Reason.OK
    detail: str = ""
    camera_pose: Transform | None = None
    placed: bool = True
    faults: Mapping[str, str] = field(default_factory=dict)


class Recording(Protocol):
    """An open recording of one format.

    Attributes:
        path: of the recording.
        format: name in the registry of formats.
        camera_name: the camera whose pictures are read.
        cameras: all that it holds.
        intrinsics: where the camera model comes from.
        notes: what was asked for and is not there, or not in all pictures, in sentences; the recording is whole.
    """

    path: Path
    format: str
    camera_name: str
    cameras: tuple[str, ...]
    intrinsics: Intrinsics
    notes: tuple[str, ...]

    @property
    def problems(self) -> Mapping[str, int]:
        """What of it is lost and in no episode: what it is -> how often."""
        ...

    def episodes(self) -> Sequence[EpisodeInfo]:
        """All episodes, empty ones included."""
        ...

    def frames(self, episode: EpisodeInfo, start: int = 0) -> Iterator[Frame]:
        """The pictures from number ``start`` on, one at a time: an episode need not fit into memory.

        Raises:
            SourceError: nothing of the episode can be read.
            CameraModelError: the camera model is missing or of another picture size.
        """
        ...

    def fingerprint(self) -> str:
        """Changes when the recording changes: then the result is written anew."""
        ...

    def episode_fingerprint(self, episode: EpisodeInfo) -> str:
        """Changes when one episode changes; what is judged already is kept for the same episode only.

        It is told of an episode that cannot be read, too.
        """
        ...


_NUMBERS = (
    "reward",
    "reward_std",
    "base",
    "potential",
    "potential_std",
    "potential_low",
    "potential_high",
    "success_probability",
)


@dataclass(frozen=True)
class EpisodeAnnotations:
    """What is known of an episode with T pictures and the T - 1 steps between them.

    Where the picture after the last action was not recorded, it is the last of the T all the same: as one that was not
    seen.

    Attributes:
        stamp_ns: (T,) time of each picture in nanoseconds.
        reward: (T,) of the step that ends in this picture. Finite also where it is not valid, so that discounted sums
            stay what they have to be (see `rewards.shaping`); NaN only where an episode could not be read at all.
        reward_std: (T,) its standard deviation from measuring.
        base: (T,) the sparse reward in it; what is left is shaping.
        potential: (T,) 0 (nothing done) .. 1 (done) as measured in the picture; NaN where it is not known.
        potential_std, potential_low, potential_high: (T,) its deviation and 90% interval; NaN likewise.
        success: (T,) the task is done in this picture.
        success_probability: (T,) NaN where it cannot be judged.
        valid: (T,) the potential that the reward rests on is known.
        reason: T codes, `Reason.OK` exactly where valid.
        phase: T names of phases of the task.
        terms: T texts, each a JSON list with a mapping for each term of the phase.
        detail: T sentences for people, many of them "".
        faults: T texts, each the names of `Frame.faults` with spaces between them, most of them "".
    """

    stamp_ns: Int
    reward: Float
    reward_std: Float
    base: Float
    potential: Float
    potential_std: Float
    potential_low: Float
    potential_high: Float
    success: Bool
    success_probability: Float
    valid: Bool
    reason: tuple[str, ...]
    phase: tuple[str, ...]
    terms: tuple[str, ...]
    detail: tuple[str, ...]
    faults: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {f.name: len(getattr(self, f.name)) for f in fields(self)}
        if len(set(lengths.values())) > 1:
            raise DatasetError("the parts of annotations differ in length", lengths, "Give one entry a picture.")

    def __len__(self) -> int:
        return len(self.valid)

    @staticmethod
    def refused(length: int, reason: Reason, detail: str) -> EpisodeAnnotations:
        """Those of an episode of which nothing is known."""
        unknown, no = np.full(length, np.nan), np.zeros(length, dtype=bool)
        return EpisodeAnnotations(
            stamp_ns=np.zeros(length, dtype=np.int64),
            **dict.fromkeys(_NUMBERS, unknown),
            **dict.fromkeys(("success", "valid"), no),
            reason=(str(reason),) * length,
            phase=("",) * length,
            terms=("[]",) * length,
            detail=(detail,) * length,
            faults=("",) * length,
        )


@dataclass(frozen=True)
class Provenance:
    """How rewards came about; it is written beside them.

    Attributes:
        task: the task's specification or words.
        gamma: discount of the learner.
        model: that measured.
        camera: name of the camera.
        settings: everything else that the rewards depend on, as plain values.
        follow: whether objects were followed from picture to picture.
    """

    task: Any
    gamma: float
    model: str
    camera: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    follow: bool = FOLLOW

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        own = {"task": self.task, "gamma": self.gamma, "model": self.model, "camera": self.camera}
        return {**own, **dict(self.settings), "follow": self.follow}


class AnnotationWriter(Protocol):
    """Keeps the annotations of a run and puts them into the format of the recording."""

    @property
    def provenance(self) -> Provenance:
        """How the annotations come about; what is kept of a run with another one is not gone on with."""
        ...

    def journal(self, episode: EpisodeInfo, queries: Sequence[Query]) -> Journal:
        """What has been measured of an episode so far."""
        ...

    def done(self, episode: EpisodeInfo) -> bool:
        """Whether this episode is already written; an interrupted run skips it."""
        ...

    def read(self, episode: EpisodeInfo) -> EpisodeAnnotations:
        """The annotations of an episode that is done."""
        ...

    def write(self, episode: EpisodeInfo, annotations: EpisodeAnnotations) -> None:
        """Keep the annotations of an episode, in one step."""
        ...

    def finish(self) -> Path:
        """Put everything into the format of the recording, in one step; returns the path.

        Episodes that were never written are marked as not valid throughout.
        """
        ...
