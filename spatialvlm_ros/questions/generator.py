"""Scenes become question/answer pairs: the last step of the data engine, whole arrays of scenes at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError, QuestionError
from spatialvlm_ros.questions.ambiguity import AmbiguityResolver, Names
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES, Kind
from spatialvlm_ros.questions.hashing import UInt, slot_states, uniforms
from spatialvlm_ros.questions.mixes import Mix, get_mix
from spatialvlm_ros.questions.rounding import UNIFORMS, round_lengths
from spatialvlm_ros.questions.sampling import PURPOSES, Draws, Sampler
from spatialvlm_ros.questions.scene_table import NO_ROW, SceneTable
from spatialvlm_ros.questions.templates import FamilyTemplates, answer_cases, load_templates
from spatialvlm_ros.questions.uncertainty import Margin
from spatialvlm_ros.questions.wordbook import NameBook, Wordbook, Wordings
from spatialvlm_ros.scenes.scene import Scene

Int = NDArray[np.int64]
Float = NDArray[np.float64]

NO_OBJECT = -1  # `QAPair.reference` of a question about one object
CAMERA_OBJECT = -2  # `QAPair.reference` where the camera is the other object
CAMERA_NAME = "camera"
ZERO_BELOW = 0.001  # metres: a shorter length is said as none at all
UNIT = "m"  # of every exact value

_ANSWER, _ROUNDING = PURPOSES, PURPOSES + 1  # purposes of random numbers


class QAPair(NamedTuple):
    """One question with its answer (immutable; a named tuple because millions of them are made).

    Attributes:
        family: name of the question family.
        subject: index in the scene's objects of {a}.
        reference: index of {b}; `NO_OBJECT` (-1) for none, `CAMERA_OBJECT` (-2) for the camera.
        question, answer: the sentences.
        value: exact and unrounded: the signed length of a number, else the signed margin in metres (also where the
            answer is a phrase of uncertainty).
        unit: of the value, "m".
        question_template, answer_template: ids of the wordings.
    """

    family: str
    subject: int
    reference: int
    question: str
    answer: str
    value: float
    unit: str
    question_template: str
    answer_template: str


@dataclass(frozen=True)
class QAColumns:
    """M question/answer pairs as columns, sorted by scene; the fields are those of `QAPair`.

    Attributes:
        scene: (M,) index of the scene each belongs to.
        families: (M,) index in `FAMILY_NAMES`.
        spoken: (M,) metres that a number's answer says, with its sign; NaN for the other kinds.
        uncertain: (M,) whether the answer is a phrase of uncertainty.
    """

    scenes: int
    scene: Int
    families: Int
    subject: Int
    reference: Int
    value: Float
    spoken: Float
    uncertain: NDArray[np.bool_]
    question: list[str]
    answer: list[str]
    question_template: list[str]
    answer_template: list[str]

    def __len__(self) -> int:
        return len(self.scene)

    def pairs(self) -> list[list[QAPair]]:
        """One list of `QAPair` per scene."""
        columns = (
            np.array(FAMILY_NAMES, dtype=object)[self.families].tolist(),
            self.subject.tolist(),
            self.reference.tolist(),
            self.question,
            self.answer,
            self.value.tolist(),
            [UNIT] * len(self),
            self.question_template,
            self.answer_template,
        )
        flat = list(map(QAPair._make, zip(*columns, strict=True)))
        ends = np.searchsorted(self.scene, np.arange(self.scenes), side="right").tolist()
        return [flat[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


class QuestionGenerator:
    """Makes question/answer pairs for scenes. What a scene gets depends on the scene and its seed only.

    Args:
        mix: "balanced", "paper", or a `Mix`.
        wordings: "train", "evaluation" (only the reserved ones) or "all".
        min_visible: least visible fraction of an object that is asked about.
        margin: the measurement error of yes/no, choice and classify questions; None switches uncertainty off.
        ambiguity: how names are made unique.
        camera_share: part of the distance questions asked from the camera.
        denied_share: part of the qualitative questions with a negative margin: predicates answered no, the second
            object of a choice, the second word of a class. 0.5 balances the truth in every family.
        negative_share: part of the signed differences asked in the wrong direction.
        templates: wordings; the file that comes with the package by default.

    Raises:
        ConfigError: an argument is unknown or out of range.
    """

    def __init__(
        self,
        mix: Mix | str = "balanced",
        wordings: Wordings = "train",
        min_visible: float = 0.5,
        margin: Margin | None = Margin(),  # noqa: B008 - frozen
        ambiguity: AmbiguityResolver | None = None,
        camera_share: float = 0.15,
        denied_share: float = 0.5,
        negative_share: float = 0.2,
        templates: Mapping[str, FamilyTemplates] | None = None,
    ) -> None:
        if not 0 <= min_visible <= 1:
            raise ConfigError("the least visible fraction is out of range", min_visible, "Use a number from 0 to 1.")
        self.min_visible = min_visible
        self.ambiguity = AmbiguityResolver() if ambiguity is None else ambiguity
        self._wordbook = Wordbook(load_templates() if templates is None else templates, wordings)
        self._sampler = Sampler(get_mix(mix), self._wordbook, margin, camera_share, denied_share, negative_share)

    def generate(self, scenes: Sequence[Scene], per_scene: int, seeds: Sequence[int]) -> list[list[QAPair]]:
        """Up to ``per_scene`` pairs for each scene; fewer where little can be asked, none twice.

        Args:
            scenes: any number, e.g. all views of a layout; batches of 100 or more are fastest.
            per_scene: pairs wanted per scene.
            seeds: one integer per scene.

        Raises:
            QuestionError: the seeds do not match the scenes, or ``per_scene`` is negative.
        """
        return self.generate_columns(scenes, per_scene, seeds).pairs()

    def generate_columns(self, scenes: Sequence[Scene], per_scene: int, seeds: Sequence[int]) -> QAColumns:
        """The same as `generate`, as columns."""
        if len(seeds) != len(scenes):
            raise QuestionError(
                "every scene needs one seed", (len(scenes), len(seeds)), "Pass as many seeds as scenes."
            )
        if per_scene < 0:
            raise QuestionError("the number of questions is negative", per_scene, "Pass 0 or more.")
        table = SceneTable.of(scenes)
        names = self.ambiguity.resolve_table(table)
        asked = (names.of >= 0) & table.located & (table.visible >= self.min_visible)
        has_name = np.array([text == CAMERA_NAME for text in names.texts], dtype=bool)
        called_camera = (names.of >= 0) & has_name[names.of] if len(has_name) else np.zeros(len(names.of), dtype=bool)
        camera = np.bincount(table.scene[called_camera], minlength=table.scenes) == 0
        asked &= ~called_camera  # "the camera" means the one that looks
        states = slot_states(seeds, per_scene)
        draws = self._sampler.draw(table, names, asked, camera, states, per_scene)
        return self._word(table, names, draws, states, per_scene)

    def _word(self, table: SceneTable, names: Names, draws: Draws, states: UInt, per_scene: int) -> QAColumns:
        """Say the draws: rounding, wording of the answer, filling."""
        state = states[draws.slot]
        cases = self._cases(draws)
        answers = self._wordbook.answers(draws.family, cases, uniforms(state, _ANSWER))
        texts, spoken = _say_lengths(draws, state)

        book = NameBook([*names.texts, CAMERA_NAME])
        name_of = np.append(names.of, len(names.texts))  # the camera's row, and -1 (no object), find the last name
        a, b = name_of[draws.subject], name_of[draws.reference]
        first_wins = draws.value > 0
        roles = {"a": a, "b": b, "win": np.where(first_wins, a, b), "lose": np.where(first_wins, b, a)}
        index = np.append(table.index, CAMERA_OBJECT)
        return QAColumns(
            scenes=table.scenes,
            scene=draws.slot // max(per_scene, 1),
            families=draws.family,
            subject=index[draws.subject],
            reference=np.where(draws.reference == NO_ROW, NO_OBJECT, index[draws.reference]),
            value=draws.value,
            spoken=spoken,
            uncertain=draws.unclear,
            question=list(self._wordbook.fill(draws.wording, book, roles, ())),
            answer=list(self._wordbook.fill(answers, book, roles, texts)),
            question_template=self._wordbook.ids[draws.wording].tolist(),
            answer_template=self._wordbook.ids[answers].tolist(),
        )

    def _cases(self, draws: Draws) -> Int:
        """(M,) which case of `answer_cases` each answer is."""
        which = np.where(draws.value > 0, _POSITIVE, _NEGATIVE)
        which = np.where(draws.unclear | _IS_NUMBER[draws.family] & (np.abs(draws.value) < ZERO_BELOW), _NEITHER, which)
        cases = _CASES[draws.family, which]
        # A length that is never zero has no such wordings: it says its least length.
        return np.where(self._wordbook.has_case(draws.family, cases), cases, 0)


_POSITIVE, _NEGATIVE, _NEITHER = range(3)
_IS_NUMBER = np.array([f.kind is Kind.NUMBER for f in FAMILIES.values()])


def _case_table() -> Int:
    """(43, 3) index in `answer_cases` of the answer to a positive value, a negative one, and neither."""
    rows = []
    for family in FAMILIES.values():
        last = len(answer_cases(family)) - 1
        rows.append((0, 1 if last == 2 else 0, last))
    return np.array(rows, dtype=np.int64)


_CASES = _case_table()


def _say_lengths(draws: Draws, state: UInt) -> tuple[list[str], Float]:
    """M texts of the numbers ("" for the other kinds) and (M,) the metres they say."""
    spoken = np.full(len(draws.slot), np.nan)
    texts = np.full(len(draws.slot), "", dtype=object)
    numbers = np.flatnonzero(_IS_NUMBER[draws.family])
    value = draws.value[numbers]
    random = np.stack([uniforms(state[numbers], _ROUNDING + k) for k in range(UNIFORMS)], axis=1)
    rounded = round_lengths(value, random)
    texts[numbers] = rounded.texts
    spoken[numbers] = np.where(np.abs(value) < ZERO_BELOW, 0.0, np.sign(value) * rounded.metres)
    return texts.tolist(), spoken
