"""Scenes that the benchmark asks about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from spatialvlm_ros.datasets.seeds import scene_seed
from spatialvlm_ros.datasets.synthetic import SyntheticViews
from spatialvlm_ros.datasets.views import SceneView, ViewSource
from spatialvlm_ros.scenes.scene import Scene, SceneObject
from spatialvlm_ros.simulation.assets.splits import committed_index

LEAST_VISIBLE = 0.5  # of an object that is asked about
FEWEST_ASKABLE = 4
LEAST_SIDE = 0.05  # of the picture's width: the shorter side of its box


def known_labels() -> tuple[str, ...]:
    """The labels of all objects of the asset pack: real names, "pair of scissors" and "can" among them."""
    labels = {" ".join((*row.attributes, row.noun)) for row in committed_index()}
    return tuple(sorted(labels))


def geometric_scenes(number: int, seed: int = 0) -> Iterator[Scene]:
    """Boxes on a floor, seen by a camera, under names of real things. They need neither assets nor graphics."""
    labels = known_labels()
    source = SyntheticViews(scenes=number * 2, views_per_scene=1, objects=8, seed=seed)
    made = 0
    for index in range(len(source)):
        for view in source.views(index):
            if not isinstance(view, SceneView) or len(view.scene.objects) < 5:
                continue
            yield _renamed(view.scene, labels, np.random.default_rng(scene_seed(seed, index)))
            made += 1
            if made == number:
                return


def scenes_of(source: ViewSource, number: int) -> Iterator[Scene]:
    """The first views of any source that have enough to ask about."""
    made = 0
    for index in range(len(source)):
        for view in source.views(index):
            if not isinstance(view, SceneView) or len(askable(view.scene)) < FEWEST_ASKABLE:
                continue
            yield view.scene
            made += 1
            if made == number:
                return


def simulated_scenes(
    number: int, split: str = "new_scenes", seed: int = 0, pack: str | None = "auto"
) -> Iterator[Scene]:
    """Rendered rooms and table tops, with pictures and depth, one view each."""
    from spatialvlm_ros.evaluation.bench_config import BenchConfig
    from spatialvlm_ros.simulation.source import SimulatedViews

    settings = {**BenchConfig.load().simulation, "views_per_layout": 1, "min_objects": FEWEST_ASKABLE}
    source = SimulatedViews(settings, split, seed, pack)
    try:
        yield from scenes_of(source, number)
    finally:
        source.close()


def askable(scene: Scene) -> tuple[str, ...]:
    """Labels of objects that can be asked about: well visible, and no other thing has their noun."""
    nouns = [_head(thing) for thing in scene.objects]
    return tuple(
        thing.label
        for thing, noun in zip(scene.objects, nouns, strict=True)
        if nouns.count(noun) == 1 and thing.visible_fraction >= LEAST_VISIBLE and _large_enough(thing, scene)
    )


def ambiguous(scene: Scene) -> tuple[str, ...]:
    """Labels that several well visible objects have."""
    labels = [t.label for t in scene.objects if t.visible_fraction >= LEAST_VISIBLE and _large_enough(t, scene)]
    return tuple(sorted({label for label in labels if labels.count(label) > 1}))


def absent(scene: Scene, labels: Sequence[str]) -> tuple[str, ...]:
    """Labels of things of which nothing like it is in the scene, and nothing that people would call so."""
    nouns = {_head(thing) for thing in scene.objects}
    words = {word for thing in scene.objects for word in thing.label.split()}
    alike = {name for thing in scene.objects for group in _groups_of(thing.label) for name in group}
    return tuple(
        label
        for label in labels
        if label.split()[-1] not in nouns | words and not any(_is_a(label, name) for name in alike)
    )


@lru_cache(maxsize=4096)
def _groups_of(label: str) -> tuple[tuple[str, ...], ...]:
    """Nouns that people use for each other, the label's among them."""
    return tuple(group for group in _confusable() if any(_is_a(label, name) for name in group))


@lru_cache(maxsize=1)
def _confusable() -> tuple[tuple[str, ...], ...]:
    from spatialvlm_ros.evaluation.bench_config import BenchConfig

    return BenchConfig.load().confusable


def _is_a(label: str, noun: str) -> bool:
    """Whether a label is a noun with words before it."""
    return f" {label}".endswith(f" {noun}")


def doubled(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with the label of one object given to another, too."""
    first, second = rng.permutation(len(scene.objects))[:2]
    objects = list(scene.objects)
    objects[second] = replace(objects[second], label=objects[first].label, noun=objects[first].noun)
    return replace(scene, objects=tuple(objects))


def _renamed(scene: Scene, labels: Sequence[str], rng: np.random.Generator) -> Scene:
    """Other names, no two with the same noun."""
    chosen: list[str] = []
    for k in rng.permutation(len(labels)):
        words = set(labels[k].split())
        if all(not words & set(other.split()) for other in chosen):
            chosen.append(labels[k])
        if len(chosen) == len(scene.objects):
            break
    objects = [replace(t, label=c, noun=c.split()[-1]) for t, c in zip(scene.objects, chosen, strict=True)]
    return replace(scene, objects=tuple(objects))


def _head(thing: SceneObject) -> str:
    return thing.noun.split()[-1]


def _large_enough(thing: SceneObject, scene: Scene) -> bool:
    if scene.observation is None:
        return True
    x0, y0, x1, y1 = thing.box2d
    return bool(min(x1 - x0, y1 - y0) >= LEAST_SIDE * scene.observation.camera.width)
