"""Annotating with objects followed from picture to picture: what it finds, and that an interruption changes nothing."""

import argparse
import inspect
import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from ruler import TASK, Ruler, episode
from samples import write_robomimic
from table_recording import (
    COURSE,
    ELSEWHERE,
    FRAMES,
    HEIGHTS,
    PERIOD_NS,
    model_of,
    reaching,
    write_table_bag,
    write_table_file,
)
from table_scenes import BOOK, EYE, box_distance

from spatialvlm_ros.bags.gravity import LEVEL_FRAMES
from spatialvlm_ros.cli import reward as command
from spatialvlm_ros.datasets.sources.bag_index import BagFrame, BagIndex, BagTopics
from spatialvlm_ros.errors import ConfigError, DatasetError, ModelError, SourceError
from spatialvlm_ros.geometry.transforms import TransformBuffer
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.recordings.annotate import annotate
from spatialvlm_ros.rewards.recordings.bag_pictures import SequentialPictures
from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
from spatialvlm_ros.rewards.recordings.episode import FOLLOW, Provenance
from spatialvlm_ros.rewards.recordings.journal import Journal
from spatialvlm_ros.rewards.recordings.measuring import EpisodeMeasurer
from spatialvlm_ros.rewards.recordings.registry import open_recording, output_path, unseen_in
from spatialvlm_ros.rewards.reward import RewardEngine
from spatialvlm_ros.rewards.templates import template
from spatialvlm_ros.ros.bag_annotation import AnnotationOrder, annotate_in_a_process
from spatialvlm_ros.ros.parameters import Settings

REACH = template("reach", target="mug")


@dataclass
class Judged:
    """A recording with its rewards."""

    recording: object
    writer: RecordingWriter
    model: object
    outcome: object

    @property
    def looked(self):
        return self.model.backend.looked

    def file(self, name, number=0):
        return self.writer.folder / f"episodes/{number:06d}" / name

    def lines(self, number=0):
        """The measurements of each picture as they are kept."""
        return [json.loads(line) for line in self.file("measured.jsonl", number).read_text().splitlines()[1:]]

    def gaps(self, number=0):
        """(T,) metres, NaN where they were not measured."""
        (one,) = {len(line["estimates"]) for line in self.lines(number)}
        assert one == 1
        values = [line["estimates"][0]["value"] for line in self.lines(number)]
        return np.array([np.nan if value is None else value for value in values])


@pytest.fixture()
def judge():
    """A function that annotates a recording of these episodes."""

    def run(path, episodes, follow=True, batch=4, model=None, **options) -> Judged:
        recording = open_recording(path, **options)
        target = output_path(recording, "beside")
        provenance = Provenance("reach the mug", 0.95, "table", recording.camera_name, follow=follow)
        report = target.with_name(f"{target.name}_report")
        writer = RecordingWriter(recording, report, target, "beside", provenance)
        model = model or model_of(episodes)
        engine = partial(RewardEngine, REACH, gamma=0.95, unseen=unseen_in(recording))
        outcome = annotate(recording, writer, lambda _: engine(), model, batch, follow=follow)
        writer.finish()
        return Judged(recording, writer, model, outcome)

    return run


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """The recording of `COURSE`; tests copy it."""
    return write_table_bag(tmp_path_factory.mktemp("table") / "bag", COURSE)


@pytest.fixture()
def copied(bag, tmp_path):
    return shutil.copytree(bag, tmp_path / "bag")


def truth(steps):
    return np.array([step.gap for step in steps])


# ---- what following finds ----


def test_what_the_model_loses_is_measured_all_the_same(judge, copied, tmp_path):
    followed = judge(copied, [COURSE], **FRAMES)
    broken = np.array([step.broken for step in COURSE])
    lost = np.array([not step.called for step in COURSE])
    kept = followed.writer.read(followed.recording.episodes()[0])
    assert kept.valid.tolist() == (~broken).tolist()
    assert np.abs(followed.gaps() - truth(COURSE))[~broken].max() < 0.008
    seen = kept.potential[~broken]
    assert (np.diff(seen) > 0).all() and seen[-1] > 0.8
    again = shutil.copytree(copied, tmp_path / "alone")
    alone = judge(again, [COURSE], follow=False, **FRAMES)
    assert np.isnan(alone.gaps()).tolist() == (lost | broken).tolist()


