"""Distributions over a closed set of answers: numbers, yes and no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.hub.continuation import Prompts
from spatialvlm_ros.models.hub.numbers import NumberGrammar
from spatialvlm_ros.models.hub.prompts import PromptTemplate
from spatialvlm_ros.models.hub.tree import TokenTree, TreeReading, read_trees

Int = NDArray[np.int64]

YES = ("yes", "Yes", "YES")
NO = ("no", "No", "NO")


@dataclass(frozen=True)
class AnswerTree:
    """K answers, each spelled in one or several ways, as token sequences.

    Attributes:
        tree: of all spellings.
        owners: (S,) which answer each spelling is.
        n: K.
    """

    tree: TokenTree
    owners: Int
    n: int

    @staticmethod
    def build(template: PromptTemplate, spellings: Sequence[Sequence[str]]) -> AnswerTree:
        """The tree of answers, each given by its spellings; a blank before each is another one.

        Raises:
            ModelError: the tokenizer cannot write them, or one answer's tokens begin another's.
        """
        texts = [text for some in spellings for text in some]
        answer = np.repeat(np.arange(len(spellings)), [len(some) for some in spellings])
        tokens, places = template.spellings(texts)
        return AnswerTree(TokenTree.build(tokens), answer[np.asarray(places)], len(spellings))

    def read(
        self, prompts: Prompts, rows: Int, least_mass: float = 0.0, most_branches: int | None = None
    ) -> TreeReading:
        """As `read_answers`, of these answers alone."""
        return read_answers(prompts, [(self, rows)], least_mass, most_branches)[0]

    @cached_property
    def _by_answer(self) -> tuple[Int, Int]:
        """(S,) the spellings answer by answer, and (K,) where each answer's begin: every answer has some."""
        order = np.argsort(self.owners, kind="stable")
        return order, np.searchsorted(self.owners[order], np.arange(self.n))

    def summed(self, found: TreeReading) -> TreeReading:
        """The masses (N, S) of spellings as those of answers (N, K)."""
        order, begins = self._by_answer
        return TreeReading(np.add.reduceat(found.masses[:, order], begins, axis=1), found.pruned, found.total)


def read_answers(
    prompts: Prompts,
    trees: Sequence[tuple[AnswerTree, Int]],
    least_mass: float = 0.0,
    most_branches: int | None = None,
) -> list[TreeReading]:
    """As `tree.read_trees`, the masses (N, K) summed over the spellings of each answer."""
    found = read_trees(prompts.walk(), [(answers.tree, rows) for answers, rows in trees], least_mass, most_branches)
    return [answers.summed(reading) for (answers, _), reading in zip(trees, found, strict=True)]


def number_tree(template: PromptTemplate, grammar: NumberGrammar) -> AnswerTree:
    """All numbers of a grammar, in the order of its texts."""
    return AnswerTree.build(template, [[text] for text in grammar.texts])


def yes_no_tree(template: PromptTemplate) -> AnswerTree:
    """Yes (answer 0) and no (answer 1)."""
    return AnswerTree.build(template, [YES, NO])
