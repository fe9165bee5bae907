"""Episodes of an hour and sets of many episodes: what is kept and read of them does not grow faster than they do."""

import json
import math
import tracemalloc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from ruler import episode
from samples import write_bag, write_lerobot_v30, write_robomimic

from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.check import check_reward
from spatialvlm_ros.rewards.check_sources import bags
from spatialvlm_ros.rewards.recordings import curves, plan
from spatialvlm_ros.rewards.recordings.annotate import Outcome, problems_of
from spatialvlm_ros.rewards.recordings.episode import EpisodeAnnotations, EpisodeInfo
from spatialvlm_ros.rewards.recordings.journal import Journal, MeasuredPicture
from spatialvlm_ros.rewards.recordings.lerobot import LeRobotRecording
from spatialvlm_ros.rewards.recordings.page import write_index
from spatialvlm_ros.rewards.recordings.store import RunStore
from spatialvlm_ros.rewards.templates import task_of
from spatialvlm_ros.scenes.relations import Relation

EPISODE = EpisodeInfo(0, "episode_0", 999, 998)
PICTURES = 1000


def annotations(details: list[str]) -> EpisodeAnnotations:
    base = EpisodeAnnotations.refused(len(details), Reason.TIMEOUT, "")
    return EpisodeAnnotations(**{**base.__dict__, "detail": tuple(details)})


def test_one_long_text_does_not_make_room_for_itself_in_every_picture(tmp_path):
    """An array of texts has the room of the longest for each."""
    store = RunStore(tmp_path / "report", {"follow": False})
    details = ["a server said: " + "Ünsinn " * 500, *["short\x00"] * (PICTURES - 1)]
    store.write(EPISODE, annotations(details))
    (file,) = tmp_path.glob("report/episodes/*/annotations.npz")
    assert file.stat().st_size < 400 * PICTURES
    assert store.read(EPISODE).detail == tuple(details)


def test_annotations_of_earlier_runs_are_read(tmp_path):
    store = RunStore(tmp_path / "report", {"follow": False})
    store.write(EPISODE, annotations(["one", "two"]))
    (file,) = tmp_path.glob("report/episodes/*/annotations.npz")
    with np.load(file) as kept:
        arrays = dict(kept)
    written = {
        **arrays,
        **{name: np.array(["one", "two"]) for name in ("reason", "phase", "terms", "detail", "faults")},
    }
    np.savez(file, **written)
    found = store.read(EPISODE)
    assert found.detail == found.terms == ("one", "two") and len(found) == 2


def test_what_was_measured_is_not_held_in_memory_all_at_once(tmp_path):
    queries = [Query("apple", None, "height")] * 4
    quantiles = tuple(np.linspace(0.1, 0.3, 11).tolist())
    estimate = Estimate(Relation.HEIGHT, "apple", "", 0.2, 0.01, (0.1, 0.3), "m", frozenset(), quantiles=quantiles)
    journal = Journal(tmp_path / "measured.jsonl", queries, False)
    journal.append([MeasuredPicture(stamp, [estimate] * 4) for stamp in range(PICTURES)])
    tracemalloc.start()
    try:
        kept = journal.read(8)
        stamps = sum(one.stamp_ns for one in kept)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == kept.alone == PICTURES and stamps == math.comb(PICTURES, 2)
    assert peak < (tmp_path / "measured.jsonl").stat().st_size / 4


@pytest.mark.parametrize("judged", [0, 1])
def test_only_episodes_that_are_judged_already_are_compared_with_what_was_judged(
    annotated, tmp_path, monkeypatch, judged
):
    path = write_lerobot_v30(tmp_path / "set", [episode(np.arange(12, 9, -1.0))] * 3)
    if judged:
        folder = annotated(path).writer.folder / "episodes"
        for number in (1, 2):
            (folder / f"{number:06d}" / "annotations.npz").unlink()
    asked = []
    fingerprint = LeRobotRecording.episode_fingerprint
    monkeypatch.setattr(
        LeRobotRecording, "episode_fingerprint", lambda self, e: (asked.append(e.number), fingerprint(self, e))[1]
    )
    annotated(path)
    assert sorted(asked) == [0, 1, 2]