def test_it_stays_with_the_thing_that_was_named_first(judge, tmp_path):
    """The model takes the book for the mug in the middle of an episode."""
    steps = reaching(HEIGHTS[:8], called=dict.fromkeys((4, 6), "book"))
    path = write_table_bag(tmp_path / "bag", steps)
    followed = judge(path, [steps], **FRAMES).gaps()
    alone = judge(shutil.copytree(path, tmp_path / "alone"), [steps], follow=False, **FRAMES).gaps()
    assert np.abs(followed - truth(steps)).max() < 0.008
    to_book = [box_distance(BOOK, step.tcp) for step in steps]
    for k in (4, 6):
        assert abs(alone[k] - to_book[k]) < abs(alone[k] - steps[k].gap)


def test_a_model_that_fails_on_a_picture_costs_that_picture(judge, copied):
    """Its batch is looked at one by one, and what is followed goes on."""
    done = judge(copied, [COURSE], **FRAMES)
    assert done.model.backend.batches == [4, 4, 4, 2]
    refused = [line for line in done.lines() if "told" not in line]
    assert len(refused) == 1 and "stumbles" in refused[0]["estimates"][0]["detail"]
    assert sum(done.outcome.refused.values()) == 1 and not done.outcome.failed


def test_episodes_do_not_share_what_they_know(judge, tmp_path):
    """The mug stands elsewhere in the second one, and the model soon loses it in both."""
    episodes = [COURSE[:9], ELSEWHERE]
    both = judge(write_table_file(tmp_path / "both.hdf5", dict(enumerate(episodes))), episodes)
    for number, steps in enumerate(episodes):
        seen = np.array([not step.broken for step in steps])
        assert np.abs(both.gaps(number) - truth(steps))[seen].max() < 0.008
    alone = judge(write_table_file(tmp_path / "second.hdf5", {1: ELSEWHERE}), episodes)
    assert alone.lines(1) == both.lines(1)


# ---- pictures into which nothing can be followed ----


@pytest.mark.parametrize("root", ["map", "base_link"])
def test_a_camera_that_moves_is_followed_by_its_pose(judge, tmp_path, root):
    """What /tf does not tell the place of is measured alone. The usual arm has no map."""
    eyes = [(EYE[0], EYE[1] + 0.02 * k, EYE[2]) for k in range(8)]
    steps = [
        type(step)(step.tcp, step.mug, step.called, eye=eye)
        for step, eye in zip(reaching(HEIGHTS[:8], lost=(3, 4, 7)), eyes, strict=True)
    ]
    path = write_table_bag(tmp_path / "bag", steps, tracked=range(7), root=root)
    recording = open_recording(path, **FRAMES)
    frames = list(recording.frames(recording.episodes()[0]))
    assert [frame.placed for frame in frames] == [True] * 7 + [False]
    assert np.allclose([frame.camera_pose.translation for frame in frames[:7]], eyes[:7])
    done = judge(path, [steps], **FRAMES)
    assert ["told" in line for line in done.lines()] == [True] * 7 + [False]
    assert np.abs(done.gaps() - truth(steps))[:7].max() < 0.012 and np.isnan(done.gaps()[7])


def test_a_camera_that_stands_still_has_no_pose(bag):
    recording = open_recording(bag, **FRAMES)
    assert all(f.placed and f.camera_pose is None for f in recording.frames(recording.episodes()[0]))


def test_a_support_plane_that_drives_along_is_no_place_to_stand():
    """Seen from base_footprint a camera on the robot never moves; odom knows better."""
    transforms, pictures = TransformBuffer(), [BagFrame(k, k * PERIOD_NS, "camera") for k in range(5)]
    for k in range(5):
        transforms.set("odom", "base_footprint", k * PERIOD_NS, (0, 0, 0, 1), (0.1 * k, 0, 0))
    transforms.set("base_footprint", "camera", 0, (0, 0, 0, 1), (0, 0, 1.2), static=True)
    captures = SequentialPictures(
        Path("none"), level_frames=("base_footprint", *LEVEL_FRAMES), ground_frame="base_footprint"
    )
    captures.__dict__["_index"] = BagIndex(BagTopics("image"), pictures, transforms=transforms)
    path = captures.camera_path
    assert path.moves and np.allclose([pose.translation[0] for pose in path.poses], 0.1 * np.arange(5))


