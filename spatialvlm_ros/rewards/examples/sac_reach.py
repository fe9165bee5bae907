"""SAC learns to reach from a vision-language model's reward, the true one, or the sparse one.

    python -m spatialvlm_ros.rewards.examples.sac_reach --reward remembered --seed 0 --out output/sac_reach

The policy sees numbers, the reward alone sees pictures. What counts as success is the simulation's truth, whatever the
reward said. A run that was interrupted goes on from its last checkpoint, and a finished one if more steps are wanted.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.evaluation.bench import write_file
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.examples.reach_rewards import GAMMA, REWARDS, Pack
from spatialvlm_ros.rewards.examples.reaching import ReachObject

_log = logging.getLogger(__name__)

LAST_EPISODES = 50
_EVALUATION_SEED = 1_000_000
_PROGRESS, _POLICY, _MEMORY = "progress.json", "policy.zip", "replay.pkl"
# The same for all rewards. The entropy coefficient starts low because a step of shaping is worth a few hundredths.
LEARNER: dict[str, Any] = {
    "gamma": GAMMA,
    "learning_rate": 1e-3,
    "batch_size": 256,
    "buffer_size": 10_000,
    "ent_coef": "auto_0.05",
    "learning_starts": 100,
    "policy_kwargs": {"net_arch": [64, 64]},
    "device": "cpu",
}


@dataclass(frozen=True)
class RunSettings:
    """One run.

    Attributes:
        reward: a name in `REWARDS`.
        seed: of learner and environment.
        steps: control steps of learning.
        target: what is reached for.
        model: whose reward it is, where it is a model's.
        pack: as of `PandaEnv`.
        save_every: control steps between checkpoints.
        evaluate: episodes with the deterministic policy at the end.
    """

    reward: str
    seed: int
    steps: int = 10_000
    target: str = "apple"
    model: str = "embedded"
    pack: str | None = "default"
    save_every: int = 1000
    evaluate: int = 50

    def __post_init__(self) -> None:
        if self.reward not in REWARDS:
            raise ConfigError("there is no such reward to compare", self.reward, f"Choose one of {', '.join(REWARDS)}.")
        if min(self.steps, self.save_every) < 1:
            raise ConfigError("a run needs steps", (self.steps, self.save_every), "Pass 1 or more.")


class EpisodeBook(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Writes down how each episode ended: what was claimed, and what was true."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.episodes: list[dict[str, Any]] = []
        self.steps = 0
        self._begun, self._paid = 0, 0.0

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._begun, self._paid = self.steps, 0.0
        return self.env.reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One control step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.steps += 1
        self._paid += float(reward)
        if terminated or truncated:
            self.episodes.append(
                {
                    "end": self.steps,
                    "length": self.steps - self._begun,
                    "claimed": bool(terminated),
                    "success": bool(info["is_success"]),
                    "gap_m": round(float(info["gap"]), 4),
                    "paid": round(self._paid, 4),
                }
            )
        # stable-baselines3 copies what it gets, which takes longer than its own arithmetic.
        return observation, reward, terminated, truncated, {"is_success": info["is_success"]}


def run(settings: RunSettings, out: Path, pack: Pack = None) -> dict[str, Any]:
    """Learn (or go on learning), evaluate, and write ``out/REWARD_SEED.json``; what it says.

    Args:
        settings: the run.
        out: folder for all runs; checkpoints are in ``out/REWARD_SEED``.
        pack: already loaded, in place of that of the settings.

    Raises:
        MissingDependencyError: stable-baselines3 is not installed.
        ConfigError: the checkpoint is that of other settings (more steps are the same).
    """
    result_path = out / f"{settings.reward}_{settings.seed}.json"
    if result_path.exists():
        done: dict[str, Any] = json.loads(result_path.read_text(encoding="utf-8"))
        _check_same(done["settings"], settings, result_path)
        if done["steps"] >= settings.steps:
            return done
    folder = out / f"{settings.reward}_{settings.seed}"
    pack = settings.pack if pack is None else pack
    book = EpisodeBook(REWARDS[settings.reward](settings.target, pack, settings.model))
    learner, progress = _started(settings, book, folder)
    while book.steps < settings.steps:
        begun = time.monotonic(), time.process_time()
        due = min(settings.save_every - book.steps % settings.save_every, settings.steps - book.steps)
        learner.learn(due, reset_num_timesteps=False)
        progress["seconds"] += time.monotonic() - begun[0]
        progress["processor_seconds"] += time.process_time() - begun[1]
        _save(learner, {**progress, "steps": book.steps, "episodes": book.episodes}, folder)
        _log.info("%s %d: %s", settings.reward, settings.seed, summary(book.episodes, book.steps))
    result = {
        **progress,
        "settings": asdict(settings),
        "learner": LEARNER,
        "steps": book.steps,
        "episodes": book.episodes,
        "last": last_episodes(book.episodes),
        "evaluation": evaluate(learner, settings, pack),
    }
    book.close()
    write_file(result_path, json.dumps(result, indent=1).encode())
    return result


def last_episodes(episodes: list[dict[str, Any]], count: int = LAST_EPISODES) -> dict[str, float]:
    """Shares of the last episodes: truly there at the end, and claimed but not there; the mean length in steps."""
    last = episodes[-count:]
    if not last:
        return {"episodes": 0, "success": 0.0, "false_claims": 0.0, "length": 0.0}
    return {
        "episodes": len(last),
        "success": float(np.mean([e["success"] for e in last])),
        "false_claims": float(np.mean([e["claimed"] and not e["success"] for e in last])),
        "length": float(np.mean([e["length"] for e in last])),
    }


def summary(episodes: list[dict[str, Any]], steps: int) -> str:
    """One line for people."""
    last = last_episodes(episodes)
    return f"{steps} steps, {len(episodes)} episodes, of the last {last['episodes']} {last['success']:.0%} were there"


def evaluate(learner: Any, settings: RunSettings, pack: Pack) -> dict[str, float]:
    """The policy without its noise, on starts it has not learnt from; an episode ends when it is truly there."""
    env = ReachObject(settings.target, pack, ends=True)
    reached, lengths = [], []
    for episode in range(settings.evaluate):
        seen, _ = env.reset(seed=_EVALUATION_SEED + episode)
        over, length, terminated = False, 0, False
        while not over:
            action, _ = learner.predict(seen, deterministic=True)
            seen, _, terminated, truncated, _ = env.step(action)
            length, over = length + 1, terminated or truncated
        reached.append(terminated)
        lengths.append(length)
    env.close()
    if not reached:
        return {"episodes": 0, "success": 0.0, "length": 0.0}
    return {"episodes": len(reached), "success": float(np.mean(reached)), "length": float(np.mean(lengths))}


# ---- checkpoints: stable-baselines3's own files, of this folder's own runs ----


def _started(settings: RunSettings, book: EpisodeBook, folder: Path) -> tuple[Any, dict[str, Any]]:
    sac = require("stable_baselines3", "rl").SAC
    _recover(folder)
    if not (folder / _PROGRESS).exists():
        learner = sac("MlpPolicy", book, seed=settings.seed, **LEARNER)
        return learner, {"settings": asdict(settings), "seconds": 0.0, "processor_seconds": 0.0, "resumed_at": []}
    progress = json.loads((folder / _PROGRESS).read_text(encoding="utf-8"))
    _check_same(progress["settings"], settings, folder)
    progress["settings"] = asdict(settings)
    learner = sac.load(folder / _POLICY, env=book, device="cpu")
    learner.load_replay_buffer(folder / _MEMORY)
    learner.set_random_seed(settings.seed + progress["steps"])  # else it would draw what it has drawn before
    book.steps, book.episodes = progress.pop("steps"), progress.pop("episodes")
    progress["resumed_at"].append(book.steps)
    return learner, progress


def _save(learner: Any, progress: dict[str, Any], folder: Path) -> None:
    """All files of a checkpoint or none: written beside the folder, then put in its place."""
    partial, old = _beside(folder, "partial"), _beside(folder, "old")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    learner.save(partial / _POLICY)
    learner.save_replay_buffer(partial / _MEMORY)
    (partial / _PROGRESS).write_text(json.dumps(progress), encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


def _recover(folder: Path) -> None:
    """A run that was ended between the two renamings has its last checkpoint under the old name."""
    old = _beside(folder, "old")
    if old.exists() and not folder.exists():
        os.replace(old, folder)


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f"{folder.name}.{kind}")


def _check_same(found: dict[str, Any], settings: RunSettings, where: Path) -> None:
    how_long = {"steps": settings.steps, "evaluate": settings.evaluate}
    if {**found, **how_long} != asdict(settings):
        raise ConfigError(
            f"{where} is a run with other settings", found, "Choose another folder, or the same settings."
        )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reward", required=True, choices=tuple(REWARDS))
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--target", default="apple", help="label of an object in the asset pack")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--evaluate", type=int, default=50, help="episodes at the end")
    parser.add_argument("--out", type=Path, default=Path("output/sac_reach"))
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    require("torch", "models").set_num_threads(1)  # small networks: more threads only wait for each other
    settings = RunSettings(given.reward, given.seed, given.steps, given.target, given.model, evaluate=given.evaluate)
    given.out.mkdir(parents=True, exist_ok=True)
    result = run(settings, given.out)
    print(json.dumps({name: result[name] for name in ("last", "evaluation", "seconds", "processor_seconds")}))


if __name__ == "__main__":
    main()
