"""The judge of rewards on episodes whose numbers can be worked out by hand, and once on a real one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from rewarding import REACH, gaps, scene

from spatialvlm_ros.errors import ConfigError, DatasetError
from spatialvlm_ros.rewards.judging import episodes as judging_episodes
from spatialvlm_ros.rewards.judging.episodes import Curve, EpisodeCurves, curve, read_curves, write_curves
from spatialvlm_ros.rewards.judging.metrics import (
    false_progress,
    final_false_progress,
    interval_coverage,
    mean_over_episodes,
    near_contact,
    spearman,
    success_auc,
)
from spatialvlm_ros.rewards.judging.run import judge
from spatialvlm_ros.rewards.judging.score import score
from spatialvlm_ros.rewards.judging.settings import Case, JudgeSettings
from spatialvlm_ros.rewards.judging.sources import SOURCES, USUAL_SOURCES
from spatialvlm_ros.scenes.scene import Scene
from spatialvlm_ros.simulation.robot.episodes import EpisodeInfo

NAN = float("nan")


def made(potential, low=None, high=None, gap=None, away=NAN) -> Curve:
    values = np.array(potential, dtype=float)
    fill = [
        values if given is None else np.array(given, dtype=float) for given in (low, high, gap if gap else [0.5] * 99)
    ]
    return Curve(values, fill[0], fill[1], fill[2][: len(values)], np.full(len(values), away))


def episode(outcome: str, true: Curve, seed: int = 0, **estimated: Curve) -> EpisodeCurves:
    n = len(true.potential)
    done = np.zeros(n, dtype=bool)
    done[-1] = outcome == "success"
    visible = np.linspace(1.0, 0.4, n)
    return EpisodeCurves(
        Case("pick", outcome, seed), "Pick up the apple.", np.arange(n) / 5, done, visible, true, estimated
    )


# ---- the numbers ----


def test_rank_correlation():
    truth = np.array([0.1, 0.2, 0.4, 0.8])
    assert spearman(truth**3, truth) == pytest.approx(1.0)
    assert spearman(-truth, truth) == pytest.approx(-1.0)
    assert spearman(np.array([0.2, 0.1, 0.4, 0.8]), truth) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert spearman(np.full(4, 0.3), truth) == 0.0
    assert np.isnan(spearman(truth, np.full(4, 0.3)))


def test_success_auc_is_the_chance_of_the_right_order():
    score_of = np.array([0.9, 0.4, 0.5, 0.4])
    assert success_auc(score_of, np.array([True, True, False, False])) == pytest.approx((2 + 0 + 0.5) / 4)
    assert np.isnan(success_auc(score_of, np.ones(4, dtype=bool)))


def test_false_progress_is_what_was_never_reached():
    true = np.array([0.1, 0.5, 0.2, 0.2])
    assert false_progress(true, true) == 0.0
    assert false_progress(np.array([0.3, 0.4, 0.5, 0.6]), true) == pytest.approx(0.2)
    assert false_progress(np.array([0.0, 0.4, 0.45, 0.9]), true) == pytest.approx(0.4)


def test_final_false_progress_is_the_share_of_failures_that_end_like_a_success():
    good = np.linspace(0.5, 1.0, 11)  # the 10th percentile is 0.55
    bad = np.array([0.1, 0.54, 0.55, 0.9])
    last, succeeded = np.concatenate([bad, good]), np.arange(15) >= 4
    found = final_false_progress(last, succeeded)
    assert (found.value, found.n) == (0.5, 4) and found.low < 0.5 < found.high
    alike = final_false_progress(np.zeros(15), succeeded)
    assert alike.value == 1.0  # a potential that says nothing tells no failure from a success
    assert np.isnan(final_false_progress(bad, np.zeros(4, dtype=bool)).value)
    assert np.isnan(final_false_progress(good, np.ones(11, dtype=bool)).value)


def test_coverage_counts_answered_frames_alone():
    low, high = np.array([0.0, NAN, 0.4, 0.0]), np.array([0.2, NAN, 0.6, 0.1])
    assert interval_coverage(low, high, np.array([0.1, 0.1, 0.4, 0.2])) == pytest.approx(2 / 3)
    assert np.isnan(interval_coverage(low[1:2], high[1:2], np.zeros(1)))


def test_means_over_episodes_leave_unknown_ones_out():
    mean = mean_over_episodes(np.array([0.2, NAN, 0.6]))
    assert (mean.value, mean.n) == (pytest.approx(0.4), 2) and 0.2 <= mean.low <= mean.value <= mean.high <= 0.6


def test_near_contact_weights_every_centimetre_alike():
    middles = (np.arange(10) + 0.5) / 100
    true = np.concatenate([middles, np.full(90, 0.005), [0.101, 0.3]])  # most frames are in the first centimetre
    said = np.concatenate([0.03 + 0.5 * middles, np.full(90, 0.0325), [9.0, 9.0]])
    near = near_contact(true, said)
    assert near.frames.tolist() == [91] + [1] * 9
    assert near.slope == pytest.approx(0.5)
    assert near.error_m == pytest.approx(np.abs(0.03 - 0.5 * middles).mean())
    assert near.constant_error_m == pytest.approx(0.025)
    assert near.answered.value == pytest.approx(near.answered_evenly) == 1.0
    few = near_contact(true, np.where(true > 0.01, said, NAN))  # the crowded first centimetre is not answered
    assert few.answered.value < 0.15 and few.answered_evenly == pytest.approx(0.9)


def test_near_contact_of_a_constant_and_of_refusals():
    true = np.linspace(0.001, 0.099, 50)
    constant = near_contact(true, np.full(50, 0.05))
    assert constant.slope == pytest.approx(0.0) and constant.error_m == pytest.approx(constant.constant_error_m)
    half = near_contact(true, np.where(np.arange(50) % 2, true, NAN))
    assert half.answered.value == 0.5 and half.error_m == 0.0 and half.slope == pytest.approx(1.0)
    none = near_contact(true, np.full(50, NAN))
    assert none.answered.value == 0.0 and np.isnan(none.error_m) and np.isnan(none.slope)


# ---- episodes ----


def test_a_curve_follows_from_the_estimates_of_each_frame():
    found = curve(REACH, gaps([0.1, None, 0.3]))
    np.testing.assert_allclose(found.potential, [0.5, NAN, 0.25])
    np.testing.assert_allclose(found.gap, [0.1, NAN, 0.3])
    assert found.answered.tolist() == [True, False, True]
    np.testing.assert_allclose(found.held, [0.5, 0.5, 0.25])


def test_before_the_first_answer_nothing_is_held():
    assert made([NAN, NAN, 0.4, NAN]).held.tolist() == [0.0, 0.0, 0.4, 0.4]


def judged_episodes() -> list[EpisodeCurves]:
    """Two successes that rise and two failures that rise and fall, which the estimate sees and time does not."""
    rise, fall = [0.1, 0.3, 0.6, 0.9], [0.1, 0.5, 0.4, 0.2]
    return [
        episode("success", made(rise), 0, rgb=made(rise)),
        episode("success", made(rise), 1, rgb=made([0.1, 0.2, NAN, 0.7], [0, 0, NAN, 0], [0.1, 0.2, NAN, 1])),
        episode("miss", made(fall), 0, rgb=made(fall)),
        episode("drop", made(fall), 0, rgb=made([0.1, 0.8, 0.4, 0.3])),
    ]


def test_the_score_of_episodes_that_can_be_worked_out():
    result = json.loads(json.dumps(score(judged_episodes())))
    rgb = result["judged"]["rgb"]
    assert (result["episodes"], result["frames"]) == (4, 16)
    assert result["by outcome"] == {"pick, success": 2, "pick, miss": 1, "pick, drop": 1}
    assert rgb["success auc"] == 1.0
    assert rgb["spearman"]["value"] == pytest.approx(1.0)
    # Held ranks of the second success: 1, 2.5, 2.5, 4 beside 1, 2, 3, 4.
    assert rgb["spearman by outcome"]["success"]["value"] == pytest.approx((1 + 4.5 / np.sqrt(4.5 * 5)) / 2, abs=1e-5)
    # Time's ranks beside 1, 4, 3, 2: sum of squares 8, so 1 - 6 * 8 / 60.
    assert rgb["ahead of the time index on failures"]["value"] == pytest.approx(1.0 - 0.2)
    assert rgb["beats the time index on failures"] == {**rgb["beats the time index on failures"], "value": 1.0, "n": 2}
    assert rgb["false progress on failures"]["value"] == pytest.approx((0.0 + 0.3) / 2)
    # Successes end at 0.9 and 0.7, so at 0.72 in their 10th percentile; failures at 0.2 and 0.3.
    assert rgb["final false progress"] == {**rgb["final false progress"], "value": 0.0, "n": 2}
    assert result["judged"]["time index"]["final false progress"]["value"] == 1.0
    assert result["judged"]["true state"]["final false progress"]["value"] == 0.0
    assert rgb["abstained"]["value"] == pytest.approx(0.25 / 4)
    # All frames of three episodes but the differing ones of the fourth, and 2 of the 3 answered ones of the second.
    assert rgb["coverage of the 90% interval"]["value"] == pytest.approx((1 + 2 / 3 + 1 + 0.5) / 4, abs=1e-5)


def test_refusals_count_apart_where_the_target_is_half_visible():
    """Shown by 100, 80, 60 and 40%: the refusal in the last frame is of a hidden target."""
    result = score([episode("miss", made([0.1, 0.2, 0.3, 0.4]), depth=made([0.1, NAN, 0.3, NAN]))])["judged"]["depth"]
    assert result["abstained"]["value"] == 0.5
    assert result["abstained, half visible"]["value"] == pytest.approx(1 / 3, abs=1e-6)


def test_near_contact_is_judged_apart_where_the_right_thing_was_followed():
    gaps_m = [0.20, 0.08, 0.05, 0.02]
    true = made([0.1, 0.2, 0.3, 0.4], gap=gaps_m)
    right = made([0.1, 0.2, 0.3, 0.4], gap=[g + 0.01 for g in gaps_m], away=0.02)
    wrong = made([0.1] * 4, gap=[0.4] * 4, away=0.3)
    judged = score([episode("miss", true, k, depth=one) for k, one in enumerate((right, wrong, right))])["judged"]
    near = judged["depth"]["near contact, right thing"]
    assert judged["depth"]["right thing"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert near["mean error, m"] == pytest.approx(0.01) and near["slope"] == pytest.approx(1.0)
    assert judged["depth"]["near contact"]["mean error, m"] > 0.1


def test_the_baselines_are_judged_by_the_same_rules():
    judged = score(judged_episodes())["judged"]
    assert judged["true state"]["spearman"]["value"] == pytest.approx(1.0)
    assert judged["true state"]["false progress on failures"]["value"] == 0.0
    assert judged["time index"]["ahead of the time index on failures"]["value"] == 0.0
    assert judged["time index"]["beats the time index on failures"]["value"] == 0.0
    assert judged["time index"]["success auc"] == 0.5
    assert judged["sparse success"]["success auc"] == 1.0
    assert judged["sparse success"]["spearman by outcome"]["miss"]["value"] == 0.0


def test_no_episodes_have_no_numbers():
    result = score([])
    assert result["episodes"] == 0 and result["judged"]["true state"]["success auc"] is None


# ---- files and settings ----


def test_an_episode_comes_back_from_its_file(tmp_path):
    path, wanted = tmp_path / "a" / "one.json", judged_episodes()[1]
    write_curves(path, wanted, {"model": "m", "every": 1})
    found = read_curves(path, {"model": "m", "every": 1})
    assert found.case == wanted.case and found.done.tolist() == wanted.done.tolist()
    np.testing.assert_allclose(found.estimated["rgb"].potential, wanted.estimated["rgb"].potential)
    np.testing.assert_allclose(found.true.high, wanted.true.high)
    with pytest.raises(DatasetError, match="another model"):
        read_curves(path, {"model": "other", "every": 1})
    path.write_text(path.read_text()[:40])
    with pytest.raises(DatasetError, match="damaged"):
        read_curves(path, {"model": "m", "every": 1})


def test_any_part_of_a_run_is_balanced():
    cases = list(JudgeSettings(tasks=("reach", "pick"), episodes=3, first_seed=7).cases())
    assert len(cases) == len(set(cases)) == 3 * (4 + 5)
    assert {c.seed for c in cases[:9]} == {7} and len({(c.task, c.outcome) for c in cases[:9]}) == 9
    assert not any(c.task == "reach" and c.outcome == "drop" for c in cases)


@pytest.mark.parametrize(
    "wrong", [{"tasks": ("fly",)}, {"outcomes": ()}, {"sources": ("sonar",)}, {"episodes": 0}, {"every": 0}]
)
def test_settings_out_of_their_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        JudgeSettings(**wrong)


def test_the_page_shows_every_source_and_baseline():
    pytest.importorskip("matplotlib")
    from spatialvlm_ros.rewards.judging.page import page_of

    episodes = judged_episodes()
    page = page_of({"model": "some <model>", **score(episodes)}, episodes)
    assert page.count("<svg") == 3 and "some &lt;model&gt;" in page and not re.search(r"(src|href)=.http", page)
    assert " pick success" in page and "pick, success," not in page  # how many of which kind: commas part the kinds
    heads = re.findall(r"<th>([^<]*)</th>", page)
    assert {"rgb", "true state", "time index", "sparse success"} <= set(heads)

    def shown(title: str) -> str:
        line = re.search(rf"<tr><td>{re.escape(title)}</td>(.*?)</tr>", page)
        return dict(zip(heads[1:], re.findall(r"<td>(.*?)</td>", line[1]), strict=False))["rgb"]

    assert shown("failures that end like a success, %").startswith("0.0 ")
    assert shown("refused with the target half visible, %").startswith("8.3 ")  # one of 3, in one of 4 episodes


# ---- episodes ----


REACHED = EpisodeInfo("reach", "success", 0, "Move the gripper to it.", "cup", None, (), 2, {})
CUP = ((0.1, 0.05, 0.8), (0.06, 0.1, 0.06))


@dataclass(frozen=True)
class Frame:
    """Of an episode without a robot."""

    scene: Scene
    time_s: float = 0.0
    episode: EpisodeInfo = REACHED
    is_success: bool = True


@pytest.fixture
def unmeasured(monkeypatch):
    monkeypatch.setattr(judging_episodes, "_measured", lambda *_: {})


@pytest.mark.usefixtures("unmeasured")
def test_the_truth_is_what_was_reached_not_what_is_seen_of_it():
    frames = [Frame(scene((0.1, 0.3, 0.8), {"cup": CUP})), Frame(scene((0.1, 0.12, 0.8), {"cup": CUP}, hidden=["cup"]))]
    judged = judging_episodes.judge_frames(None, Case("reach", "success", 0), JudgeSettings(), frames)
    np.testing.assert_allclose(judged.true.gap, [0.2, 0.02])
    assert judged.true.answered.all() and judged.visible[1] == 0.0


@pytest.mark.usefixtures("unmeasured")
def test_things_that_no_task_can_be_about_are_left_out(tmp_path, monkeypatch, caplog):
    def played(case, settings, pack):
        name = "camera" if case.outcome == "miss" else "cup"
        yield Frame(scene((0.1, 0.3, 0.8), {name: CUP}), episode=replace(REACHED, target=name))

    monkeypatch.setattr(judging_episodes, "_frames", played)
    model = SimpleNamespace(name="none", backend=SimpleNamespace(name="none", fingerprint="0"))
    kept = judge(model, tmp_path, JudgeSettings(("reach",), ("success", "miss"), 1))
    assert [one.case.outcome for one in kept] == ["success"]
    assert "reach-miss-" in caplog.text and "the camera that looks" in caplog.text


@pytest.mark.usefixtures("unmeasured")
def test_episodes_that_were_kept_are_those_that_were_judged(tmp_path, monkeypatch):
    """To the last digit: ranks of all but equal potentials would differ."""
    frames = [Frame(scene((0.1, 0.3, 0.8), {"cup": CUP})), Frame(scene((0.1, 0.3 + 1e-8, 0.8), {"cup": CUP}))]
    monkeypatch.setattr(judging_episodes, "_frames", lambda *_: frames)
    model = SimpleNamespace(name="none", backend=SimpleNamespace(name="none", fingerprint="0"))
    settings = JudgeSettings(("reach",), ("success",), 1)
    (first,), (again,) = judge(model, tmp_path, settings), judge(model, tmp_path, settings)
    assert first.true.potential[0] > first.true.potential[1]
    for name in ("potential", "gap", "held", "low", "high", "answered"):
        np.testing.assert_array_equal(getattr(again.true, name), getattr(first.true, name))
    np.testing.assert_array_equal(again.visible, first.visible)


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(tmp_path):
    pytest.importorskip("mujoco")
    pytest.importorskip("torch")
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    model = SpatialVLM.from_pretrained("embedded")
    settings = JudgeSettings(("reach",), ("stops_short",), 1, every=6, width=160, height=120)
    (first,) = judge(model, tmp_path, settings)
    (path,) = (tmp_path / "episodes").iterdir()
    written = path.stat().st_mtime_ns
    (again,) = judge(model, tmp_path, settings)
    assert path.stat().st_mtime_ns == written
    np.testing.assert_allclose(again.estimated["depth"].potential, first.estimated["depth"].potential, atol=1e-6)
    gap = first.true.gap
    np.testing.assert_allclose(first.true.potential, 0.1 / (0.1 + gap))  # the template reach
    assert not first.succeeded and not first.done.any() and gap[-1] > 0.03
    assert set(first.estimated) == set(USUAL_SOURCES) < set(SOURCES)
    assert not first.estimated["no picture"].answered.any()
    pointed = first.estimated["depth+tf, pointed"]
    assert np.nanmax(pointed.away) < 0.05 and np.abs(pointed.gap - gap).max() < 0.02
