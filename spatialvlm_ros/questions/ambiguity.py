"""Names that mean one object: what to do when captions of a scene are alike (paper appendix A.2).

One of a kind keeps its name. Of exactly two that are alike each gets a clause that tells them apart ("the mug on
the left"). More than two, two that stand at nearly the same place, and names of background are not asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.questions.encoders import StringEncoder, TextEncoder
from spatialvlm_ros.questions.grammar import clean_label, head_noun
from spatialvlm_ros.questions.scene_table import NO_ROW, SceneTable
from spatialvlm_ros.scenes.relations import Relation, relation_values
from spatialvlm_ros.scenes.scene import Scene

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Float = NDArray[np.float64]

BACKGROUND = (
    *("sky", "sun", "cloud", "clouds", "moon", "horizon", "rainbow", "fog", "mist", "air", "weather"),
    *("sunlight", "sunshine", "shadow", "reflection", "background", "scenery", "landscape"),
    *("floor", "ground", "wall", "ceiling", "grass", "room"),
)
# What tells two alike apart: axis -> (clause of the one with the positive margin, clause of the other).
LATERAL, DEPTH, VERTICAL = 1, 2, 3
CLAUSES = {
    LATERAL: ("on the left", "on the right"),
    DEPTH: ("nearer to the camera", "further from the camera"),
    VERTICAL: ("higher up", "lower down"),
}
_MAX_LABELS = 4096  # distinct labels that are remembered; the table of pairs has the square of that


@dataclass(frozen=True)
class Names:
    """What the objects of a `SceneTable` are called.

    Attributes:
        texts: distinct names, cleaned, without article.
        of: (N,) index into ``texts``, -1 for an object that has no unique name.
        twin: (N,) row of the other object of exactly two alike, -1 for none.
        axis: (N,) axis (LATERAL, DEPTH, VERTICAL) of the clause that tells the two apart, 0 for none.
    """

    texts: list[str]
    of: Int
    twin: Int
    axis: Int


class AmbiguityResolver:
    """Gives each object of a scene a name that means it alone, or none.

    Two labels are alike when the encoder's similarity reaches ``threshold``, or when all words of one are in the
    other and they are the same sort of thing (the red mug is a mug too; the table lamp is no table). Labels and
    their similarities are remembered between calls.

    Args:
        encoder: similarity of names; `StringEncoder` by default.
        threshold: similarity from which two labels are alike; about 0.8 for strings, 0.9 for CLIP.
        background: labels like one of these, or with one as head noun ("cloudy sky"), are never asked about.
        least_offset: metres by which two alike must differ along an axis for a clause.
        least_offset_relative: the same as a share of their range; the larger of both counts.
        least_visible: objects with less visible fraction are not seen by anybody and make nothing ambiguous.
    """

    def __init__(
        self,
        encoder: TextEncoder | None = None,
        threshold: float = 0.8,
        background: Sequence[str] = BACKGROUND,
        least_offset: float = 0.05,
        least_offset_relative: float = 0.05,
        least_visible: float = 0.02,
    ) -> None:
        if not 0 < threshold <= 1.0:
            raise ConfigError("the similarity threshold is out of range", threshold, "Use a number in (0, 1].")
        self.encoder: TextEncoder = StringEncoder() if encoder is None else encoder
        self.threshold = threshold
        self.background = tuple(background)
        self.least_offset = least_offset
        self.least_offset_relative = least_offset_relative
        self.least_visible = least_visible
        self._background_nouns = {b.lower() for b in background}
        self._forget()

    def _forget(self) -> None:
        self._codes: dict[str, int] = {}  # label as given -> row of what follows
        self._cleaned: list[str] = []
        self._vectors = np.zeros((0, 0))
        self._word_ids: dict[str, int] = {}
        self._has_word = np.zeros((0, 0), dtype=np.float32)  # (labels, words) 1 where the label has the word
        self._heads = np.zeros(0, dtype=np.int64)
        self._is_background = np.zeros(0, dtype=bool)
        self._alike = np.zeros((0, 0), dtype=bool)

    def resolve(self, scenes: Sequence[Scene]) -> list[list[str | None]]:
        """For each scene, the name of each object (without article), or None where nothing tells it apart."""
        table = SceneTable.of(scenes)
        names = self.resolve_table(table)
        flat = [None if k < 0 else names.texts[k] for k in names.of.tolist()]
        ends = np.cumsum(table.counts).tolist()
        return [flat[end - count : end] for end, count in zip(ends, table.counts.tolist(), strict=True)]

    def resolve_table(self, table: SceneTable) -> Names:
        """The names of all objects of a table."""
        codes = self._label_codes(table.labels)
        seen = table.visible > self.least_visible
        # Nobody takes the wall clock for the wall: background makes nothing ambiguous.
        i, j = _pairs_within(table, np.flatnonzero(seen & ~self._is_background[codes]))
        alike = self._alike[codes[i], codes[j]]
        i, j = i[alike], j[alike]
        others = np.bincount(np.concatenate([i, j]), minlength=len(codes))
        two = (others[i] == 1) & (others[j] == 1)
        i, j = i[two], j[two]
        axis, i_positive = self._clauses(table, i, j)
        keep = axis > 0
        i, j, axis, i_positive = i[keep], j[keep], axis[keep], i_positive[keep]

        clause = np.zeros(len(codes), dtype=np.int64)  # 0 none, else 2 * axis (+ 1 for the negative side)
        clause[i] = 2 * axis + ~i_positive
        clause[j] = 2 * axis + i_positive
        twin = np.full(len(codes), NO_ROW, dtype=np.int64)
        twin[i], twin[j] = j, i
        named = seen & ~self._is_background[codes] & ((others == 0) | (clause > 0))
        texts, of = self._texts(codes, clause)
        return Names(texts, np.where(named, of, -1), twin, clause // 2)

    def _clauses(self, table: SceneTable, i: Int, j: Int) -> tuple[Int, Bool]:
        """For pairs of rows: the first axis along which they differ clearly (0 none) and whether i is on its
        positive side."""
        axis = np.zeros(len(i), dtype=np.int64)
        positive = np.zeros(len(i), dtype=bool)
        if len(i) == 0:
            return axis, positive
        least = np.maximum(self.least_offset, self.least_offset_relative * np.maximum(table.ranges[i], table.ranges[j]))
        camera = np.full(len(i), table.camera)
        margins = {
            LATERAL: relation_values(Relation.LEFT, table.pairs(i, j)),
            DEPTH: relation_values(Relation.DISTANCE, table.pairs(j, camera))
            - relation_values(Relation.DISTANCE, table.pairs(i, camera)),
            VERTICAL: relation_values(Relation.ABOVE, table.pairs(i, j)),
        }
        for candidate, margin in margins.items():
            clear = (axis == 0) & (np.abs(margin) >= least)  # NaN (not defined in this frame) is not clear
            axis[clear] = candidate
            positive[clear] = margin[clear] > 0
        return axis, positive

    def _texts(self, codes: Int, clause: Int) -> tuple[list[str], Int]:
        width = 2 * (max(CLAUSES) + 1)
        distinct, of = np.unique(codes * width + clause, return_inverse=True)
        texts = []
        for key in distinct.tolist():
            code, which = divmod(key, width)
            text = self._cleaned[code]
            texts.append(f"{text} {CLAUSES[which // 2][which % 2]}" if which else text)
        return texts, of.reshape(-1).astype(np.int64)

    def _label_codes(self, labels: list[str]) -> Int:
        """(N,) row of each label in the remembered arrays, which grow by the new ones."""
        codes = self._codes
        new = [label for label in dict.fromkeys(labels) if label not in codes]
        if new:
            if len(codes) + len(new) > _MAX_LABELS:
                self._forget()
                codes, new = self._codes, list(dict.fromkeys(labels))
            self._learn(new)
        return np.array([codes[label] for label in labels], dtype=np.int64)

    def _learn(self, labels: list[str]) -> None:
        cleaned = [clean_label(label) for label in labels]
        vectors = np.asarray(self.encoder.encode([*cleaned, *self.background]), dtype=np.float64)
        new, background = vectors[: len(labels)], vectors[len(labels) :]
        old = self._vectors if len(self._vectors) else np.zeros((0, new.shape[1]))
        word_ids = [{self._word_id(w) for w in text.lower().split()} for text in cleaned]
        near = (new @ background.T >= self.threshold).any(axis=1) if len(background) else np.zeros(len(new), bool)
        of_background = np.array([head_noun(text) in self._background_nouns for text in cleaned], dtype=bool)
        empty = np.array([not text for text in cleaned], dtype=bool)
        self._codes.update({label: len(self._cleaned) + k for k, label in enumerate(labels)})
        self._cleaned += cleaned
        self._vectors = np.concatenate([old, new])
        self._is_background = np.concatenate([self._is_background, near | of_background | empty])
        rows = new @ self._vectors.T >= self.threshold - 1e-9
        heads = [head_noun(text) for text in cleaned]
        self._heads = np.concatenate([self._heads, np.array([self._word_id(h) for h in heads], dtype=np.int64)])
        rows |= self._names_contained(word_ids) & (self._heads[len(old) :, None] == self._heads[None, :])
        size, known = len(self._vectors), len(old)
        alike = np.empty((size, size), dtype=bool)
        alike[:known, :known] = self._alike
        alike[known:] = rows
        alike[:known, known:] = rows[:, :known].T
        self._alike = alike

    def _word_id(self, word: str) -> int:
        return self._word_ids.setdefault(word, len(self._word_ids))

    def _names_contained(self, word_ids: list[set[int]]) -> Bool:
        """(new, all) whether all words of one label are in the other; remembers the words of the new ones."""
        old = self._has_word
        has_word = np.zeros((len(old) + len(word_ids), len(self._word_ids)), dtype=np.float32)
        has_word[: len(old), : old.shape[1]] = old
        for row, ids in zip(has_word[len(old) :], word_ids, strict=True):
            row[list(ids)] = 1
        self._has_word = has_word
        shared = has_word[len(old) :] @ has_word.T
        sizes = has_word.sum(axis=1)
        return shared >= np.minimum(sizes[len(old) :, None], sizes[None, :])


def _pairs_within(table: SceneTable, rows: Int) -> tuple[Int, Int]:
    """All pairs of ``rows`` (ascending) that belong to one scene: two arrays of rows, first below second."""
    counts = np.bincount(table.scene[rows], minlength=table.scenes)
    starts = np.cumsum(counts) - counts
    firsts, seconds = [], []
    for n in np.unique(counts[counts > 1]).tolist():
        i, j = np.triu_indices(n, 1)
        base = starts[counts == n][:, None]
        firsts.append((base + i).ravel())
        seconds.append((base + j).ravel())
    if not firsts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return rows[np.concatenate(firsts)], rows[np.concatenate(seconds)]
