"""From samples to question trees: locating, measuring, comparing, questions in words, and general questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.backend import ABSENT, AMBIGUOUS, PRESENT
from spatialvlm_ros.models.embedded import vocabulary as v
from spatialvlm_ros.models.quantities import bin_position
from spatialvlm_ros.questions.generator import CAMERA_OBJECT, QAPair, QuestionGenerator
from spatialvlm_ros.questions.scene_table import SceneTable
from spatialvlm_ros.scenes.relations import RELATIONS, Relation, relation_values
from spatialvlm_ros.training.augmentation import Sample
from spatialvlm_ros.training.dense import object_numbers
from spatialvlm_ros.training.general import GeneralQuestion, general_questions
from spatialvlm_ros.training.label_noise import LabelNoise, shows_table_top
from spatialvlm_ros.training.packing import ROOT, Target, Tree

Float = NDArray[np.float64]

_SINGLE = tuple(r for r in v.LENGTHS if RELATIONS[r].arity == 1)
_DOUBLE = tuple(r for r in (*v.LENGTHS, *v.PREDICATES) if RELATIONS[r].arity == 2)
_FROM_ELSEWHERE = 0.7  # share of the absent names that are named in another picture
_PRESENT_SIDE, _PRESENT_VISIBLE = 8.0, 0.2


@dataclass(frozen=True)
class QuestionPlan:
    """How much is asked of a picture.

    Attributes:
        objects: objects that are located as subjects.
        pairs: partners of each subject.
        relations: relations asked of each pair, drawn anew each time.
        missing: names that are not there, or there several times (expected number).
        texts: questions in words (the 43 families).
        general: questions in words about names, colours, counts, presence.
        regions: share of the objects that are given by a box or point instead of a name.
        spatial: share of the pictures that are asked all of the above; the others are asked general questions alone.
        general_alone: how many (expected number).

    Raises:
        ConfigError: a share outside 0 to 1.
    """

    objects: int = 4
    pairs: int = 2
    relations: int = 10
    missing: float = 0.8
    texts: int = 2
    general: float = 0.5
    regions: float = 0.2
    spatial: float = 1.0
    general_alone: float = 8.0

    def __post_init__(self) -> None:
        if not 0 <= self.spatial <= 1:
            raise ConfigError("the share of spatial pictures is between 0 and 1", self.spatial)


@dataclass(frozen=True)
class _View:
    """One sample, ready to be asked about."""

    sample: Sample
    names: list[str | None]
    slots: Float  # (K, 10) values of the slots after presence, in bins
    askable: NDArray[np.int64]  # seen well enough, by region
    named: NDArray[np.int64]  # and meant by one name
    first_row: int


@dataclass(frozen=True)
class _Truth:
    """Labels of the relations of N pairs, with their errors.

    Attributes:
        table: of the scenes.
        on_table: (N,) whether the pair's view shows a table top.
        noise, errors: of the metres, and what draws them.
    """

    table: SceneTable
    on_table: NDArray[np.bool_]
    noise: LabelNoise
    errors: np.random.Generator

    def values(
        self,
        index: NDArray[np.int64],
        relations: Sequence[Relation],
        subjects: NDArray[np.int64],
        references: NDArray[np.int64] | None,
    ) -> Float:
        """(M, R) values of R relations of the pairs at ``index`` (M,)."""
        pairs = self.table.pairs(subjects[index], None if references is None else references[index])
        values = np.stack([relation_values(r, pairs) for r in relations], axis=1)
        if self.noise.on:
            metric = np.array([not RELATIONS[r].predicate for r in relations])
            signed = np.array([RELATIONS[r].signed for r in relations])[metric]
            on_table = self.on_table[index, None]
            values[:, metric] = self.noise.applied(values[:, metric], on_table, signed, self.errors)
        return values


@dataclass
class QuestionMaker:
    """Makes the question trees of batches.

    Args:
        tokenizer: of the embedded model.
        nouns: what can be absent.
        plan: how much is asked.
        noise: errors of the metres.
    """

    tokenizer: Any
    nouns: Sequence[str]
    plan: QuestionPlan
    noise: LabelNoise = field(default_factory=LabelNoise)
    generator: QuestionGenerator = field(default_factory=lambda: QuestionGenerator(min_visible=0.3))

    def __post_init__(self) -> None:
        self.vocabulary = v.Vocabulary()
        self._words: dict[str, list[int]] = {}
        self._object_slots = self.vocabulary.slots(v.OBJECT_SLOTS)
        self._object_targets = [Target.PRESENCE] + [Target.PLACE] * 6 + [Target.LENGTH] * 4
        self._short_slots = self.vocabulary.slots(v.SHORT_SLOTS)
        self._short_targets = [Target.PLACE, Target.PLACE, Target.LENGTH, Target.LENGTH]
        self._short_columns = [v.OBJECT_SLOTS.index(s) - 1 for s in v.SHORT_SLOTS]

    def prefix(self, focal: float, picture_tokens: int) -> list[int]:
        """The tokens of a picture: places for its features, then its focal length over its width."""
        ids = self.vocabulary
        return [ids[v.IMAGE]] * picture_tokens + [ids.lengths[int(bin_position(focal))]]

    def trees(self, samples: Sequence[Sample], rng: np.random.Generator) -> list[Tree]:
        """One tree per sample."""
        scenes = [s.scene for s in samples]
        table = SceneTable.of(scenes)
        names = self.generator.ambiguity.resolve(scenes)
        seeds = rng.integers(2**40, size=len(samples)).tolist()
        texts = self.generator.generate(scenes, self.plan.texts, seeds)
        first = np.concatenate([[0], np.cumsum([len(s.objects) for s in scenes])])
        errors = rng.spawn(1)[0]  # a stream of their own: with and without noise the same questions are asked
        views = [_prepared(s, n, int(f), self.noise, errors) for s, n, f in zip(samples, names, first, strict=False)]
        trees = [Tree() for _ in views]
        everything = self.plan.spatial >= 1
        spatial = np.ones(len(views), bool) if everything else rng.random(len(views)) < self.plan.spatial
        asked = [(tree, view) for tree, view, told in zip(trees, views, spatial, strict=True) if told]
        elsewhere = [name for view in views for k in view.named if (name := view.names[k]) is not None]
        for tree, view in asked:
            self._frame(tree, view.sample, errors)
            for _ in range(int(self.plan.missing) + int(rng.random() < self.plan.missing % 1)):
                self._missing(tree, view, elsewhere, rng)
        self._measurements([tree for tree, _ in asked], [view for _, view in asked], table, rng, errors)
        for tree, view, pairs, told in zip(trees, views, texts, spatial, strict=True):
            for pair in pairs if told else ():
                self._text(tree, view, pair)
            wanted = self.plan.general if told else self.plan.general_alone
            for question in general_questions(view.sample, view.names, wanted, self.nouns, rng):
                self.general(tree, view.sample, question)
        return trees

    # ---- pieces ----

    def words(self, text: str) -> list[int]:
        """Ids of a name or sentence, as it stands behind another token."""
        if text not in self._words:
            if len(self._words) > 200_000:
                self._words.clear()
            self._words[text] = self.tokenizer.encode(" " + text, add_special_tokens=False)
        return self._words[text]

    def general(self, tree: Tree, sample: Sample, asked: GeneralQuestion) -> None:
        """Adds a general question on ``sample`` and its answer."""
        ids = [self.vocabulary[v.ASK], *self.words(asked.text)]
        if asked.box is not None:
            ids += self._region(asked.box / sample.camera.width)
        self._answered(tree, ids, v.ANSWER, [], [], [], asked.answer)

    def _frame(self, tree: Tree, sample: Sample, errors: np.random.Generator) -> None:
        if not sample.scene.frame.level:
            return
        up, height = sample.scene.frame.up, sample.scene.frame.camera_height
        places = v.place_position(v.direction_share([up[0], up[2]]))
        length = np.nan
        if height is not None:
            height = float(self.noise.applied(height, shows_table_top(sample.scene), False, errors))
            length = float(bin_position(height * sample.canonical_scale))
        targets = [Target.PLACE, Target.PLACE, Target.NONE if np.isnan(length) else Target.LENGTH]
        tree.add(ROOT, self.vocabulary.slots(v.FRAME_SLOTS), targets, [*places.tolist(), length])

    def _missing(self, tree: Tree, view: _View, elsewhere: Sequence[str], rng: np.random.Generator) -> None:
        """A name that several things here share, or that nothing here has.

        Most absent names are those of things in other pictures of the batch: were they drawn from a list, the name
        alone would tell how likely it is to be there.
        """
        objects = view.sample.scene.objects
        several = _shared_nouns(view)
        if several and rng.random() < 0.5:
            name, kind = several[int(rng.integers(len(several)))], AMBIGUOUS
        else:
            here = " ".join(o.label for o in objects).split()
            foreign = [n for n in elsewhere if n.split()[-1] not in here]
            pool = foreign if foreign and rng.random() < _FROM_ELSEWHERE else self.nouns
            name, kind = pool[int(rng.integers(len(pool)))], ABSENT
            if name.split()[-1] in here:
                return
        ids = [self.vocabulary[v.FIND], *self.words(name), self._object_slots[0]]
        tree.add(
            ROOT, ids, [Target.NONE] * (len(ids) - 1) + [Target.PRESENCE], [np.nan] * (len(ids) - 1) + [float(kind)]
        )

    def _mention(self, view: _View, k: int, rng: np.random.Generator) -> list[int]:
        """How object k is given: by name where it has one, else or sometimes by its box or a point in it."""
        name = view.names[k]
        if name is not None and rng.random() >= self.plan.regions:
            return self.words(name)
        places = self.vocabulary.places
        box = view.sample.boxes[k] / view.sample.camera.width
        if rng.random() < 0.3 and (spot := _spot(view.sample, k, rng)) is not None:
            ids = [self.vocabulary[v.SPOT], *(places[int(p)] for p in v.place_position(spot))]
        else:
            ids = self._region(box)
        label = view.sample.scene.objects[k].noun
        return ids + (self.words(label) if rng.random() < 0.5 else [])

    def _region(self, shares: Float) -> list[int]:
        places = self.vocabulary.places
        return [self.vocabulary[v.REGION], *(places[int(p)] for p in v.place_position(shares))]

    def _located(self, tree: Tree, parent: int, marker: str, view: _View, k: int, rng: np.random.Generator) -> int:
        mention = [self.vocabulary[marker], *self._mention(view, k, rng)]
        ids = mention + self._object_slots
        none = len(mention)
        values = view.slots[k]
        targets = [t if np.isfinite(x) else Target.NONE for t, x in zip(self._object_targets[1:], values, strict=True)]
        first = len(tree) + none
        tree.looks += [(first + slot, k) for slot in range(len(self._object_slots))]
        return tree.add(
            parent,
            ids,
            [Target.NONE] * none + [Target.PRESENCE, *targets],
            [np.nan] * none + [float(PRESENT), *values.tolist()],
        )

    def _measurements(
        self,
        trees: list[Tree],
        views: list[_View],
        table: SceneTable,
        rng: np.random.Generator,
        errors: np.random.Generator,
    ) -> None:
        pieces: list[tuple[int, int]] = []  # tree, piece: where the relations of a row hang
        subjects: list[int] = []
        references: list[int] = []
        for b, (tree, view) in enumerate(zip(trees, views, strict=True)):
            if not len(view.askable):
                continue
            pool = view.named if len(view.named) and rng.random() < 0.9 else view.askable
            for k in rng.permutation(pool)[: self.plan.objects]:
                piece = self._located(tree, ROOT, v.FIND, view, int(k), rng)
                pieces.append((b, piece))
                subjects.append(view.first_row + int(k))
                references.append(-1)
                others = rng.permutation(view.askable[view.askable != k])[: self.plan.pairs]
                for j in others:
                    pair = self._located(tree, piece, v.TO, view, int(j), rng)
                    pieces.append((b, pair))
                    subjects.append(view.first_row + int(k))
                    references.append(view.first_row + int(j))
                if rng.random() < 0.5:
                    pair = tree.add(piece, [self.vocabulary[v.TO], self.vocabulary[v.CAMERA]])
                    pieces.append((b, pair))
                    subjects.append(view.first_row + int(k))
                    references.append(table.camera)
        on_table = np.array([shows_table_top(views[b].sample.scene) for b, _ in pieces], bool)
        truth = _Truth(table, on_table, self.noise, errors)
        self._relations(trees, pieces, np.array(subjects), np.array(references), truth, rng)

    def _relations(
        self,
        trees: list[Tree],
        pieces: list[tuple[int, int]],
        subjects: NDArray[np.int64],
        references: NDArray[np.int64],
        truth: _Truth,
        rng: np.random.Generator,
    ) -> None:
        if not len(pieces):
            return
        single, camera = references < 0, references == truth.table.camera
        groups = ((single, _SINGLE), (camera, v.OF_THE_CAMERA), (~single & ~camera, _DOUBLE))
        for rows, relations in groups:
            index = np.flatnonzero(rows)
            if not len(index):
                continue
            values = truth.values(index, relations, subjects, None if relations is _SINGLE else references)
            ranks = rng.random(values.shape).argsort(axis=1).argsort(axis=1)
            chosen = (ranks < self.plan.relations) & np.isfinite(values)
            for row, column in np.argwhere(chosen):
                b, piece = pieces[index[row]]
                relation, value = relations[column], values[row, column]
                if RELATIONS[relation].predicate:
                    target, label = Target.YES_NO, float(value <= 0)  # 0 is yes
                else:
                    target, label = Target.LENGTH, float(bin_position(value))
                trees[b].add(piece, [self.vocabulary.relation(relation)], [target], [label])

    def _text(self, tree: Tree, view: _View, pair: QAPair) -> None:
        """A question in words, the places of what it names, the answer.

        How many objects follow is learnt too: the question's last token predicts `<find>`, which predicts what comes
        second: `<to>`, `<camera>`, or `<answer>` for nothing.
        """
        ids = self.vocabulary
        second = v.CAMERA if pair.reference == CAMERA_OBJECT else v.TO if pair.reference >= 0 else v.ANSWER
        first = len(tree) + 2 + len(self.words(pair.question))
        n_short = len(self._short_slots)
        tree.looks += [(first + slot, pair.subject) for slot in range(n_short)]
        if pair.reference >= 0:
            tree.looks += [(first + n_short + 1 + slot, pair.reference) for slot in range(n_short)]
        tokens, values = self._short_of(view, pair.subject)
        tokens, values = [ids[v.FIND], *tokens], [float(ids[second]), *values]
        targets = [Target.TEXT, *self._short_targets]
        if second == v.CAMERA:
            tokens, values = [*tokens, ids[v.TO], ids[v.CAMERA]], [*values, np.nan, np.nan]
            targets = [*targets, Target.NONE, Target.NONE]
        elif second == v.TO:
            more, places = self._short_of(view, pair.reference)
            tokens, values = [*tokens, ids[v.TO], *more], [*values, np.nan, *places]
            targets = [*targets, Target.NONE, *self._short_targets]
        self._answered(tree, [ids[v.ASK], *self.words(pair.question)], v.FIND, tokens, targets, values, pair.answer)

    def _short_of(self, view: _View, k: int) -> tuple[list[int], list[float]]:
        return self._short_slots, view.slots[k][self._short_columns].tolist()

    def _answered(
        self,
        tree: Tree,
        question: list[int],
        following: str,
        tokens: list[int],
        targets: Sequence[Target],
        values: list[float],
        answer: str,
    ) -> None:
        """Question, ``tokens`` (their places), answer; the question's last token predicts ``following``."""
        said = [*self.words(answer), self.vocabulary[v.END]]
        silent = len(question) - 1
        known = [t if np.isfinite(x) else Target.NONE for t, x in zip(targets, values, strict=True)]
        tree.add(
            ROOT,
            [*question, *tokens, self.vocabulary[v.ANSWER], *said[:-1]],
            [Target.NONE] * silent + [Target.TEXT, *known] + [Target.TEXT] * len(said),
            [np.nan] * silent + [float(self.vocabulary[following]), *values, *map(float, said)],
        )