def test_without_depth_the_support_frame_makes_it_followable(judge, tmp_path):
    steps = reaching(HEIGHTS[:7], lost=(4, 5))
    path = write_table_bag(tmp_path / "bag", steps, depth=False)
    stated = {**FRAMES, "support_frame": "map"}
    recording = open_recording(path, **stated)
    seen = next(recording.frames(recording.episodes()[0])).observation
    assert seen.depth is None and seen.camera_height == pytest.approx(EYE[2])
    followed = judge(path, [steps], **stated)
    assert np.abs(followed.gaps() - truth(steps)).max() < 0.06
    alone = judge(shutil.copytree(path, tmp_path / "alone"), [steps], **FRAMES)
    assert not any("told" in line for line in alone.lines()) and np.isnan(alone.gaps()[4:6]).all()
    with pytest.raises(ConfigError, match="no frame .*floor"):
        open_recording(path, support_frame="floor")


# ---- interruptions ----


def kept_files(judged, number=0):
    arrays = np.load(judged.file("annotations.npz", number))
    return judged.file("measured.jsonl", number).read_bytes(), {name: arrays[name].tolist() for name in arrays}


@pytest.mark.parametrize("lines", [1, 1 + 4, 1 + 8, 1 + 11])
def test_a_run_that_goes_on_measures_what_an_uninterrupted_one_does(judge, copied, lines):
    """Whole batches are remembered, the picture on which the model failed among them; the rest is measured."""
    first = judge(copied, [COURSE], **FRAMES)
    journal, arrays = kept_files(first)
    assert first.looked > 14  # a batch was looked at again, one by one
    first.file("annotations.npz").unlink()
    first.file("measured.jsonl").write_bytes(b"".join(journal.splitlines(keepends=True)[:lines]))
    again = judge(copied, [COURSE], **FRAMES)
    assert sum(again.model.backend.batches) == 14 - (lines - 1) // 4 * 4
    journal_again, arrays_again = kept_files(again)
    assert journal_again == journal
    np.testing.assert_equal(arrays_again, arrays)


