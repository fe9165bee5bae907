"""Scripted episodes: the label of each must be what the physics shows, judged here a second time from raw states."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from spatialvlm_ros.errors import ConfigError, SimulationError
from spatialvlm_ros.simulation.assets.pack import AssetPack, default_pack_path
from spatialvlm_ros.simulation.assets.storage import MANIFEST_NAME
from spatialvlm_ros.simulation.robot.casting import draw_cast, suitable_items
from spatialvlm_ros.simulation.robot.episodes import EpisodeFrame, Recording, run_episode, simulate_episode
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M
from spatialvlm_ros.simulation.robot.scripts import OUTCOMES
from spatialvlm_ros.simulation.robot.tasks import PLACE_IN, REACH, TASKS

pytest.importorskip("mujoco")

SEEDS = (0, 1, 2)
ALL = [(task, outcome) for task, outcomes in OUTCOMES.items() for outcome in outcomes]


@cache
def recorded(task: str, outcome: str, seed: int) -> Recording:
    return simulate_episode(task, outcome, seed)


def bottoms(recording: Recording, index: int) -> np.ndarray:
    """(T,) metres of the object's lowest point over the table, from the stored physics."""
    heights = []
    for moment in recording.moments:
        recording.restore(moment)
        heights.append(recording.world.boxes()[index].bottom_along([0.0, 0.0, 1.0])[0] - TABLE_TOP_M)
    return np.array(heights)


def at_end(recording: Recording) -> None:
    recording.restore(recording.moments[-1])


def way(recording: Recording, index: int) -> float:
    """Metres between the object's first and last place."""
    recording.restore(recording.moments[0])
    start = recording.world.data.xpos[recording.world.body_ids[index]].copy()
    at_end(recording)
    return float(np.linalg.norm(recording.world.data.xpos[recording.world.body_ids[index]] - start))


def over_container(recording: Recording, index: int) -> bool:
    at_end(recording)
    centers = recording.world.boxes().centers
    wall = recording.world.boxes().sizes[recording.cast.container][:2].min() / 2
    return bool(np.linalg.norm((centers[index] - centers[recording.cast.container])[:2]) < wall)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("task", "outcome"), ALL)
