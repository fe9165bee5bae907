"""`spatialvlm reward annotate` as people call it, with the model that comes with the package."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruler import episode
from samples import FRONT, write_bag, write_lerobot_v21, write_robomimic

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.models.estimate import Reason

SHORT = episode(np.arange(40, 34, -1.0))


def call(*arguments):
    return main(["reward", "annotate", *map(str, arguments), "--no-progress"])


def test_a_data_set_from_end_to_end(tmp_path, capsys):
    pytest.importorskip("torch")
    root = write_lerobot_v21(tmp_path / "set", [SHORT, SHORT], kind="image")
    assert call(root, "--gamma", 0.99, "--hfov", 60, "--pages", 1) == 1
    said = capsys.readouterr()
    assert "episode_000000 has not one picture with a valid reward" in said.err  # there is neither hand nor apple
    assert "set_rewards: 2 episodes" in said.out and "of 12 pictures" in said.out
    table = pq.read_table(tmp_path / "set_rewards/data/chunk-000/episode_000001.parquet").to_pydict()
    assert set(table["next.reward_reason"]) <= {str(reason) for reason in Reason}
    assert np.isfinite(table["next.reward"]).all()
    provenance = json.loads((tmp_path / "set_rewards/meta/spatialvlm_reward.json").read_text())
    assert provenance["task"]["name"] == "reach_apple" and provenance["gamma"] == 0.99
    assert provenance["model"] == "embedded" and len(provenance["model_fingerprint"]) > 8
    assert provenance["intrinsics"] == "--hfov 60" and provenance["follow"] is True
    report = tmp_path / "set_rewards_report"
    assert "episode_000001" in (report / "index.html").read_text()
    assert [p.name for p in report.glob("episode_*.html")] == ["episode_000000.html"]
    journal = report / "episodes/000000/measured.jsonl"
    before = journal.stat().st_mtime_ns
    assert call(root, "--gamma", 0.99, "--hfov", 60) == 1  # nothing is left to do
    assert journal.stat().st_mtime_ns == before
    assert call(root, "--gamma", 0.5, "--hfov", 60) == 1
    assert "other settings: gamma" in capsys.readouterr().err
    assert call(root, "--gamma", 0.99, "--hfov", 60, "--no-follow") == 1
    assert "other settings: follow" in capsys.readouterr().err


def test_an_episode_that_cannot_be_read_is_reported(tmp_path, capsys):
    pytest.importorskip("torch")
    root = write_lerobot_v21(tmp_path / "set", [SHORT, SHORT])
    (root / f"videos/chunk-000/{FRONT}/episode_000001.mp4").write_bytes(b"")
    out = tmp_path / "elsewhere" / "annotated"
    assert call(root, "--gamma", 0.99, "--camera", "55,55,31.5,23.5", "--out", out, "--pages", 0) == 1
    error = capsys.readouterr().err
    assert "episode_000001 is left out" in error and "episode_000001.mp4" in error
    first, second = (pq.read_table(p).to_pydict() for p in sorted((out / "data").rglob("*.parquet")))
    assert np.isfinite(first["next.reward"]).all() and np.isnan(second["next.reward"]).all()


def test_the_gripper_of_the_recording_is_given_to_the_model(tmp_path):
    """Its place is known, so only the apple has to be found."""
    pytest.importorskip("torch")
    from spatialvlm_ros.bags.writer import BagWriter
    from spatialvlm_ros.rewards.recordings.registry import open_recording

    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for k, pixels in enumerate(SHORT):
            stamp = k * 10**8
            bag.transform("camera", "tool", (0, 0, 0, 1), (0, 0, 0.5), stamp)
            bag.image("/camera/image_raw", pixels, "rgb8", stamp, "camera")
    assert open_recording(path, hfov=60, gripper_frame="tool").episodes()[0].frames == 6
    options = (
        "--gamma",
        0.99,
        "--task",
        "reach the apple",
        "--hfov",
        60,
        "--gripper-frame",
        "tool",
        "--into",
        "beside",
    )
    call(path, *options, "--pages", 0, "--batch", 4)
    lines = (tmp_path / "bag_rewards_report/episodes/000000/measured.jsonl").read_text().splitlines()
    details = {e["detail"] for line in lines[1:] for e in json.loads(line)["estimates"]}
    assert len(lines) == 7 and not any("gripper" in detail.lower() for detail in details)


@pytest.mark.parametrize(
    "options, message",
    [
        ((), "--hfov DEGREES"),
        (("--hfov", 60, "--camera", "1,1,1,1"), "given twice"),
        (("--hfov", 400), "between 5 and 170 degrees"),
        (("--hfov", 1.2), "not radians: is it 68.8"),
        (("--camera", "0.9,1.2,0.5,0.5"), "in pixels"),
        (("--hfov", 60, "--view", "side"), "no camera"),
        (("--hfov", 60, "--task", "make me happy"), "make me happy"),
        (("--hfov", 60, "--known-size", "mug=1"), "three lengths"),
        (("--hfov", 60, "--gripper-frame", "tool"), "has no frames"),
        (("--hfov", 60, "--support-frame", "table"), "Leave --support-frame out"),
        (("--hfov", 60, "--gamma", 2), "gamma"),
        (("--hfov", 60, "--every", 0), "every"),
        (("--hfov", 60, "--batch", 0), "at least one picture"),
        (("--hfov", 60, "--known-size", "mug=1,-1,1"), "positive metres"),
        (("--hfov", 60, "--pages", -3), "pages"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(tmp_path, capsys, options, message):
    root = write_lerobot_v21(tmp_path / "set", [SHORT])
    assert call(root, "--gamma", 0.99, *options) == 1
    assert message in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_a_recording_that_does_not_say_its_task_needs_one(tmp_path, capsys):
    assert call(write_bag(tmp_path / "bag", SHORT), "--gamma", 0.99) == 1
    assert "Give a task" in capsys.readouterr().err


def test_a_path_without_a_recording_is_named(tmp_path, capsys):
    assert call(tmp_path / "nothing", "--gamma", 0.99) == 1
    assert "there is no recording" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("hello")
    assert call(tmp_path / "notes.txt", "--gamma", 0.99) == 1
    error = capsys.readouterr().err
    assert "MCAP" in error and "LeRobot" in error and "robomimic" in error


def test_an_impossible_discount_is_refused(tmp_path, capsys):
    path = write_robomimic(tmp_path / "demo.hdf5", [SHORT])
    assert call(path, "--gamma", 1.5, "--hfov", 60, "--task", "reach the apple") == 1
    assert "gamma" in capsys.readouterr().err and not (tmp_path / "demo_rewards.hdf5").exists()


def test_what_is_lost_of_a_recording_is_said_everywhere(tmp_path, capsys):
    """On the terminal, on the page, and to who asked the node for it."""
    pytest.importorskip("torch")
    from spatialvlm_ros.ros.bag_annotation import AnnotationOrder, annotate_in_a_process

    (file,) = write_bag(tmp_path / "bag", SHORT * 8).glob("*.mcap")
    content = file.read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(content[: len(content) // 2])
    options = ("--gamma", 0.99, "--task", "reach the apple", "--into", "beside")
    assert call(cut, *options) == 1
    assert "The recording is damaged: 1 x recording cut off" in capsys.readouterr().err
    assert "recording cut off" in (tmp_path / "cut_rewards_report/index.html").read_text()
    order = AnnotationOrder(str(cut), str(tmp_path / "out"), "reach the apple", 0.99, "potential", "embedded")
    result = annotate_in_a_process(order, lambda *_: None, lambda: False)
    assert 0 < result.frames < 48 and "recording cut off" in result.problems
