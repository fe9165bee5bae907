"""What is true of a layout, whatever camera looks at it: boxes, surfaces, distances between real surfaces, contacts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.gaps import Posed, gap_matrix
from spatialvlm_ros.simulation.layouts import Layout
from spatialvlm_ros.simulation.stage import Stage

Float = NDArray[np.float64]

CONTACT_M = 0.001  # surfaces nearer than this touch, and their gap is 0


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that has a name in the scene.

    Attributes:
        label, noun, attributes: its words.
        asset: id of its mesh, "" for what is built in code.
        posed: its complete surface, placed in the world.
        geoms: MuJoCo geoms that draw it.
        plane: name of the plane that carries it.
        carrier: it is a table: what stands on it hides it, and it is only named when much of it is seen.
        center, size: (3,) metres in the frame of ``posed``, of its box: the box around the surface, but the
            tool centre region for a gripper.
    """

    label: str
    noun: str
    attributes: tuple[str, ...]
    asset: str
    posed: Posed
    geoms: NDArray[np.intp]
    plane: str
    center: Float
    size: Float
    carrier: bool = False

    def world_center(self) -> Float:
        """(3,) middle of its box, world frame."""
        return self.posed.to_world(self.center)


@dataclass(frozen=True, eq=False)
class LayoutTruth:
    """All things of a layout.

    Attributes:
        things: in the order of their instance ids, which start at 1.
        gaps: (n, n) metres between surfaces; 0 for those that touch.
        surfaces: per thing (M, 3) points spread over its surface, world frame.
        planes: name -> height of the supporting planes, metres.
    """

    things: tuple[Thing, ...]
    gaps: Float
    surfaces: tuple[Float, ...]
    planes: dict[str, float]


def things_of(layout: Layout, stage: Stage, robot: tuple[Thing, ...]) -> tuple[Thing, ...]:
    """The things of a layout: placed objects, built furniture, and those of the robot (`robot_things`)."""
    things = []
    for placed in layout.placed:
        item, solid = placed.prop.item, placed.prop.solid
        things.append(
            Thing(
                item.label,
                item.noun,
                item.attributes,
                item.id,
                placed.posed,
                stage.prop_geoms[placed.prop.index],
                placed.plane,
                solid.center,
                solid.size,
            )
        )
    for built, geoms in zip(layout.built, stage.built_geoms, strict=False):
        posed = built.posed
        shown = geoms[: len(built.sizes)]
        solid = posed.solid
        things.append(Thing(built.noun, built.noun, (), "", posed, shown, "floor", solid.center, solid.size, True))
    return (*things, *robot)


def measure(layout: Layout, things: tuple[Thing, ...], samples: int, rng: np.random.Generator) -> LayoutTruth:
    """Measure the gaps between all things and draw their surface samples."""
    gaps = gap_matrix([thing.posed for thing in things])
    gaps[gaps <= CONTACT_M] = 0.0
    surfaces = tuple(t.posed.to_world(t.posed.solid.samples(samples, rng)) for t in things)
    return LayoutTruth(things, gaps, surfaces, layout.planes)
