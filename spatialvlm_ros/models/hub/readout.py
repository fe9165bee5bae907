"""Distributions over a closed set of answers: numbers, yes and no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.hub.numbers import NumberGrammar
from spatialvlm_ros.models.hub.prompts import PromptTemplate
from spatialvlm_ros.models.hub.tree import Continuations, TokenTree, TreeReading

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
        self, source: Continuations, rows: Int, least_mass: float = 0.0, most_branches: int | None = None
    ) -> TreeReading:
        """As `TokenTree.read`, the masses (N, K) summed over the spellings of each answer."""
        found = self.tree.read(source, rows, least_mass, most_branches)
        masses = np.zeros((len(rows), self.n))
        np.add.at(masses.T, self.owners, found.masses.T)
        return TreeReading(masses, found.pruned, found.total)


def number_tree(template: PromptTemplate, grammar: NumberGrammar) -> AnswerTree:
    """All numbers of a grammar, in the order of its texts."""
    return AnswerTree.build(template, [[text] for text in grammar.texts])


def yes_no_tree(template: PromptTemplate) -> AnswerTree:
    """Yes (answer 0) and no (answer 1)."""
    return AnswerTree.build(template, [YES, NO])
