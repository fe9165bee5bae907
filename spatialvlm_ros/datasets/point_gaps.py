"""Gaps of scenes that were lifted from pictures: least distances between the surface points of their objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.scenes.gaps import surface_gaps
from spatialvlm_ros.scenes.scene import Scene, SceneObject

Float = NDArray[np.float64]

# Of each object: more would only cost time, the spacing of so many points is below the noise of a depth sensor.
_MOST_POINTS = 4000


def with_gaps(scene: Scene) -> Scene:
    """The scene with ``gaps`` computed from surfaces, else from visible points, if it has none yet.

    Pairs without points on both objects stay NaN (there the boxes stand in); a scene without any points stays as it is.
    """
    clouds = [_cloud(item) for item in scene.objects]
    if scene.gaps is not None or sum(cloud is not None for cloud in clouds) < 2:
        return scene
    return replace(scene, gaps=surface_gaps(clouds))


def _cloud(item: SceneObject) -> Float | None:
    points = item.surface if item.surface is not None else item.points
    if points is None or len(points) == 0:
        return None
    return points[:: -(-len(points) // _MOST_POINTS)]
