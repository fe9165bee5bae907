"""SAC on the reaching task: what is paid, what is remembered of a picture, and that a run goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from rewarding import said  # noqa: E402

from spatialvlm_ros.errors import ConfigError, QueryError  # noqa: E402
from spatialvlm_ros.models.estimate import Reason  # noqa: E402
from spatialvlm_ros.models.query import Query  # noqa: E402
from spatialvlm_ros.models.spatial_vlm import SpatialVLM  # noqa: E402
from spatialvlm_ros.rewards.check import check_reward  # noqa: E402
from spatialvlm_ros.rewards.examples.reach_rewards import GAMMA, REWARDS, reach_task  # noqa: E402
from spatialvlm_ros.rewards.examples.reaching import THRESHOLD_M, ReachObject  # noqa: E402
from spatialvlm_ros.rewards.examples.remembering import RememberingModel  # noqa: E402
from spatialvlm_ros.rewards.examples.sac_plot import read_runs, success_curve, table  # noqa: E402
from spatialvlm_ros.rewards.examples.sac_reach import EpisodeBook, RunSettings, last_episodes, run  # noqa: E402
from spatialvlm_ros.rewards.reward import RewardEngine  # noqa: E402
from spatialvlm_ros.simulation.assets.pack import AssetPack  # noqa: E402

CUBE = "red cube"


@pytest.fixture(scope="module")
def pack() -> AssetPack:
    return AssetPack.primitives()


def go_there(env: ReachObject, steps: int = 30):
    """Straight over the object and down."""
    seen, _ = env.reset(seed=3)
    for _ in range(steps):
        way = seen[6:9] - seen[:3] + [0.0, 0.0, 0.02]
        seen, reward, terminated, truncated, info = env.step((way / 0.05).astype(np.float32))
        yield reward, terminated, truncated, info


def test_a_hand_that_goes_there_is_paid_within_five_centimetres_and_only_there(pack):
    paid = list(go_there(ReachObject(CUBE, pack, ends=False)))
    gaps = np.array([info["gap"] for *_, info in paid])
    assert gaps[0] > THRESHOLD_M > gaps[-1]
    assert [reward for reward, *_ in paid] == (gaps <= THRESHOLD_M).tolist()
    assert not any(terminated for _, terminated, *_ in paid)


def test_success_ends_an_episode_where_it_is_asked_to(pack):
    ended = [terminated for _, terminated, *_ in go_there(ReachObject(CUBE, pack, ends=True))]
    assert True in ended and not any(ended[: ended.index(True)])


def test_the_true_reward_keeps_its_books_and_pays_more_for_going_there(pack):
    env = REWARDS["true"](CUBE, pack, "none")
    check_reward(env, GAMMA, episodes=2).raise_if_wrong()
    there = [reward for reward, *_ in go_there(env)]
    assert there[0] > 0 and max(there) > 0.4  # the end: 1, less the potential that was paid for on the way
    env.reset(seed=3)
    away = [env.step(np.array([0.0, 0.0, 1.0], dtype=np.float32))[1] for _ in range(5)]
    assert sum(away) < 0 < sum(there[:5])


def test_success_is_claimed_only_where_the_estimate_is_sure():
    engine = RewardEngine(reach_task("apple"), gamma=GAMMA)
    (query,) = set(engine.queries())
    claims = {}
    for value, std in ((0.03, 0.001), (0.045, 0.02), (0.06, 0.001)):
        engine.reset()
        claims[value] = engine.step([said(query, value, std) for _ in engine.queries()]).success
    assert claims == {0.03: True, 0.045: False, 0.06: False}


@pytest.fixture(scope="module")
def scene(pack):
    """A picture of the environment's start, where the hand is in it, and the target's box in pixels."""
    env = ReachObject(CUBE, pack)
    env.reset(seed=5)
    inner = env.unwrapped
    hand = inner.view.pose.to_optical(inner.world.tcp()[None])[0]
    yield inner.observation(), hand, tuple(inner.scene().objects[0].box2d.tolist())
    env.close()


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("transformers")
    return SpatialVLM.from_pretrained("embedded")


class TestRememberingModel:
    """With the shipped model."""

    def test_a_remembered_picture_answers_as_a_look_with_the_hand_there(self, scene, model):
        observation, hand, box = scene
        queries = [Query("gripper", box, "gap"), Query("gripper", box, "distance")]
        moved = hand + [0.02, 0.11, -0.05]
        remembering = RememberingModel(model)
        remembering.look(observation, None, hand).measure_many(queries)
        blind = type(observation)(np.zeros_like(observation.rgb), observation.camera)
        remembered = remembering.look(blind, None, moved).measure_many(queries)
        fresh = model.look(observation, None, moved).measure_many(queries)
        assert [e.valid for e in fresh] == [True, True]
        np.testing.assert_allclose([e.value for e in remembered], [e.value for e in fresh])
        np.testing.assert_allclose([e.interval for e in remembered], [e.interval for e in fresh])

    def test_it_looks_anew_after_forgetting(self, scene, model):
        observation, hand, box = scene
        query = [Query("gripper", box, "distance")]
        remembering = RememberingModel(model)
        before = remembering.look(observation, None, hand).measure_many(query)[0]
        remembering.forget()
        other = replace(observation, depth=np.full_like(observation.depth, 0.9))
        assert remembering.look(other, None, hand).measure_many(query)[0].value != pytest.approx(before.value)

    def test_what_the_picture_refuses_stays_refused_wherever_the_hand_goes(self, scene, model):
        observation, hand, _ = scene
        queries = [Query("gripper", name, "gap") for name in ("frobnicator", "red apple", "table")]
        looked = model.look(observation, None, hand).measure_many(queries)
        remembering = RememberingModel(model)
        remembering.look(observation, None, hand)
        again = remembering.look(observation, None, hand + [0.0, 0.001, 0.0]).measure_many(queries)
        assert [e.reason for e in again] == [e.reason for e in looked]
        assert Reason.UNKNOWN_NAME in [e.reason for e in looked]

    def test_a_hand_that_is_nowhere_is_refused(self, scene, model):
        with pytest.raises(QueryError):
            RememberingModel(model).look(scene[0])


class TestLearning:
    """A few hundred steps of stable-baselines3."""

    @pytest.fixture(autouse=True)
    def _needs(self):
        pytest.importorskip("stable_baselines3")

    def settings(self, pack, steps: int, reward: str = "sparse") -> RunSettings:
        return RunSettings(reward, 1, steps, CUBE, pack=None, save_every=60, evaluate=1)

    def test_an_interrupted_run_goes_on_where_it_stopped(self, pack, tmp_path, monkeypatch):
        kept, whole = EpisodeBook.step, 160

        def stops(book, action):
            if book.steps == 130:
                raise KeyboardInterrupt
            return kept(book, action)

        monkeypatch.setattr(EpisodeBook, "step", stops)
        with pytest.raises(KeyboardInterrupt):
            run(self.settings(pack, whole), tmp_path, pack)
        monkeypatch.undo()
        result = run(self.settings(pack, whole), tmp_path, pack)
        assert result["resumed_at"] == [120] and result["steps"] == whole
        assert [e["end"] for e in result["episodes"]] == sorted(e["end"] for e in result["episodes"])
        assert json.loads((tmp_path / "sparse_1.json").read_text())["last"] == result["last"]
        assert run(self.settings(pack, whole), tmp_path, pack) == json.loads(json.dumps(result))
        longer = run(self.settings(pack, whole + 10), tmp_path, pack)
        assert longer["steps"] == whole + 10 and longer["resumed_at"] == [120, whole]
        with pytest.raises(ConfigError, match="other settings"):
            run(replace(self.settings(pack, whole), target="green cube"), tmp_path, pack)
        runs = read_runs(tmp_path)
        assert f"| sparse, true | 1 | {whole + 10} |" in table(runs)

    @pytest.mark.slow
    def test_it_learns_from_the_true_reward(self, pack, tmp_path):
        result = run(self.settings(pack, 1500, "true"), tmp_path, pack)
        assert (
            last_episodes(result["episodes"], 20)["success"] >= 0.5 > last_episodes(result["episodes"][:15])["success"]
        )


def test_the_curve_counts_the_episodes_before():
    episodes = [{"end": 10 * k, "success": k > 2} for k in (1, 2, 3, 4)]
    steps, share = success_curve(episodes, running=2)
    assert steps.tolist() == [10, 20, 30, 40] and share.tolist() == [0.0, 0.0, 0.5, 1.0]


def test_unknown_rewards_are_refused():
    with pytest.raises(ConfigError, match="remembered"):
        RunSettings("rememberd", 0)