def test_what_is_followed_cannot_be_picked_up_in_the_middle(judge, copied):
    """Were the pictures before not remembered, the run that goes on would not find the mug: the test can fail."""
    steps = [*COURSE[:4], *reaching(HEIGHTS[4:], lost=range(10))]
    first = judge(copied, [steps], **FRAMES)
    first.file("annotations.npz").unlink()
    lines = first.file("measured.jsonl").read_bytes().splitlines(keepends=True)
    head, *measured = (json.loads(line) for line in lines)
    forgotten = [{name: part for name, part in line.items() if name != "told"} for line in measured[:8]]
    first.file("measured.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in (head, *forgotten)))
    again = judge(copied, [steps], **FRAMES)
    assert np.isfinite(first_gaps := np.array([m["estimates"][0]["value"] or np.nan for m in measured])).sum() == 14
    assert np.isnan(again.gaps()[8:]).all() and np.array_equal(again.gaps()[:8], first_gaps[:8])


class Stumbles:
    """A view whose model fails when it is asked where things are, in the middle of following."""

    def __init__(self, view):
        self.observation, self.measure_many = view.observation, view.measure_many

    def locate_closer(self, subjects):
        raise ModelError("the model stumbles", subjects)


def test_a_model_that_fails_while_following_is_remembered_to_have_failed(bag):
    recording, model = open_recording(bag, **FRAMES), model_of([reaching(HEIGHTS)])
    frames = list(recording.frames(recording.episodes()[0]))[:8]
    views = [model.look(frame.observation, gripper=frame.gripper) for frame in frames]
    first, again = (EpisodeMeasurer(REACH.queries, True) for _ in range(2))
    seen = [
        first.measure(frame, Stumbles(view) if k in (0, 3) else view)
        for k, (frame, view) in enumerate(zip(frames, views, strict=True))
    ]
    assert [one.estimates[0].valid for one in seen] == [k not in (0, 3) for k in range(8)]
    for frame, one in zip(frames[:6], seen, strict=False):
        again.remember(frame, one)
    went_on = [again.measure(frame, view) for frame, view in zip(frames[6:], views[6:], strict=True)]
    assert [one.estimates for one in went_on] == [one.estimates for one in seen[6:]]


def test_a_recording_that_changed_meanwhile_is_not_gone_on_with(judge, copied):
    first = judge(copied, [COURSE], **FRAMES)
    first.file("annotations.npz").unlink()
    journal = first.file("measured.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([*lines[:3], lines[3].replace('"stamp_ns": 2', '"stamp_ns": 3', 1), lines[4]]))
    with pytest.raises(SourceError, match="another time"):
        judge(copied, [COURSE], **FRAMES)


def test_where_nothing_is_followed_no_picture_is_read_again(tmp_path, monkeypatch):
    recording = open_recording(write_robomimic(tmp_path / "demo.hdf5", [episode(np.arange(40, 17, -1.0))]), hfov=60)
    provenance = Provenance(TASK, 0.95, "ruler", recording.camera_name)
    starts, frames = [], recording.frames
    monkeypatch.setattr(recording, "frames", lambda one, start=0: starts.append(start) or frames(one, start))

    def run():
        writer = RecordingWriter(recording, tmp_path / "report", tmp_path / "out", "beside", provenance)
        annotate(recording, writer, lambda _: RewardEngine(TASK, gamma=0.95), Ruler(), 4)
        return writer

    folder = run().folder / "episodes/000000"
    lines = (folder / "measured.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "annotations.npz").unlink()
    (folder / "measured.jsonl").write_bytes(b"".join(lines[:13]))
    run()
    assert starts == [0, 12]


# ---- runs with and without do not mix ----


def test_a_run_with_following_does_not_go_on_without(judge, copied):
    judge(copied, [COURSE], **FRAMES)
    with pytest.raises(DatasetError, match="other settings: follow"):
        judge(copied, [COURSE], follow=False, **FRAMES)


def test_a_journal_is_of_one_kind(tmp_path):
    queries = [Query("mug", None, "height")]
    Journal(tmp_path / "journal", queries, True).append([])
    assert list(Journal(tmp_path / "journal", queries, True).read(4)) == []
    with pytest.raises(DatasetError, match="other measurements"):
        Journal(tmp_path / "journal", queries, False).read(4)


def test_the_provenance_tells_what_was_done(judge, copied, tmp_path):
    recording = open_recording(copied, **FRAMES)
    provenance = Provenance("reach the mug", 0.95, "table", recording.camera_name, {"follow": True}, follow=False)
    writer = RecordingWriter(recording, tmp_path / "report", tmp_path / "out", "beside", provenance)
    with pytest.raises(ConfigError, match="provenance says otherwise"):
        annotate(recording, writer, lambda _: RewardEngine(REACH, gamma=0.95), model_of([]), follow=True)
    assert provenance.as_dict()["follow"] is False


@pytest.mark.parametrize("follow", [True, False])
def test_it_is_written_beside_the_rewards(judge, tmp_path, follow):
    steps = reaching(HEIGHTS[:2])
    bag = judge(write_table_bag(tmp_path / "bag", steps), [steps], follow, **FRAMES)
    described = yaml.safe_load((output_path(bag.recording, "beside") / "metadata.yaml").read_text())
    custom = described["rosbag2_bagfile_information"]["custom_data"]
    assert json.loads(custom["spatialvlm_reward"])["follow"] is follow
    file = judge(write_table_file(tmp_path / "demo.hdf5", {0: steps}), [steps], follow)
    with h5py.File(output_path(file.recording, "beside")) as result:
        assert json.loads(result["data"].attrs["spatialvlm_reward"])["follow"] is follow


# ---- the default, and the node ----


def test_the_default_is_that_of_the_node():
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    given = ["annotate", "bag", "--gamma", "0.9"]
    assert parser.parse_args(given).follow is FOLLOW is Settings().reward_follow
    assert inspect.signature(annotate).parameters["follow"].default is FOLLOW
    assert parser.parse_args([*given, "--no-follow"]).follow is False


def test_the_node_annotates_as_its_parameter_says():
    for follow in (True, False):
        settings = Settings(reward_gamma=0.9, reward_follow=follow)
        assert AnnotationOrder.of("bag", "", "pick the mug", settings).follow is follow
    with pytest.raises(ConfigError, match="discount"):
        AnnotationOrder.of("bag", "", "pick the mug", Settings())


def test_the_process_of_the_node_does_what_its_order_says(tmp_path):
    pytest.importorskip("torch")
    path = write_table_bag(tmp_path / "bag", COURSE[:2])
    order = AnnotationOrder(str(path), str(tmp_path / "out"), "reach the mug", 0.9, "potential", "embedded", False)
    result = annotate_in_a_process(order, lambda *_: None, lambda: False)
    assert result.frames == 2
    lines = (tmp_path / "out_report/episodes/000000/measured.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["follow"] is False and not any("told" in line for line in lines)