def test_only_successes_end_in_success(task, outcome, seed):
    recording = recorded(task, outcome, seed)
    assert TASKS[task].success(recording.moments[-1].state) == (outcome == "success")
    assert recording.info.outcome == outcome and recording.info.n_frames == len(recording.moments) > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_a_picked_object_hangs_between_the_fingers(seed):
    recording = recorded("pick", "success", seed)
    heights = bottoms(recording, 0)
    assert heights[0] < 0.003 and heights[-1] > 0.10
    at_end(recording)
    assert recording.world.pads_on(0) == (True, True)
    assert not recording.world.is_supported(0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_placed_object_lies_in_its_container_and_the_hand_is_gone(seed):
    recording = recorded("place_in", "success", seed)
    assert bottoms(recording, 0).max() > 0.05  # it was carried over the rim, not pushed
    assert over_container(recording, 0)
    assert recording.world.gap_to(0, recording.world.tcp()) > 0.02


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task", ["reach", "pick", "place_in"])
def test_a_miss_comes_near_and_leaves_the_object_alone(task, seed):
    recording = recorded(task, "miss", seed)
    gaps = [m.state.gap for m in recording.moments]
    assert 0.003 < min(gaps) < 0.25 and min(gaps) < gaps[0]
    assert way(recording, 0) < 0.02
    if task != "reach":
        assert min(m.command.grip for m in recording.moments) == -1.0  # it did close
        assert recording.world.opening() < 0.005  # on nothing


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task", ["pick", "place_in"])
def test_a_dropped_object_was_up_and_falls(task, seed):
    recording = recorded(task, "drop", seed)
    heights = bottoms(recording, 0)
    assert heights.max() > 0.04 and heights[-1] < 0.03
    held = [m.state.gripped for m in recording.moments]
    assert any(held) and not held[-1] and not recording.moments[-1].state.touched
    if task == "place_in":
        assert recording.moments[-1].state.inside <= 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task", ["reach", "pick", "place_in"])
def test_the_wrong_object_is_served_and_the_right_one_untouched(task, seed):
    recording = recorded(task, "wrong_object", seed)
    assert way(recording, 0) < 0.02
    others = recording.cast.distractors
    at_end(recording)
    if task == "reach":
        tcp = recording.world.tcp()
        assert min(recording.world.gap_to(k, tcp) for k in others) < 0.015 < recording.world.gap_to(0, tcp)
    elif task == "pick":
        assert max(bottoms(recording, k)[-1] for k in others) > 0.10
    else:
        assert any(over_container(recording, k) for k in others) and not over_container(recording, 0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task", ["reach", "pick", "place_in"])
def test_a_hand_that_stops_short_came_nearer_and_touched_nothing(task, seed):
    recording = recorded(task, "stops_short", seed)
    gaps = [m.state.gap for m in recording.moments]
    assert 0.03 <= gaps[-1] <= 0.25 and gaps[-1] < 0.75 * gaps[0]
    assert not any(m.state.touched for m in recording.moments)
    assert all(way(recording, k) < 0.005 for k in range(len(recording.world.objects)))
    assert gaps[-1] == pytest.approx(gaps[-3], abs=2e-3)  # it has halted


def test_the_seed_decides_everything():
    one, two = simulate_episode("pick", "drop", 5), simulate_episode("pick", "drop", 5)
    assert one.info == two.info
    for a, b in zip(one.moments, two.moments, strict=True):
        assert a.physics.tobytes() == b.physics.tobytes()
    three = simulate_episode("pick", "drop", 6)
    assert one.moments[0].physics.tobytes() != three.moments[0].physics.tobytes()


@pytest.fixture(scope="module")
def frames() -> list[EpisodeFrame]:
    return list(run_episode("pick", "success", 1, width=160, height=120, wrist=True))


def test_frames_show_what_the_physics_did(frames):
    info = frames[0].episode
    assert [f.index for f in frames] == list(range(info.n_frames))
    assert frames[-1].is_last and not frames[0].is_last
    assert frames[-1].is_success and not frames[0].is_success
    assert np.allclose(np.diff([f.time_s for f in frames]), 0.2)  # five a second
    assert frames[0].phase == "start" and frames[-1].phase == "done"
    assert info.instruction == f"Pick up the {info.target}." and info.target in frames[-1].touched
    rewards = [f.reward for f in frames]
    assert rewards[-1] == pytest.approx(0.0, abs=1e-9) and rewards[0] < -0.2


def test_each_frame_is_consistent_with_its_truth(frames):
    for frame in frames[::6]:
        scene, observation = frame.scene, frame.scene.observation
        target, gripper = scene.objects[0], next(o for o in scene.objects if o.label == "gripper")
        np.testing.assert_allclose(gripper.box3d.centers[0], frame.tcp, atol=1e-9)
        index = [o.label for o in scene.objects].index("gripper")
        assert scene.gaps[0, index] == pytest.approx(frame.state.gap, abs=1e-9)
        bottom = target.box3d.bottom_along(observation.up)[0] + observation.camera_height
        assert bottom == pytest.approx(frame.state.elevation, abs=1e-6)
        assert frame.wrist is not None and frame.wrist.rgb.shape == (120, 160, 3)
        if target.mask.any():
            seen = target.points
            assert (np.abs(target.box3d.to_local(seen.mean(axis=0)[None])[0]) <= target.box3d.sizes[0] / 2 + 2e-3).all()
        np.testing.assert_array_equal(frame.instances == 1, target.mask)


def test_the_target_is_in_view_at_the_start_and_names_are_unique(frames):
    objects = frames[0].scene.objects
    assert objects[0].visible_fraction > 0.2
    assert len({o.label for o in objects}) == len({o.noun for o in objects}) == len(objects)
    assert len(frames[0].episode.distractors) >= 2


def test_frames_are_the_same_the_second_time(frames):
    again = next(iter(run_episode("pick", "success", 1, width=160, height=120)))
    np.testing.assert_array_equal(again.scene.observation.rgb, frames[0].scene.observation.rgb)
    assert again.scene.observation.camera == frames[0].scene.observation.camera and again.wrist is None


@pytest.mark.skipif(not (default_pack_path() / MANIFEST_NAME).exists(), reason="no asset pack is built here")
@pytest.mark.parametrize(("task", "outcome"), [("pick", "success"), ("place_in", "drop")])
def test_real_objects_play_along(task, outcome):
    pack = AssetPack.load()
    recording = simulate_episode(task, outcome, 1, pack)
    assert {o.item.id for o in recording.world.objects} & {i.id for i in pack.items}
    assert bottoms(recording, 0).max() > 0.04
    assert TASKS[task].success(recording.moments[-1].state) == (outcome == "success")


def test_twins_only_when_asked():
    rng = np.random.default_rng(0)
    cast = draw_cast(REACH, AssetPack.primitives(), rng, twins=True)
    assert cast.items[1].noun == cast.items[0].noun
    for _ in range(10):
        items = draw_cast(PLACE_IN, AssetPack.primitives(), rng, n_distractors=2).items
        assert len({i.noun for i in items}) == len(items) == 4
        assert items[1].is_container


def test_only_what_fits_the_hand_and_stands_takes_part():
    graspable, containers = suitable_items(AssetPack.primitives())
    assert {"ball", "cube", "cylinder"} <= set(graspable) and not {"box", "cone", "disk"} & set(graspable)
    assert all(item.cavity is not None for item in containers)


def test_impossible_episodes_are_refused():
    with pytest.raises(ConfigError, match="outcome"):
        simulate_episode("reach", "drop", 0)
    with pytest.raises(ConfigError, match="outcome"):
        simulate_episode("pick", "explode", 0)
    with pytest.raises(ConfigError, match="task"):
        simulate_episode("juggle", "success", 0)
    with pytest.raises(SimulationError, match="distractors"):
        simulate_episode("pick", "success", 0, n_distractors=1)
    two_kinds = AssetPack(tuple(i for i in AssetPack.primitives().items if i.noun in ("cube", "ball")))
    with pytest.raises(SimulationError, match="suit"):
        simulate_episode("pick", "success", 0, pack=two_kinds)
