"""Which objects take part in a task: target, container and distractors, with names that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.simulation.assets.items import AssetItem
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.assets.primitives import COLORS, primitive_item
from spatialvlm_ros.simulation.robot.collision import convex_pieces, touched_surface
from spatialvlm_ros.simulation.robot.grasping import find_grasp
from spatialvlm_ros.simulation.robot.tasks import Task
from spatialvlm_ros.simulation.solids import Solid

Scale = tuple[float, float, float]

MIN_DISTRACTORS = 2
_SIZE_VARIATION = 0.1
_LONGEST_M, _LEAST_HEIGHT_M = 0.20, 0.03  # of what is grasped and what stands beside it
_CONTAINER_LIMITS_M = (0.10, 0.26)  # the wider side of a container, seen from above
_CONTAINER_HEIGHT_M = 0.12
_SINK = 0.35  # share of the target's height that a container must be able to take
_PLAY_M = 0.02  # by which the container's opening exceeds the target
# Shapes that roll away or fall over when they are put down.
_UNSTEADY = frozenset({"capsule", "cone", "pyramid", "ring", "disk"})
_PLAIN_CONTAINERS = ("bowl", "bin", "tray")
_TRIES = 300


@dataclass(frozen=True)
class Cast:
    """The objects of a task.

    Attributes:
        items: target first, then the container if the task has one, then the distractors.
        scales: factors along each item's axes.
        container: index of the container, or None; the target's index is 0.
    """

    items: tuple[AssetItem, ...]
    scales: tuple[Scale, ...]
    container: int | None

    @property
    def target(self) -> int:
        """Index of the target."""
        return 0

    @property
    def distractors(self) -> tuple[int, ...]:
        """Indices of the distractors."""
        return tuple(range(1 if self.container is None else 2, len(self.items)))


def draw_cast(
    task: Task,
    pack: AssetPack,
    rng: np.random.Generator,
    n_distractors: int = MIN_DISTRACTORS,
    twins: bool = False,
) -> Cast:
    """Objects for a task, drawn evenly over nouns; all that is not the container can be grasped.

    Args:
        task: what is to be done.
        pack: objects to choose from; with few containers in it, plain bowls, bins and trays are added.
        rng: random numbers.
        n_distractors: two or more.
        twins: make the first distractor of the target's noun, so that the noun names two.

    Raises:
        SimulationError: too few distractors asked for, or the pack has too few suitable objects.
    """
    if n_distractors < MIN_DISTRACTORS:
        raise SimulationError("a task needs distractors", n_distractors, f"Ask for {MIN_DISTRACTORS} or more.")
    graspable, containers = suitable_items(pack)
    for _ in range(_TRIES):
        nouns = [sorted(graspable)[k] for k in rng.permutation(len(graspable))]
        chosen = [_one_of(graspable[noun], rng) for noun in nouns[: n_distractors + 1]]
        if twins:
            chosen[1:2] = [_one_of(graspable[nouns[0]], rng)]
        scales = [_draw_scale(rng) for _ in chosen]
        if len(chosen) <= n_distractors:
            break
        if not all(can_be_grasped(item, scale) for item, scale in zip(chosen, scales, strict=True)):
            continue
        if not task.needs_container:
            return Cast(tuple(chosen), tuple(scales), None)
        taken = {item.noun for item in chosen}
        fitting = [c for c in containers if c.noun not in taken and _fits(chosen[0], scales[0], c)]
        if fitting:
            kinds = sorted({c.noun for c in fitting})
            noun = kinds[int(rng.integers(len(kinds)))]
            container = _one_of([c for c in fitting if c.noun == noun], rng)
            return Cast((chosen[0], container, *chosen[1:]), (scales[0], (1.0, 1.0, 1.0), *scales[1:]), 1)
    raise SimulationError(
        f"no objects suit the task {task.name!r}", sorted(graspable), "Give a pack with more kinds of small objects."
    )


def named_cast(task: Task, pack: AssetPack, target: str, container: str | None, distractors: Sequence[str]) -> Cast:
    """The objects with these labels, at their own sizes.

    Raises:
        SimulationError: a label is not in the pack, the target cannot be grasped, or a container is missing.
    """
    by_label: dict[str, AssetItem] = {}
    for item in pack.items:
        by_label.setdefault(item.label, item)
    if task.needs_container and container is None:
        raise SimulationError(f"the task {task.name!r} needs a container", remedy="Name one.")
    wanted = [target, *([container] if task.needs_container and container else []), *distractors]
    unknown = [label for label in wanted if label not in by_label]
    if unknown:
        raise SimulationError("the pack has no such objects", unknown, "AssetPack.items has their labels.")
    items = tuple(by_label[label] for label in wanted)
    if not can_be_grasped(items[0]):
        raise SimulationError("the gripper cannot take the target from above", target, "Choose a narrower object.")
    return Cast(items, ((1.0, 1.0, 1.0),) * len(items), 1 if task.needs_container else None)


@lru_cache(maxsize=8)
def suitable_items(pack: AssetPack) -> tuple[dict[str, list[AssetItem]], list[AssetItem]]:
    """What can be grasped, by noun, and what things can be put into."""
    graspable: dict[str, list[AssetItem]] = {}
    containers = []
    for item in pack.items:
        if item.kind != "tabletop":
            continue
        wide, height = max(item.size_m[:2]), item.size_m[2]
        if (
            item.cavity is not None
            and _CONTAINER_LIMITS_M[0] <= wide <= _CONTAINER_LIMITS_M[1]
            and height <= _CONTAINER_HEIGHT_M
        ):
            containers.append(item)
        elif max(item.size_m) <= _LONGEST_M and height >= _LEAST_HEIGHT_M and item.noun not in _UNSTEADY:
            if can_be_grasped(item):
                graspable.setdefault(item.noun, []).append(item)
    plain = [primitive_item(noun, color) for noun in _PLAIN_CONTAINERS for color in COLORS]
    known = {item.id for item in containers}
    containers += [c for c in plain if c.id not in known and max(c.size_m[:2]) <= _CONTAINER_LIMITS_M[1]]
    return graspable, containers


def can_be_grasped(item: AssetItem, scale: Scale = (1.0, 1.0, 1.0)) -> bool:
    """Whether the gripper can take an item, at that size, from straight above."""
    solid = Solid.of_item(item, scale)
    if find_grasp(solid, solid) is None:  # quick, and most fail here
        return False
    return find_grasp(solid, touched_surface(convex_pieces(item, solid, scale))) is not None


def _fits(target: AssetItem, scale: Scale, container: AssetItem) -> bool:
    size = np.array(target.size_m) * scale
    assert container.cavity is not None
    depth = container.size_m[2] - (container.cavity.center[2] - container.cavity.size[2] / 2)
    # The target falls in at any yaw, and bowls are wider at the rim than the box inside them.
    room = (min(container.cavity.size[:2]) + min(container.size_m[:2])) / 2
    return bool(np.linalg.norm(size[:2]) / np.sqrt(2) * 1.1 + _PLAY_M <= room and depth >= _SINK * size[2])


def _one_of(items: Sequence[AssetItem], rng: np.random.Generator) -> AssetItem:
    return items[int(rng.integers(len(items)))]


def _draw_scale(rng: np.random.Generator) -> Scale:
    factor = float(1 + rng.uniform(-_SIZE_VARIATION, _SIZE_VARIATION))
    return (factor, factor, factor)
