"""Light of one view: a main light that throws shadows, two weak ones, and light from all around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.splits import LightRules, draw_from

Float = NDArray[np.float64]

N_LIGHTS = 3  # main light first


@dataclass(frozen=True, eq=False)
class Lighting:
    """Directional lights.

    Attributes:
        directions: (N_LIGHTS, 3) unit vectors in which the light travels, world frame.
        colors: (N_LIGHTS, 3) diffuse intensities.
        ambient: (3,) intensity from all around.
        specular: (N_LIGHTS,) highlights.
    """

    directions: Float
    colors: Float
    ambient: Float
    specular: Float


def draw_lighting(rules: LightRules, rng: np.random.Generator) -> Lighting:
    """Random light within the rules of a split."""
    key, ambient = draw_from(rules.key, rng), draw_from(rules.ambient, rng)
    elevations = np.radians([draw_from(rules.elevation_deg, rng), *rng.uniform(20, 80, N_LIGHTS - 1)])
    azimuths = rng.uniform(-np.pi, np.pi, N_LIGHTS)
    directions = -np.stack(
        [np.cos(elevations) * np.cos(azimuths), np.cos(elevations) * np.sin(azimuths), np.sin(elevations)], axis=1
    )
    levels = np.array([key, *rng.uniform(0.1, 0.35, N_LIGHTS - 1) * key])
    tints = 1 + rng.uniform(-rules.cast, rules.cast, (N_LIGHTS, 3))
    return Lighting(directions, levels[:, None] * tints, ambient * tints[0], rng.uniform(0.0, 0.4, N_LIGHTS) * levels)