def wavy(pictures: int) -> EpisodeAnnotations:
    base = EpisodeAnnotations.refused(pictures, Reason.OK, "")
    value = 0.5 + 0.3 * np.sin(np.arange(pictures))
    numbers = dict.fromkeys(("potential", "potential_low", "potential_high", "success_probability", "reward"), value)
    stamps = np.arange(pictures) * 33_000_000
    valid = np.arange(pictures) % 40 > 0
    terms = tuple(
        json.dumps([{"name": "gap", "value": v, "std": 0.1, "unit": "m", "weight": 1.0, "valid": True}])
        for v in value.tolist()
    )
    return EpisodeAnnotations(**{**base.__dict__, **numbers, "stamp_ns": stamps, "valid": valid, "terms": terms})


def test_the_curves_of_a_long_episode_are_no_larger(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(curves, "_MOST_POINTS", 200)
    short, long = (curves.curves(wavy(pictures), pictures) for pictures in (200, 2000))
    assert len(long) < 1.5 * len(short)


def test_pictures_drawn_as_one_keep_their_mean_and_their_widest_band():
    groups = curves._Groups(3)
    values = np.array([1.0, np.nan, 3.0, 4.0, -6.0, 8.0, np.nan])
    np.testing.assert_allclose(groups.mean(values), [2, 2, np.nan])
    np.testing.assert_allclose(groups.lowest(values), [1, -6, np.nan])
    np.testing.assert_allclose(groups.highest(values), [3, 8, np.nan])
    assert groups.most(np.array([True, True, False, False, False, True, True])).tolist() == [True, False, True]


def test_the_list_of_episodes_holds_one_of_them_at_a_time(annotated, tmp_path):
    done = annotated(write_robomimic(tmp_path / "demo.hdf5", [episode(np.arange(12, 9, -1.0))]))
    given = []

    def judged():
        for number in range(20):
            kept = done.kept()
            given.append(weakref.ref(kept))
            yield EpisodeInfo(number, f"demo_{number}", 3, 2), kept, ""
            del kept
            assert sum(one() is not None for one in given) <= 1

    text = write_index(tmp_path, done.recording, judged()).read_text()
    assert "20 episodes judged" in text


def test_of_a_thousand_episodes_with_one_fault_a_few_are_named():
    outcome = Outcome(unrewarded=[f"demo_{k}" for k in range(1000)], empty=["demo_1000"])
    lines = problems_of(outcome)
    assert len(lines) == 22 and "980 more" in lines[-1]
    assert "demo_1000 is empty." in lines and "demo_19 has not one picture with a valid reward." in lines


def test_each_instruction_of_a_large_set_is_read_once(monkeypatch):
    read = []
    monkeypatch.setattr(plan, "task_of", lambda words: (read.append(words), task_of(words))[1])
    words = [f"put the {thing} into the bowl" for thing in ("apple", "lemon")]
    episodes = [EpisodeInfo(number, f"demo_{number}", 3, 2, words[number % 2]) for number in range(40)]
    tasks = plan.tasks_of(SimpleNamespace(episodes=lambda: episodes), "")
    assert read == words and [tasks[number].name for number in (0, 1, 38, 39)] == [task_of(w).name for w in words] * 2


def test_checking_a_recording_holds_one_message_at_a_time(annotated, tmp_path, monkeypatch):
    done = annotated(write_bag(tmp_path / "bag", episode(np.arange(30, 10, -1.0))))
    given = []

    class Watched:
        def __init__(self, path):
            self._reader = open_bag(path)

        def messages(self, topics):
            for item in self._reader.messages(topics):
                given.append(weakref.ref(item.message))
                yield item
                del item
                assert sum(one() is not None for one in given) <= 1

    monkeypatch.setattr(bags, "open_bag", Watched)
    report = check_reward(done.target, gamma=0.95)
    assert report.ok and report.frames == len(given) == 20
