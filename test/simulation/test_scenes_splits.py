"""The splits share no scene, no camera, no light; the reserved meshes are only in new_objects."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.simulation.config import SimulationConfig
from spatialvlm_ros.simulation.splits import draw_from, get_split, split_names, split_of_seed

NAMES = ("train", "calibrate", "new_scenes", "new_objects", "new_cameras", "new_light_and_noise")


def _overlap(a, b) -> bool:
    return any(low < high2 and low2 < high for low, high in a for low2, high2 in b)


def test_all_splits_are_there() -> None:
    assert split_names() == NAMES


def test_seeds_say_which_split_they_belong_to_and_never_meet() -> None:
    seen: dict[int, str] = {}
    for name in NAMES:
        for data_seed in (0, 1, 12345):
            for index in range(200):
                seed = get_split(name).scene_seed(data_seed, index)
                assert split_of_seed(seed) == name
                assert seed < 2**53  # survives JSON and float columns
                assert seen.setdefault(seed, name) == name
    ranges = [get_split(name).seeds for name in NAMES]
    assert sum(end - start for start, end in ranges) == get_split("train").buckets
    assert not any(_overlap([a], [b]) for i, a in enumerate(ranges) for b in ranges[:i])


def test_seeds_depend_on_data_seed_and_index() -> None:
    split = get_split("train")
    assert split.scene_seed(0, 5) == split.scene_seed(0, 5)
    assert len({split.scene_seed(d, i) for d in range(5) for i in range(100)}) == 500


def test_new_cameras_lights_and_layouts_are_new() -> None:
    usual, new = get_split("train"), get_split("new_cameras").cameras
    assert not _overlap(usual.cameras.hfov_deg, new.hfov_deg)
    assert not set(usual.cameras.aspects) & set(new.aspects)
    assert not _overlap(usual.cameras.table_elevation_deg, new.table_elevation_deg)
    assert not _overlap(usual.cameras.room_elevation_deg, new.room_elevation_deg)
    lights = get_split("new_light_and_noise").lights
    assert not _overlap(usual.lights.key, lights.key) and not _overlap(usual.lights.ambient, lights.ambient)
    assert not _overlap(usual.lights.elevation_deg, lights.elevation_deg)
    assert (usual.lights.depth_noise, lights.depth_noise) == ("none", "realsense")
    layouts = get_split("new_scenes").layouts
    assert not set(usual.layouts.table_styles) & set(layouts.table_styles)
    assert not set(usual.layouts.arrangements) & set(layouts.arrangements)


def test_only_new_objects_shows_reserved_meshes() -> None:
    assert [name for name in NAMES if get_split(name).objects == "reserved"] == ["new_objects"]


def test_draw_from_covers_the_union_only() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([draw_from(((0, 1), (5, 8)), rng) for _ in range(2000)])
    assert (((drawn >= 0) & (drawn <= 1)) | ((drawn >= 5) & (drawn <= 8))).all()
    assert (drawn < 2).mean() == pytest.approx(0.25, abs=0.04)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="no such split"):
        get_split("test")
    with pytest.raises(ConfigError, match="unknown simulation settings"):
        SimulationConfig.of({"with": 640})
    with pytest.raises(ConfigError, match="room_share"):
        SimulationConfig(room_share=1.5)
    with pytest.raises(ConfigError, match="must be of type int"):
        SimulationConfig.of({"width": "640"})


def test_the_file_that_comes_with_the_package_holds_the_defaults() -> None:
    assert SimulationConfig.load() == SimulationConfig()
