"""Choice of wordings for many questions at once, and filling them: whole lists per wording, not one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.questions.families import FAMILIES
from spatialvlm_ros.questions.grammar import NameForm
from spatialvlm_ros.questions.templates import FamilyTemplates, Template, answer_cases

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Wordings = Literal["train", "evaluation", "all"]

SHORT_WORDS = 3  # an answer with at most this many words beside its slots is short
SHORT_WEIGHT = 3  # and this many times as likely as a long one
MAX_CASES = 3


class NameBook:
    """Distinct object names, written in any `NameForm` once."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self._forms: dict[NameForm, NDArray[np.object_]] = {}

    def written(self, form: NameForm) -> NDArray[np.object_]:
        """(len(texts),) the names in one form."""
        if form not in self._forms:
            self._forms[form] = np.array([form.write(text) for text in self.texts], dtype=object)
        return self._forms[form]


class Wordbook:
    """The wordings of one split, numbered.

    Args:
        templates: as from `load_templates`.
        wordings: "train" leaves out what is reserved for evaluation, "evaluation" uses only that, "all" everything.
    """

    def __init__(self, templates: Mapping[str, FamilyTemplates], wordings: Wordings = "train") -> None:
        if wordings not in ("train", "evaluation", "all"):
            raise ConfigError("unknown set of wordings", wordings, "Use train, evaluation or all.")
        self.templates: list[Template] = []
        choices: list[int] = []  # template numbers; a short answer occurs several times
        n = len(FAMILIES)
        self._question_start, self._question_count = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self._answer_start, self._answer_count = np.zeros((n, MAX_CASES), np.int64), np.zeros((n, MAX_CASES), np.int64)
        for f, family in enumerate(FAMILIES.values()):
            entry = templates[family.name]

            def usable(template: Template, reserved: frozenset[str] = entry.evaluation) -> bool:
                return wordings == "all" or (template.id in reserved) == (wordings == "evaluation")

            def number(group: Sequence[Template], short: int) -> tuple[int, int]:
                start = len(choices)
                for template in filter(usable, group):
                    choices.extend([len(self.templates)] * (short if template.words <= SHORT_WORDS else 1))
                    self.templates.append(template)
                return start, len(choices) - start

            self._question_start[f], self._question_count[f] = number(entry.questions, 1)
            for c, case in enumerate(answer_cases(family)):
                if case in entry.answers:
                    self._answer_start[f, c], self._answer_count[f, c] = number(entry.answers[case], SHORT_WEIGHT)
        self._choices = np.array(choices, dtype=np.int64)
        self.ids = np.array([t.id for t in self.templates], dtype=object)

    def has_case(self, families: Int, cases: Int) -> NDArray[np.bool_]:
        """(N,) whether a family has answers for a case."""
        return self._answer_count[families, cases] > 0

    def questions(self, families: Int, uniforms: Float) -> Int:
        """(N,) a question wording for each family (index in `FAMILY_NAMES`)."""
        return self._pick(self._question_start[families], self._question_count[families], uniforms)

    def answers(self, families: Int, cases: Int, uniforms: Float) -> Int:
        """(N,) an answer wording for each family and case (index in `answer_cases`)."""
        return self._pick(self._answer_start[families, cases], self._answer_count[families, cases], uniforms)

    def _pick(self, starts: Int, counts: Int, uniforms: Float) -> Int:
        return self._choices[starts + np.minimum((uniforms * counts).astype(np.int64), counts - 1)]

    def fill(self, wordings: Int, names: NameBook, roles: Mapping[str, Int], values: Sequence[str]) -> Sequence[str]:
        """N sentences.

        Args:
            wordings: (N,) template numbers.
            names: the object names.
            roles: role ("a", "b", "win", "lose") -> (N,) index into the names; anything where a wording lacks the role.
            values: N texts of the slot {value}.
        """
        order = np.argsort(wordings, kind="stable")
        ordered = {role: index[order] for role, index in roles.items()}
        said = np.array(values, dtype=object)[order] if len(values) else np.empty(len(order), dtype=object)
        distinct, starts = np.unique(wordings[order], return_index=True)
        ends = np.append(starts, len(order))[1:]
        sentences: list[str] = []
        for number, start, end in zip(distinct.tolist(), starts.tolist(), ends.tolist(), strict=True):
            template = self.templates[number]
            fillings = []
            for slot in template.slots:
                if slot.form is None:
                    texts = said[start:end].tolist()
                    fillings.append([slot.write(t) for t in texts] if slot.capital else texts)
                else:
                    fillings.append(names.written(slot.form)[ordered[slot.role][start:end]].tolist())
            sentences += _join(template.pieces, fillings, end - start)
        out = np.empty(len(order), dtype=object)
        out[order] = sentences
        return out.tolist()


def _join(pieces: tuple[str, ...], fillings: list[list[str]], n: int) -> list[str]:
    """n sentences from the literal pieces and one list of n texts per slot."""
    if not fillings:
        return [pieces[0]] * n
    if len(fillings) == 1:
        head, tail = pieces
        return [head + x + tail for x in fillings[0]]
    if len(fillings) == 2:
        head, middle, tail = pieces
        return [head + x + middle + y + tail for x, y in zip(*fillings, strict=True)]
    pattern = "%s".join(piece.replace("%", "%%") for piece in pieces)
    return [pattern % row for row in zip(*fillings, strict=True)]
