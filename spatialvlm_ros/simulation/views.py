"""From a rendered picture and the truth of its layout to a `Scene`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene, SceneObject
from spatialvlm_ros.simulation.rendering import Rendered, Renderer
from spatialvlm_ros.simulation.truth import LayoutTruth, Thing
from spatialvlm_ros.simulation.viewpoints import Viewpoint
from spatialvlm_ros.simulation.visibility import amodal_window, visible_fractions

Float = NDArray[np.float64]


def instance_picture(geom_ids: NDArray[np.int32], things: tuple[Thing, ...], n_geoms: int) -> NDArray[np.uint16]:
    """(H, W) uint16 number of the thing (from 1) that each pixel shows, 0 for floor, walls and sky."""
    lookup = np.zeros(n_geoms + 1, np.uint16)  # the last entry stands for id -1, nothing hit
    for number, thing in enumerate(things, start=1):
        lookup[thing.geoms] = number
    return lookup[geom_ids]


def compose_scene(
    truth: LayoutTruth,
    viewpoint: Viewpoint,
    rendered: Rendered,
    instances: NDArray[np.uint16],
    renderer: Renderer,
    data: object,
    min_visible_pixels: int,
    table_min_fraction: float,
) -> tuple[Scene, NDArray[np.uint16]]:
    """The scene of one picture.

    Its objects are the things with at least ``min_visible_pixels`` visible pixels, hidden and cropped ones included
    (``visible_fraction`` says how much is seen). A table that carries things covers the picture in most close views; it
    is an object only where ``table_min_fraction`` of it is seen.

    Returns:
        The scene, and the instances picture without the things that are not objects of it.
    """
    things, pose, camera = truth.things, viewpoint.pose, viewpoint.camera
    pixels = np.bincount(instances.ravel(), minlength=len(things) + 1)[1:]
    windows = np.stack([amodal_window(t, pose) for t in things])
    fractions = visible_fractions(
        list(things), pixels, windows, _carried(truth, pose.position[2]), data, pose, camera, renderer
    )
    enough = pixels >= min_visible_pixels
    enough &= np.array([not t.carrier for t in things]) | (fractions >= table_min_fraction)
    kept = np.flatnonzero(enough)
    kept_ids = np.zeros(len(things) + 1, np.uint16)
    kept_ids[kept + 1] = kept + 1
    instances = kept_ids[instances]
    objects = tuple(_scene_object(truth, int(k), viewpoint, instances, float(fractions[k])) for k in kept)
    frame = _frame(truth, objects, viewpoint)
    observation = Observation(
        rgb=rendered.rgb, camera=camera, depth=rendered.depth, up=pose.up(), camera_height=frame.camera_height
    )
    gaps = truth.gaps[np.ix_(kept, kept)]
    touching = np.argwhere(np.triu(gaps == 0.0, k=1))
    contacts = frozenset((int(i), int(j)) for i, j in touching)
    return Scene(observation, objects, frame, gaps, contacts), instances


def _carried(truth: LayoutTruth, camera_height: float) -> NDArray[np.bool_]:
    """(n, n) whether thing i stands on table j and the camera is above that table, so that j cannot hide i."""
    tops = {t.noun: truth.planes.get(t.noun, np.inf) for t in truth.things if t.carrier}
    return np.array(
        [[b.carrier and a.plane == b.noun and camera_height > tops[b.noun] for b in truth.things] for a in truth.things]
    )


def _scene_object(
    truth: LayoutTruth, k: int, viewpoint: Viewpoint, instances: NDArray[np.uint16], fraction: float
) -> SceneObject:
    thing, pose = truth.things[k], viewpoint.pose
    mask = instances == k + 1
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box2d = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
    center = pose.to_optical(thing.world_center()[None])
    rotation = pose.rotation.T @ thing.posed.rotation
    return SceneObject(
        label=thing.label,
        box2d=box2d,
        box3d=Boxes(center, thing.size[None], rotation[None]),
        noun=thing.noun,
        attributes=thing.attributes,
        mask=mask,
        surface=pose.to_optical(truth.surfaces[k]),
        visible_fraction=fraction,
        instance_id=k + 1,
        asset=thing.asset,
        camera_height=float(pose.position[2] - truth.planes[thing.plane]),
        support_id=thing.plane,
    )


def _frame(truth: LayoutTruth, objects: tuple[SceneObject, ...], viewpoint: Viewpoint) -> CanonicalFrame:
    """Frame over the plane that carries most objects; of planes with as many, the higher one."""
    names = [o.support_id for o in objects if o.support_id is not None]
    if not names:
        return CanonicalFrame.from_up(viewpoint.pose.up())
    plane = max(sorted(set(names)), key=lambda name: (names.count(name), truth.planes[name]))
    return CanonicalFrame.from_up(viewpoint.pose.up(), float(viewpoint.pose.position[2] - truth.planes[plane]), plane)
