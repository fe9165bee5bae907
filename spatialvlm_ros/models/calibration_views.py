"""Views with truth to calibrate on: a view store, a data set, or freshly simulated ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import CalibrationError
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene

SPLIT = "calibrate"
INSTALLED, PRIMITIVES = "installed", "primitives"
_STORE_FILE = "store.json"
_VIEWS_PER_LAYOUT = 4
_SEED = 11

ViewWithTruth = tuple[Observation, Scene]


def calibration_views(
    source: str, views: int, simulation: dict[str, Any] | None = None, pack: str = INSTALLED
) -> Iterator[ViewWithTruth]:
    """At most ``views`` views with their scenes.

    Args:
        source: folder of a view store or of a data set (its split "calibrate" where it has one), or the name of a
            split of the simulation.
        views: number of views.
        simulation: fields of `SimulationConfig`, for simulated views.
        pack: asset pack of simulated views: "installed", "primitives" or a folder. Errors on coloured primitives say
            nothing of those on things, so they never stand in for a pack that is not there.

    Raises:
        CalibrationError: the folder holds no views.
        ConfigError: no such split.
        AssetError: no asset pack there.
    """
    folder = Path(source)
    if (folder / _STORE_FILE).is_file():
        found = _stored(folder)
    elif folder.exists():
        found = _of_dataset(folder)
    else:
        found = _simulated(source, views, simulation or {}, pack)
    yield from islice(found, views)


def _stored(folder: Path) -> Iterator[ViewWithTruth]:
    """Views of a store have no depth at the size of their pictures."""
    from spatialvlm_ros.training.view_store import read_scene

    files = sorted(folder.glob("*/*.npz"))
    if not files:
        raise CalibrationError("the view store is empty", str(folder), "Render views into it first.")
    for file in files:
        for view in read_scene(file):
            frame = view.scene.frame
            up = frame.up if frame.level else None
            observation = Observation(view.picture(), view.camera, up=up, camera_height=frame.camera_height)
            yield observation, view.scene


def _of_dataset(folder: Path) -> Iterator[ViewWithTruth]:
    """Truth that was lifted from a view's depth agrees with that depth whatever it is: such views come without it."""
    from spatialvlm_ros.datasets.reader import open_dataset
    from spatialvlm_ros.training.from_dataset import EXACT_SOURCES, with_known_metres

    dataset = open_dataset(folder)
    if SPLIT in dataset.splits:
        dataset = dataset.split(SPLIT)
    for index in range(len(dataset)):
        view = dataset.view(index, masks=False)
        if view.source in EXACT_SOURCES:
            yield view.observation, view.scene
        else:
            yield replace(view.observation, depth=None), with_known_metres(view).scene


def _simulated(split: str, views: int, simulation: dict[str, Any], pack: str) -> Iterator[ViewWithTruth]:
    from spatialvlm_ros.datasets.views import SceneView
    from spatialvlm_ros.simulation.assets.pack import default_pack_path
    from spatialvlm_ros.simulation.source import SimulatedViews

    settings = {
        "views_per_layout": _VIEWS_PER_LAYOUT,
        "scenes": 4 * views + 1,
        "depth_noise": "realsense",
        **simulation,
    }
    folder = None if pack == PRIMITIVES else default_pack_path() if pack == INSTALLED else pack
    source = SimulatedViews(settings, split=split, data_seed=_SEED, pack=folder)
    try:
        for index in range(len(source)):
            for view in source.views(index):
                if isinstance(view, SceneView):
                    yield view.observation, replace(view.scene, observation=None)
    finally:
        source.close()
