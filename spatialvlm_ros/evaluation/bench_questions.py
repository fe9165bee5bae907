"""What is asked about the views of one scene: measurements with exact truth, and questions to refuse."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from spatialvlm_ros.evaluation.bench_config import BenchConfig
from spatialvlm_ros.evaluation.items import CAMERA_OBJECT, NO_OBJECT, Item, ItemKind
from spatialvlm_ros.models.query import CAMERA_NAME
from spatialvlm_ros.questions.ambiguity import CLAUSES, AmbiguityResolver
from spatialvlm_ros.questions.generator import QAPair, QuestionGenerator
from spatialvlm_ros.questions.grammar import clean_label, head_noun
from spatialvlm_ros.questions.uncertainty import Margin
from spatialvlm_ros.scenes.scene import Scene, SceneObject

_NEVER_ABSENT = frozenset({"camera", "gripper", "robot arm", "table", "floor", "wall", "ceiling", "room"})
_ENDINGS = tuple(f" {words}" for pair in CLAUSES.values() for words in pair)
_REFUSED_FAMILIES = ("distance", "height", "width", "gap", "left_predicate", "tall_predicate")
_OF_ONE = ("height", "width")


class BenchQuestions:
    """Draws the items of a bench. What a view gets depends on the scene, the view's id and the settings only.

    Args:
        config: settings.
        nouns: what may be asked for as absent in each setting.
        wordings: of the questions in words; "evaluation" are the ones that no training uses.
    """

    def __init__(self, config: BenchConfig, nouns: Mapping[str, Sequence[str]], wordings: str = "evaluation") -> None:
        self.config = config
        self.nouns = {setting: tuple(sorted(set(names) - _NEVER_ABSENT)) for setting, names in nouns.items()}
        self.resolver = AmbiguityResolver()
        self.generator = QuestionGenerator(
            mix="balanced",
            wordings=wordings,  # type: ignore[arg-type]
            min_visible=config.least_visible,
            margin=Margin(answered=0.0),  # pairs inside the margin are drawn again
            ambiguity=self.resolver,
            camera_share=config.camera_share,
            negative_share=config.negative_share,
        )
        self._groups = [frozenset(group) for group in config.confusable]

    def items(self, scenes: Sequence[Scene], view_ids: Sequence[str], setting: str, width: int) -> list[list[Item]]:
        """The items of each view of one arrangement; an empty list for a view that shows too little.

        Args:
            scenes: the views' scenes.
            view_ids: their ids, from which the random numbers come.
            setting: "room" or "table".
            width: of the pictures, pixels.
        """
        seeds = [_seed(view_id) for view_id in view_ids]
        known = {word for scene in scenes for o in scene.objects for word in _words(o)}
        result: list[list[Item]] = []
        asked = self._askable(scenes, width)
        for scene, masked, measured, seed in zip(
            scenes, asked, self.measured(scenes, seeds, width), seeds, strict=True
        ):
            if len(measured) < self.config.least_questions:
                result.append([])
                continue
            rng = np.random.default_rng(seed)
            named = [k for k, o in enumerate(masked.objects) if o.visible_fraction >= self.config.least_visible]
            result.append(
                measured
                + self._absent(scene, named, known, setting, rng)
                + self._ambiguous(scene, named, width, rng)
                + self._out_of_range(scene, named, rng)
            )
        return result

    # ---- answerable ----

    def measured(self, scenes: Sequence[Scene], seeds: Sequence[int], width: int) -> list[list[Item]]:
        """The answerable items of each scene, by its seed; ``width`` is that of the pictures in pixels."""
        asked = self._askable(scenes, width)
        pairs = self.generator.generate(asked, self.config.questions_per_view, seeds)
        return [[self._measure(scene, pair, width) for pair in qa] for scene, qa in zip(scenes, pairs, strict=True)]

    def _askable(self, scenes: Sequence[Scene], width: int) -> list[Scene]:
        """The scenes with every object that is not to be asked about made nearly invisible to the generator: those
        that are too small in the picture, and those that need more than their own name."""
        low = 0.98 * self.config.least_visible
        masked = []
        for scene, names in zip(scenes, self.resolver.resolve(scenes), strict=True):
            objects = tuple(
                o if self._good(o, name, width) else replace(o, visible_fraction=min(o.visible_fraction, low))
                for o, name in zip(scene.objects, names, strict=True)
            )
            masked.append(replace(scene, objects=objects))
        return masked

    def _good(self, thing: SceneObject, name: str | None, width: int) -> bool:
        if name is None or name.endswith(_ENDINGS) or name.lower() == CAMERA_NAME:
            return False
        return _short_side(thing) / width >= self.config.least_side

    def _measure(self, scene: Scene, pair: QAPair, width: int) -> Item:
        indices = [k for k in (pair.subject, pair.reference) if k >= 0]
        objects = [scene.objects[k] for k in indices]
        return Item(
            kind=ItemKind.MEASURE,
            family=pair.family,
            subject=self._name(scene.objects[pair.subject]),
            reference=self._reference(scene, pair.reference),
            subject_index=pair.subject,
            reference_index=pair.reference,
            value=pair.value,
            range_m=max(_range(o) for o in objects),
            side=min(_short_side(o) for o in objects) / width,
            question=pair.question,
        )

    def _reference(self, scene: Scene, index: int) -> str:
        if index == CAMERA_OBJECT:
            return CAMERA_NAME
        return "" if index < 0 else self._name(scene.objects[index])

    @staticmethod
    def _name(thing: SceneObject) -> str:
        return clean_label(thing.label)

    # ---- to be refused ----

    def _absent(
        self, scene: Scene, named: list[int], known: set[str], setting: str, rng: np.random.Generator
    ) -> list[Item]:
        names = [n for n in self.nouns.get(setting, ()) if not self._could_be(n, known)]
        count = min(self.config.absent_per_view, len(names))
        chosen = [names[int(k)] for k in rng.choice(len(names), size=count, replace=False)] if count else []
        return [self._refused(ItemKind.ABSENT, name, scene, named, rng) for name in chosen]

    def _could_be(self, noun: str, known: set[str]) -> bool:
        """Whether somebody may call something in the view so."""
        if known & {noun, head_noun(noun), *noun.split()}:
            return True
        return any(noun in group and group & known for group in self._groups)

    def _ambiguous(self, scene: Scene, named: list[int], width: int, rng: np.random.Generator) -> list[Item]:
        clear = [
            o
            for o in scene.objects
            if o.visible_fraction >= self.config.least_visible and _short_side(o) / width >= self.config.least_side
        ]
        counts = Counter(name for o in clear for name in {o.noun, self._name(o)})
        names = sorted(n for n, k in counts.items() if k >= 2 and n not in _NEVER_ABSENT)
        count = min(self.config.ambiguous_per_view, len(names))
        chosen = [names[int(k)] for k in rng.choice(len(names), size=count, replace=False)] if count else []
        return [self._refused(ItemKind.AMBIGUOUS, name, scene, named, rng) for name in chosen]

    def _refused(self, kind: ItemKind, name: str, scene: Scene, named: list[int], rng: np.random.Generator) -> Item:
        """A question about ``name``, which stands in either place; the other object is one that is there."""
        family = _REFUSED_FAMILIES[int(rng.integers(len(_REFUSED_FAMILIES)))]
        if family in _OF_ONE:
            return Item(kind, family, name)
        others = [k for k in named if self._name(scene.objects[k]) != name and scene.objects[k].noun != name]
        if not others:
            return Item(kind, "distance", name, CAMERA_NAME, reference_index=CAMERA_OBJECT)
        k = others[int(rng.integers(len(others)))]
        other = self._name(scene.objects[k])
        if rng.random() < 0.5:
            return Item(kind, family, name, other, NO_OBJECT, k)
        return Item(kind, family, other, name, k, NO_OBJECT)

    def _out_of_range(self, scene: Scene, named: list[int], rng: np.random.Generator) -> list[Item]:
        """The same picture through a lens so long that the nearest object is far beyond everything in training."""
        draw = rng.random()
        if draw * self.config.out_of_range_every >= 1 or not named:
            return []
        ranges = {k: _range(scene.objects[k]) for k in named}
        low, high = self.config.out_of_range_m
        zoom = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))) / min(ranges.values()), 1)
        order = rng.permutation(len(named))[: self.config.out_of_range_per_view]
        items = []
        for position in order:
            k = named[int(position)]
            far = ranges[k] * zoom
            name = self._name(scene.objects[k])
            items.append(
                Item(
                    ItemKind.OUT_OF_RANGE, "distance", name, CAMERA_NAME, k, CAMERA_OBJECT, far, range_m=far, zoom=zoom
                )
            )
        return items


def _seed(view_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"bench {view_id}".encode()).digest()[:6], "big")


def _range(thing: SceneObject) -> float:
    assert thing.box3d is not None  # simulated objects have one
    return float(np.linalg.norm(thing.box3d.centers[0]))


def _short_side(thing: SceneObject) -> float:
    x0, y0, x1, y1 = thing.box2d
    return float(min(x1 - x0, y1 - y0))


def _words(thing: SceneObject) -> set[str]:
    return {thing.noun, thing.label, head_noun(thing.label), *thing.label.lower().split()}
