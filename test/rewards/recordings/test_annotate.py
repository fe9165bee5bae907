"""Judging: batches, pictures that fail, episodes that cannot be read, and what is left as it was."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruler import BROKEN, TASK, Ruler, episode, picture, potential
from samples import FRONT, write_bag, write_lerobot_v21, write_lerobot_v30, write_robomimic

from spatialvlm_ros.errors import CameraModelError, ConfigError, DatasetError, ModelError, RemoteError, SourceError
from spatialvlm_ros.rewards.recordings.annotate import annotate
from spatialvlm_ros.rewards.recordings.registry import open_recording
from spatialvlm_ros.rewards.reward import RewardEngine

DISTANCES = np.arange(40, 17, -1.0)


def engine(_):
    return RewardEngine(TASK, gamma=0.95)


def test_pictures_go_through_the_model_in_batches(annotated, tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)])
    assert annotated(path, batch=10).model.batches == [10, 10, 3]


def test_every_episode_begins_anew(annotated, tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), episode(DISTANCES)])
    done = annotated(path)
    assert np.array_equal(done.kept(0).reward, done.kept(1).reward) and done.kept(1).reward[0] == 0


def test_one_bad_picture_fails_no_others(annotated, tmp_path, rewards_between):
    pictures = episode(DISTANCES)
    pictures[5] = picture(0)
    pictures[5][0, 0, 0] = BROKEN
    done = annotated(write_robomimic(tmp_path / "demo.hdf5", [pictures]), batch=8)
    kept = done.kept()
    assert kept.valid.tolist() == [k != 5 for k in range(23)]
    assert kept.reason[5] == "model_error" and "too red" in kept.detail[5]
    assert done.outcome.unreadable == {} and sum(done.outcome.refused.values()) == 1
    expected = np.delete(rewards_between(DISTANCES), [4, 5])
    assert np.allclose(np.delete(kept.reward[1:], [4, 5]), expected, atol=1e-12)


class Failing(Ruler):
    """Looks at 8 pictures, then fails until it is mended: at the picture, or when it is asked about one."""

    def __init__(self, error, asked=False):
        super().__init__()
        self.error, self.asked = error, asked

    def look_many(self, observations, known_sizes=None):
        views = super().look_many(observations, known_sizes)
        if self.error is None or self.looked <= 8:
            return views
        if self.asked:
            return [BrokenView(self.error) for _ in views]
        raise self.error


class BrokenView:
    def __init__(self, error):
        self.error = error

    def measure_many(self, queries):
        raise self.error


def short_of_memory():
    error = ModelError("the model failed on a picture", "out of memory", "Try a smaller one.")
    torch = pytest.importorskip("torch")
    error.__cause__ = torch.OutOfMemoryError("CUDA out of memory")
    return error


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("kind", ["server", "memory"])
def test_what_may_pass_is_no_measurement(annotated, tmp_path, kind, asked):
    """A server that is down for a while costs no picture: the run stops, and goes on when it is up."""
    down = RemoteError("the server cannot be reached", "http://x", "Start it.")
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), episode(DISTANCES)])
    model = Failing(down if kind == "server" else short_of_memory(), asked)
    with pytest.raises(ModelError, match="do the same again to go on"):
        annotated(path, model=model)
    assert not (tmp_path / "demo_rewards.hdf5").exists()
    up = annotated(path)
    assert up.model.looked == 46 - 8 and up.outcome.valid == up.outcome.frames == 46 and not up.outcome.unrewarded


def test_an_episode_without_a_valid_reward_is_told_of(annotated, tmp_path):
    blind = episode(DISTANCES)
    for pixels in blind:
        pixels[0, 0, 0] = BROKEN
    outcome = annotated(write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), blind])).outcome
    assert outcome.unrewarded == ["demo_1"] and outcome.valid == 23 and not outcome.failed


def test_unseen_pictures_keep_the_discounted_sum(annotated, tmp_path):
    """What a learner adds up is the same, whatever was not seen in between."""
    pictures = episode(DISTANCES)
    whole = annotated(write_robomimic(tmp_path / "whole.hdf5", [pictures])).kept()
    for k in (5, 6, 7):
        pictures[k] = pictures[k].copy()
        pictures[k][0, 0, 0] = BROKEN
    holes = annotated(write_robomimic(tmp_path / "holes.hdf5", [pictures])).kept()
    weights = 0.95 ** np.arange(22)
    assert (weights * holes.reward[1:]).sum() == pytest.approx((weights * whole.reward[1:]).sum(), abs=1e-9)


def test_a_success_is_marked_and_paid(annotated, tmp_path):
    distances = [30, 20, 10, 5, 1, 0.5, 0.25, 0.25, 0.25]
    kept = annotated(write_robomimic(tmp_path / "demo.hdf5", [episode(distances)])).kept()
    assert kept.success.tolist() == [False] * 5 + [True] * 4  # it has to hold for two pictures
    assert (kept.reward[kept.success] > 0.9).all() and (kept.reward[:4] < 0.6).all()
    assert np.all(np.diff(kept.success_probability[:6]) >= 0)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_damaged_video_costs_its_own_pictures(annotated, tmp_path, version):
    """Of version 2 each episode has its own video; of version 3 they share one."""
    write = {"v2.1": write_lerobot_v21, "v3.0": write_lerobot_v30}[version]
    root = write(tmp_path / "set", [episode(DISTANCES), episode(DISTANCES)])
    video = sorted((root / "videos").rglob("*.mp4"))[0]
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    if version == "v3.0":
        with pytest.raises(SourceError, match="no episode of .* can be read.*file-000.mp4"):
            annotated(root)
        assert not (tmp_path / "set_rewards").exists()
        return
    done = annotated(root)
    assert list(done.outcome.failed) == ["episode_000000"] and done.outcome.episodes == 1
    assert "episode_000000.mp4" in str(done.outcome.failed["episode_000000"])
    tables = [pq.read_table(p).to_pydict() for p in sorted((done.target / "data").rglob("*.parquet"))]
    assert not any(tables[0]["next.reward_valid"]) and np.isnan(tables[0]["next.reward"]).all()
    assert tables[1]["next.reward_valid"] == [True] * 22 + [False]
    assert np.isfinite(tables[1]["next.reward"]).all()
    assert video.read_bytes() == content[: len(content) // 2]


def test_a_repaired_episode_is_judged_in_the_next_run(annotated, tmp_path):
    root = write_lerobot_v21(tmp_path / "set", [episode(DISTANCES), episode(DISTANCES)])
    video = root / f"videos/chunk-000/{FRONT}/episode_000000.mp4"
    whole = video.read_bytes()
    video.unlink()
    first = annotated(root)
    assert list(first.outcome.failed) == ["episode_000000"]
    video.write_bytes(whole)
    again = annotated(root)
    assert not again.outcome.failed and again.model.looked == 23
    table = pq.read_table(again.target / "data/chunk-000/episode_000000.parquet").to_pydict()
    assert np.isfinite(table["next.reward"]).all()


def test_an_episode_that_is_repaired_before_it_is_finished_is_measured_anew(annotated, tmp_path):
    """Its first pictures may be others than those that were measured."""
    down = Failing(RemoteError("the server cannot be reached", "http://x", "Start it."))
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)])
    with pytest.raises(ModelError):
        annotated(path, model=down)
    path.unlink()
    done = annotated(write_robomimic(path, [episode(DISTANCES[::-1])]))
    assert done.model.looked == 23 and np.allclose(done.kept().potential, [potential(d) for d in DISTANCES[::-1]])


def test_a_recording_of_empty_episodes_is_an_error(annotated, tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [[], []])
    with pytest.raises(SourceError, match="no pictures to judge"):
        annotated(path)
    assert not (tmp_path / "demo_rewards.hdf5").exists()


def test_an_episode_without_rows_is_skipped(annotated, tmp_path):
    done = annotated(write_lerobot_v21(tmp_path / "set", [episode(DISTANCES), []]))
    assert done.outcome.empty == ["episode_000001"] and done.outcome.episodes == 1
    assert pq.read_table(done.target / "data/chunk-000/episode_000001.parquet").num_rows == 0


def test_an_episode_of_one_picture(annotated, tmp_path):
    kept = annotated(write_bag(tmp_path / "bag", episode([20]))).kept()
    assert len(kept) == 1 and kept.reward[0] == 0 and kept.valid[0]
    done = annotated(write_lerobot_v21(tmp_path / "set", [episode([20])]))
    table = pq.read_table(done.target / "data/chunk-000/episode_000000.parquet").to_pydict()
    assert table["next.reward_valid"] == [False] and table["next.done"] == [True]


@pytest.mark.parametrize("given", [False, True])
def test_a_picture_of_another_size_keeps_its_place(annotated, tmp_path, given):
    """Whether the camera is recorded or given."""
    pictures = [*episode(DISTANCES[:4]), picture(20, 32, 24), *episode(DISTANCES[4:])]
    options = {"camera": "55,55,50,30"} if given else {}
    path = write_bag(tmp_path / "bag", pictures, **({"camera": None} if given else {}))
    done = annotated(path, hfov=None, **options)
    assert done.kept().valid.tolist() == [k != 4 for k in range(24)] and done.kept().reason[4] == "no_camera_info"
    assert done.outcome.unreadable == {"bag": 1}


def test_an_episode_of_another_camera_is_left_out(annotated, tmp_path):
    """Its pictures are of a size that the camera was not given for; the others are judged."""
    small = [picture(c, 32, 24) for c in DISTANCES]
    path = write_lerobot_v21(tmp_path / "set", [episode(DISTANCES), small, episode(DISTANCES)], kind="image")
    done = annotated(path, hfov=None, camera="55,55,50,30")
    assert list(done.outcome.failed) == ["episode_000001"] and done.outcome.valid == 46
    assert "principal point" in str(done.outcome.failed["episode_000001"])


def test_an_episode_that_does_not_tell_its_camera_is_left_out(annotated, tmp_path):
    import json

    import h5py

    info = {"agentview": {"intrinsics": [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]], "extrinsics": np.eye(4).tolist()}}
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)] * 2, camera_info=info)
    with h5py.File(path, "r+") as file:
        for name in ("demo_0", "demo_1"):
            del file[f"data/{name}/obs/robot0_eef_pos"]  # the ruler is not told of grippers
        file["data/demo_0"].attrs["camera_info"] = json.dumps({})
    with pytest.raises(CameraModelError, match="--hfov"):
        annotated(path, hfov=None)
    with h5py.File(path, "r+") as file:
        for name, told in (("demo_0", info), ("demo_1", {})):
            file[f"data/{name}"].attrs["camera_info"] = json.dumps(told)
    done = annotated(path, hfov=None)
    assert list(done.outcome.failed) == ["demo_1"] and "--hfov" in str(done.outcome.failed["demo_1"])


@pytest.mark.parametrize("inside", ["rewards", "meta/rewards"])
def test_nothing_is_written_into_the_original(tmp_path, inside):
    from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
    from spatialvlm_ros.rewards.recordings.episode import Provenance

    root = write_lerobot_v21(tmp_path / "set", [episode(DISTANCES)])
    recording = open_recording(root, hfov=60)
    provenance = Provenance(TASK, 0.95, "ruler", FRONT)
    with pytest.raises(DatasetError, match="never written into the original"):
        RecordingWriter(recording, tmp_path / "report", root / inside, "copy", provenance)
    with pytest.raises(DatasetError, match="never written into the original"):
        RecordingWriter(recording, root / inside, tmp_path / "out", "copy", provenance)


@pytest.mark.parametrize("option", [{"batch": 0}, {"batch": True}, {"end": "over"}])
def test_settings_out_of_range_are_named(tmp_path, option):
    recording = open_recording(write_bag(tmp_path / "bag", episode(DISTANCES)))
    with pytest.raises(ConfigError):
        annotate(recording, None, engine, Ruler(), **option)


def test_progress_counts_every_picture_once(annotated, tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), episode(DISTANCES)])
    done = annotated(path)
    shutil.rmtree(done.writer.folder / "episodes/000001")
    for writer in (done.writer,):
        moved = []
        annotate(done.recording, writer, engine, Ruler(), 4, progress=moved.append)
        assert sum(moved) == 46
