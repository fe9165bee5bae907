"""The runs that docs/reasoning.md reports: the same questions to exact geometry, to the picture, with depth, and to no
picture. What is finished in the folder is not asked again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.evaluation.bench import GIVEN, write_file
from spatialvlm_ros.models.loading import fingerprint_of
from spatialvlm_ros.reasoning.bench.controls import without_picture
from spatialvlm_ros.reasoning.bench.exact_friend import ExactFriend
from spatialvlm_ros.reasoning.bench.questions import Question, questions
from spatialvlm_ros.reasoning.bench.run import Judged, ask_all
from spatialvlm_ros.reasoning.bench.summary import Summary, summarise
from spatialvlm_ros.reasoning.friend import Friend
from spatialvlm_ros.reasoning.limits import Limits
from spatialvlm_ros.reasoning.task import Thinker
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene

if TYPE_CHECKING:
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

EXACT = "exact"
SUMMARY, ANSWERS = "summary.json", "answers.jsonl"

Track = Callable[[Iterable[Question], str], Iterable[Question]]


@dataclass(frozen=True)
class Setting:
    """Who is asked, and what it sees.

    Attributes:
        name: of its folder.
        friend: "exact" for the true geometry, or a model as `SpatialVLM.from_pretrained` takes it.
        given: of "depth", "up", "camera_height": what the model gets beside picture and camera.
        picture: False for the control that sees a grey nothing.
    """

    name: str
    friend: str
    given: tuple[str, ...] = ()
    picture: bool = True

    def __post_init__(self) -> None:
        unknown = sorted(set(self.given) - set(GIVEN))
        if unknown:
            raise ConfigError("this cannot be given to a model", unknown, f"Known: {', '.join(GIVEN)}.")


@dataclass(frozen=True)
class Asking:
    """What is asked.

    Attributes:
        llm: who leads the thoughts, by name.
        halves: of the wordings.
        per_form: questions of each form and half, and of each kind without an answer.
        scenes: number of scenes.
        split: of the rendered views; "" for boxes on a floor.
        seed: of scenes and questions.
    """

    llm: str
    halves: tuple[str, ...]
    per_form: int
    scenes: int
    split: str
    seed: int


def reported(model: str) -> tuple[Setting, ...]:
    """The settings of the tables."""
    return (
        Setting("exact", EXACT),
        Setting("picture", model),
        Setting("depth", model, ("depth",)),
        Setting("grey", model, picture=False),
    )


def run_setting(
    setting: Setting,
    asking: Asking,
    scenes: Sequence[Scene],
    thinker: Thinker,
    out: Path | None = None,
    limits: Limits | None = None,
    track: Track = lambda asked, _: asked,
) -> dict[str, Summary]:
    """Ask everything in one setting; half -> its numbers.

    Args:
        setting: who is asked.
        asking: what was asked for; it is written beside the results.
        scenes: to ask about.
        thinker: who leads the steps.
        out: folder for answers.jsonl and summary.json, which are written when all is asked.
        limits: of each question.
        track: wraps the questions and a name, for a progress bar.
    """
    friend_of = _friends(setting, scenes)
    judged: dict[str, list[Judged]] = {}
    for half in asking.halves:
        asked = sorted(questions(scenes, half, asking.per_form, asking.per_form, asking.seed), key=lambda q: q.scene)
        judged[half] = list(ask_all(track(asked, f"{setting.name}, {half}"), thinker, friend_of, limits))
    summaries = {half: summarise(of_half) for half, of_half in judged.items()}
    if out is not None:
        _write(out, setting, asking, summaries, [j for of_half in judged.values() for j in of_half])
    return summaries


def missing(settings: Sequence[Setting], asking: Asking, out: Path) -> Iterator[Setting]:
    """The settings of which the folder holds no result for just this, with these weights."""
    for setting in settings:
        found = read_summary(out / setting.name)
        if found is None or any(found[name] != value for name, value in _provenance(setting, asking).items()):
            yield setting


def read_summary(folder: Path) -> dict[str, Any] | None:
    """What `run_setting` wrote into a folder; None where it did not."""
    path = folder / SUMMARY
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _write(out: Path, setting: Setting, asking: Asking, summaries: dict[str, Summary], judged: list[Judged]) -> None:
    halves = {half: summary.to_json() for half, summary in summaries.items()}
    content = {**_provenance(setting, asking), "halves": halves}
    write_file(out / ANSWERS, "".join(json.dumps(j.to_json()) + "\n" for j in judged).encode())
    write_file(out / SUMMARY, (json.dumps(content, indent=1) + "\n").encode())


def _provenance(setting: Setting, asking: Asking) -> dict[str, Any]:
    weights = "" if setting.friend == EXACT else fingerprint_of(_model(setting.friend).backend)
    return {"setting": _plain(setting), "asking": _plain(asking), "weights": weights}


def _plain(settings: Setting | Asking) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}


def _friends(setting: Setting, scenes: Sequence[Scene]) -> Callable[[int], Friend]:
    """Scene number -> who sees it."""
    if setting.friend == EXACT:
        return lambda k: ExactFriend(scenes[k])
    model = _model(setting.friend)
    return lambda k: model.look(_shown(setting, scenes[k].observation))


@lru_cache(maxsize=1)
def _model(name: str) -> SpatialVLM:
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    return SpatialVLM.from_pretrained(name)


def _shown(setting: Setting, observation: Observation | None) -> Observation:
    """What the model gets of a view."""
    if observation is None:
        raise ConfigError(
            "a scene has no picture to show to a model", setting.friend, "Name a split of rendered views."
        )
    hidden: dict[str, Any] = {name: None for name in GIVEN if name not in setting.given}
    shown = replace(observation, **hidden)
    return shown if setting.picture else without_picture(shown)
