"""The question generator of a data set as plain settings: travels to workers and goes into the shards' footers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.scenes.scene import Scene
from spatialvlm_ros.setting_types import check_setting_types

if TYPE_CHECKING:
    from spatialvlm_ros.questions.generator import QAPair, QuestionGenerator


@dataclass(frozen=True)
class Questions:
    """Settings of `QuestionGenerator` (see there); it is built in each process at the first question.

    Attributes:
        mix: "balanced" or "paper".
        wordings: "train", "evaluation" or "all".
        min_visible: least visible fraction of an object that is asked about.
        uncertainty: answer with a phrase of uncertainty where the margin is inside the measurement error.
        camera_share, denied_share, negative_share: as in `QuestionGenerator`.
    """

    mix: str = "balanced"
    wordings: str = "train"
    min_visible: float = 0.5
    uncertainty: bool = True
    camera_share: float = 0.15
    denied_share: float = 0.5
    negative_share: float = 0.2

    @staticmethod
    def of(settings: dict[str, Any]) -> Questions:
        """From a mapping; `ConfigError` for an unknown name or a value that the generator refuses."""
        unknown = sorted(set(settings) - set(Questions.__dataclass_fields__))
        if unknown:
            raise ConfigError("unknown question settings", unknown, f"Known: {', '.join(asdict(Questions()))}.")
        check_setting_types(Questions, settings, "the questions")
        questions = Questions(**settings)
        _generator(questions)
        return questions

    def generate(self, scenes: Sequence[Scene], per_scene: int, seeds: Sequence[int]) -> list[list[QAPair]]:
        """See `QuestionGenerator.generate`."""
        return _generator(self).generate(scenes, per_scene, seeds)

    def describe(self) -> dict[str, Any]:
        """The settings and a digest of the wordings, which a person may edit."""
        from spatialvlm_ros.questions.templates import DEFAULT_TEMPLATES

        digest = hashlib.sha256(DEFAULT_TEMPLATES.read_bytes()).hexdigest()[:16]
        return {**asdict(self), "templates": digest}


@lru_cache(maxsize=4)
def _generator(settings: Questions) -> QuestionGenerator:
    from spatialvlm_ros.questions.generator import QuestionGenerator
    from spatialvlm_ros.questions.uncertainty import Margin

    options = asdict(settings)
    return QuestionGenerator(margin=Margin() if options.pop("uncertainty") else None, **options)