def _prepared(
    sample: Sample, names: list[str | None], first_row: int, noise: LabelNoise, errors: np.random.Generator
) -> _View:
    about = object_numbers(sample)
    width = sample.camera.width
    places = v.place_position(np.column_stack([sample.boxes, about[:, :2]]) / width)
    # A centre far outside the picture is no place the model can name.
    outside = np.abs(about[:, :2] / width - 0.5) > 0.74
    places[:, 4:] = np.where(outside | ~np.isfinite(about[:, :2]), np.nan, places[:, 4:])
    lengths = np.exp(about[:, 2:])
    if noise.on:
        unit = np.array([sample.canonical_scale, 1.0, 1.0, 1.0])  # ranges are canonical metres
        lengths = noise.applied(lengths / unit, shows_table_top(sample.scene), False, errors) * unit
    slots = np.column_stack([places, bin_position(lengths)])
    seen = (sample.visible >= _PRESENT_VISIBLE) & (sample.sides >= _PRESENT_SIDE)
    askable = np.flatnonzero(seen)
    named = askable[[names[k] is not None for k in askable]] if len(askable) else askable
    return _View(sample, names, slots, askable, named, first_row)


def _shared_nouns(view: _View) -> list[str]:
    nouns = [view.sample.scene.objects[k].noun for k in view.askable]
    return sorted({n for n in nouns if nouns.count(n) > 1})


def _spot(sample: Sample, k: int, rng: np.random.Generator) -> Float | None:
    """A point on object k, as shares of the canvas width."""
    rows, columns = np.nonzero(sample.cells == k)
    if not len(rows):
        return None
    pick = int(rng.integers(len(rows)))
    cell = sample.camera.width / sample.cells.shape[1]
    return (np.array([columns[pick], rows[pick]]) + rng.random(2)) * cell / sample.camera.width
