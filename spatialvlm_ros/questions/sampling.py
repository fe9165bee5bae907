"""Drawing what to ask: families by the mix, objects, exact values; in rounds over all scenes at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.questions.ambiguity import DEPTH, LATERAL, VERTICAL, Names
from spatialvlm_ros.questions.families import FAMILIES
from spatialvlm_ros.questions.hashing import UInt, uniforms
from spatialvlm_ros.questions.mixes import LEVELS, Mix
from spatialvlm_ros.questions.scene_table import NO_ROW, SceneTable
from spatialvlm_ros.questions.uncertainty import Margin
from spatialvlm_ros.questions.wordbook import Wordbook
from spatialvlm_ros.scenes.relations import Relation, relation_values

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Float = NDArray[np.float64]

_ROUNDS = 32  # how often a slot is drawn before it stays empty
_ROUNDS_PER_FAMILY = 4  # a family keeps its slot that long, with other objects, so that the mix holds
# Purposes of the random numbers of one slot; the generator goes on after these.
_FAMILY, _SUBJECT, _REFERENCE, _CAMERA, _TRUTH, _UNCLEAR, _WORDING = range(7)
PURPOSES = 7

_AXES = {
    **dict.fromkeys((Relation.LEFT, Relation.RIGHT, Relation.LEFT_DIFF, Relation.RIGHT_DIFF), LATERAL),
    **dict.fromkeys((Relation.BEHIND, Relation.FRONT, Relation.BEHIND_DIFF, Relation.FRONT_DIFF), DEPTH),
    **dict.fromkeys((Relation.ABOVE, Relation.BELOW, Relation.ABOVE_DIFF, Relation.BELOW_DIFF), VERTICAL),
}
_FAMILIES = tuple(FAMILIES.values())
_RELATIONS = tuple(dict.fromkeys(f.relation for f in _FAMILIES))
_FAMILY_RELATION = np.array([_RELATIONS.index(f.relation) for f in _FAMILIES])
_FAMILY_AXIS = np.array([_AXES.get(f.relation, 0) for f in _FAMILIES])
_FAMILY_OBJECTS = np.array([f.objects for f in _FAMILIES])
_FAMILY_CAMERA = np.array([f.camera for f in _FAMILIES])
_FAMILY_QUALITATIVE = np.array([f.qualitative for f in _FAMILIES])
# Families whose value changes its sign when the two objects change places.
_FAMILY_TURNS = np.array([f.objects == 2 and (f.qualitative or f.signed) for f in _FAMILIES])


@dataclass(frozen=True)
class Draws:
    """M things to ask, sorted by slot.

    Attributes:
        slot: (M,) scene * per_scene + position.
        family: (M,) index in `FAMILY_NAMES`.
        subject, reference: (M,) rows of the `SceneTable`; the reference may be its camera row, or -1 for none.
        value: (M,) exact value or signed margin, metres.
        unclear: (M,) whether a qualitative one is to be answered with a phrase of uncertainty.
        wording: (M,) number of the question's template in the wordbook.
    """

    slot: Int
    family: Int
    subject: Int
    reference: Int
    value: Float
    unclear: Bool
    wording: Int

    def take(self, index: Int) -> Draws:
        """The rows at ``index``."""
        return Draws(
            self.slot[index],
            self.family[index],
            self.subject[index],
            self.reference[index],
            self.value[index],
            self.unclear[index],
            self.wording[index],
        )

    @staticmethod
    def concatenate(parts: list[Draws]) -> Draws:
        """All rows of ``parts``, sorted by slot."""
        if not parts:
            none = np.zeros(0, dtype=np.int64)
            return Draws(none, none, none, none, np.zeros(0), np.zeros(0, dtype=bool), none)
        fields = ("slot", "family", "subject", "reference", "value", "unclear", "wording")
        joined = Draws(*(np.concatenate([getattr(p, name) for p in parts]) for name in fields))
        return joined if len(parts) == 1 else joined.take(np.argsort(joined.slot, kind="stable"))


class Sampler:
    """Draws questions for all slots of all scenes.

    Args:
        mix: how often each family is asked.
        wordbook: chooses the wording of a question; no scene gets the same sentence twice.
        margin: when a qualitative question is too close to call; None: never.
        camera_share: part of the questions of distance families that have the camera as the other object.
        denied_share: part of the qualitative questions with a negative margin (predicates answered no).
        negative_share: part of the signed differences that ask for the wrong direction.
    """

    def __init__(
        self,
        mix: Mix,
        wordbook: Wordbook,
        margin: Margin | None,
        camera_share: float,
        denied_share: float,
        negative_share: float,
    ) -> None:
        for name, share in (("camera", camera_share), ("denied", denied_share), ("negative", negative_share)):
            if not 0 <= share <= 1:
                raise ConfigError(f"the {name} share is not a probability", share, "Use a number from 0 to 1.")
        self._wordbook = wordbook
        self._margin = margin
        self._camera_share = camera_share
        self._negative_chance = np.where(_FAMILY_QUALITATIVE, denied_share, negative_share)
        # (level, objects 0 / 1 / 2 or more, family): cumulative probabilities.
        self._cumulative = np.array(
            [[np.cumsum(mix.probabilities(level, objects)) for objects in (0, 1, 2)] for level in LEVELS]
        )

    def draw(self, table: SceneTable, names: Names, asked: Bool, camera: Bool, states: UInt, per_scene: int) -> Draws:
        """Questions for every slot that can be filled.

        Args:
            table: the scenes.
            names: the names of their objects.
            asked: (N,) objects that may be asked about.
            camera: (S,) scenes in which the camera may be named.
            states: (S * per_scene,) random state of each slot.
            per_scene: slots per scene.
        """
        rows = np.flatnonzero(asked)
        counts = np.bincount(table.scene[rows], minlength=table.scenes)
        starts = np.cumsum(counts) - counts
        situation = self._situations(table, counts, camera)
        askable = self._cumulative[situation[:, 0], situation[:, 1], -1] > 0
        pending = np.flatnonzero(np.repeat(askable, per_scene))
        parts: list[Draws] = []
        used: list[Int] = []  # sorted keys of the sentences of each earlier round
        for attempt in range(_ROUNDS):
            if len(pending) == 0:
                break
            drawn = self._round(table, rows, counts, starts, situation, camera, states, pending, per_scene, attempt)
            good = np.isfinite(drawn.value)
            good &= ~self._gives_itself_away(drawn, names)
            good &= self._settle_unclear(table, drawn, states[pending], attempt)
            keys = (drawn.wording * (table.camera + 2) + drawn.subject) * (table.camera + 2) + drawn.reference + 1
            good &= _first_of_its_kind(keys, good, used)
            index = np.flatnonzero(good)
            parts.append(drawn.take(index))
            used.append(np.sort(keys[index]))
            pending = pending[~good]
        return Draws.concatenate(parts)

    @staticmethod
    def _situations(table: SceneTable, counts: Int, camera: Bool) -> Int:
        """(S, 2) frame level and number of objects as far as it matters (two or more are 2)."""
        objects = np.minimum(counts, 2)
        return np.stack([table.frames.levels, objects], axis=1)

    def _round(
        self,
        table: SceneTable,
        rows: Int,
        counts: Int,
        starts: Int,
        situation: Int,
        camera: Bool,
        states: UInt,
        pending: Int,
        per_scene: int,
        attempt: int,
    ) -> Draws:
        state, scene = states[pending], pending // per_scene

        def uniform(purpose: int) -> Float:
            return uniforms(state, purpose, attempt)

        family = self._families(situation[scene], uniforms(state, _FAMILY, attempt // _ROUNDS_PER_FAMILY))
        n, base = counts[scene], starts[scene]
        first = np.minimum((uniform(_SUBJECT) * n).astype(np.int64), n - 1)
        other = np.minimum((uniform(_REFERENCE) * (n - 1)).astype(np.int64), np.maximum(n - 2, 0))
        other = other + (other >= first)
        subject = rows[base + first]
        reference = rows[base + np.minimum(other, n - 1)]
        with_camera = _FAMILY_CAMERA[family] & ((uniform(_CAMERA) < self._camera_share) & camera[scene] | (n == 1))
        reference = np.where(with_camera, table.camera, reference)
        reference = np.where(_FAMILY_OBJECTS[family] == 1, NO_ROW, reference)
        value = _values(table, family, subject, reference)
        value[with_camera & ~camera[scene]] = np.nan  # one object, and the camera has no name of its own
        wants_negative = uniform(_TRUTH) < self._negative_chance[family]
        turn = _FAMILY_TURNS[family] & ((value < 0) != wants_negative)
        subject, reference = np.where(turn, reference, subject), np.where(turn, subject, reference)
        value = np.where(turn, -value, value)
        wording = self._wordbook.questions(family, uniform(_WORDING))
        return Draws(pending, family, subject, reference, value, np.zeros(len(pending), dtype=bool), wording)

    def _families(self, situation: Int, uniform: Float) -> Int:
        """(M,) families of M slots by the mix of their situation."""
        family = np.zeros(len(uniform), dtype=np.int64)
        code = situation[:, 0] * 3 + situation[:, 1]
        for k in np.unique(code).tolist():
            here = np.flatnonzero(code == k)
            cumulative = self._cumulative[k // 3, k % 3]
            last = int(np.searchsorted(cumulative, cumulative[-1]))
            family[here] = np.minimum(np.searchsorted(cumulative, uniform[here], side="right"), last)
        return family

    @staticmethod
    def _gives_itself_away(drawn: Draws, names: Names) -> Bool:
        """(M,) questions along the axis of a clause in a name ("is the mug on the left left of ..."): they are
        hard to read, and between two alike the names are the answer."""
        axis = np.append(names.axis, [0, 0])  # the camera's row, and -1 (no object), have none
        asked = _FAMILY_AXIS[drawn.family]
        return (asked > 0) & ((axis[drawn.subject] == asked) | (axis[drawn.reference] == asked))

    def _settle_unclear(self, table: SceneTable, drawn: Draws, state: UInt, attempt: int) -> Bool:
        """Mark the unclear ones that are answered so, and return (M,) which may stay."""
        if self._margin is None:
            return np.ones(len(drawn.slot), dtype=bool)
        qualitative = np.flatnonzero(_FAMILY_QUALITATIVE[drawn.family])
        ranges = np.maximum(table.ranges[drawn.subject[qualitative]], table.ranges[drawn.reference[qualitative]])
        unclear = qualitative[self._margin.unclear(drawn.value[qualitative], ranges)]
        answered = uniforms(state[unclear], _UNCLEAR, attempt) < self._margin.answered
        drawn.unclear[unclear] = answered
        stays = np.ones(len(drawn.slot), dtype=bool)
        stays[unclear[~answered]] = False
        return stays


def _values(table: SceneTable, family: Int, subject: Int, reference: Int) -> Float:
    """(M,) exact values of M questions, computed relation by relation."""
    relation = _FAMILY_RELATION[family]
    order = np.argsort(relation, kind="stable")
    distinct, begins = np.unique(relation[order], return_index=True)
    ends = np.append(begins, len(order))[1:]
    value = np.empty(len(family))
    for code, begin, end in zip(distinct.tolist(), begins.tolist(), ends.tolist(), strict=True):
        here = order[begin:end]
        of_one = reference[here[0]] == NO_ROW
        pairs = table.pairs(subject[here], None if of_one else reference[here])
        value[here] = relation_values(_RELATIONS[code], pairs)
    return value


def _first_of_its_kind(keys: Int, good: Bool, used: list[Int]) -> Bool:
    """(M,) among the good rows, the first of each key that is in none of the sorted arrays ``used``."""
    index = np.flatnonzero(good)
    for earlier in used:
        if len(earlier):
            at = np.minimum(np.searchsorted(earlier, keys[index]), len(earlier) - 1)
            index = index[earlier[at] != keys[index]]
    first = np.zeros(len(keys), dtype=bool)
    order = np.argsort(keys[index], kind="stable")  # equal keys stay in the order of their slots
    ordered = keys[index[order]]
    first[index[order[np.append(True, ordered[1:] != ordered[:-1])]] if len(index) else index] = True
    return first
