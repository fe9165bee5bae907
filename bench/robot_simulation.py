"""Measure the simulated robot: state-only control steps, scripted episodes, and frames with their truth.

    python bench/robot_simulation.py [--pack DIR] [--json]

One process, medians of five runs. Without ``--pack`` the objects are plain shapes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.robot.environments import PandaEnv, PandaPick, PandaPlaceIn, PandaReach
from spatialvlm_ros.simulation.robot.episodes import run_episode, simulate_episode
from spatialvlm_ros.simulation.robot.scripts import OUTCOMES

RUNS = 5
STEPS = 200
WIDTH, HEIGHT = 640, 480


def control_steps_per_second(kind: type[PandaEnv], pack: AssetPack | None) -> float:
    """Median rate of random state-only steps."""
    env = kind(pack=pack)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(STEPS)]
    rates = []
    for seed in range(RUNS):
        env.reset(seed=seed)
        start = time.perf_counter()
        for action in actions:
            env.step(action)
        rates.append(STEPS / (time.perf_counter() - start))
    return statistics.median(rates)


def episodes(pack: AssetPack | None, seeds: int) -> tuple[float, float]:
    """Median seconds of an episode's physics, and the share of runs that were thrown away."""
    seconds, rejected, made = [], 0, 0
    for task, outcomes in OUTCOMES.items():
        for outcome in outcomes:
            for seed in range(seeds):
                start = time.perf_counter()
                info = simulate_episode(task, outcome, seed, pack).info
                seconds.append(time.perf_counter() - start)
                rejected += sum(info.rejected.values())
                made += 1
    return statistics.median(seconds), rejected / (rejected + made)


def frames_per_second(pack: AssetPack | None) -> float:
    """Median rate of rendered frames with their whole truth, the first one (which runs the physics) left out."""
    rates = []
    for seed in range(RUNS):
        frames = run_episode("pick", "success", seed, pack, width=WIDTH, height=HEIGHT)
        next(frames)
        start, count = time.perf_counter(), sum(1 for _ in frames)
        rates.append(count / (time.perf_counter() - start))
    return statistics.median(rates)


def measure(pack: AssetPack | None) -> dict[str, float]:
    """All numbers of this benchmark."""
    simulate_episode("pick", "success", 0, pack)  # finds what can be grasped, once per process
    seconds, share = episodes(pack, seeds=2)
    return {
        "reach_steps_per_s": control_steps_per_second(PandaReach, pack),
        "pick_steps_per_s": control_steps_per_second(PandaPick, pack),
        "place_in_steps_per_s": control_steps_per_second(PandaPlaceIn, pack),
        "episode_physics_s": seconds,
        "runs_rejected_share": share,
        "frames_with_truth_640x480_per_s": frames_per_second(pack),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", help="asset pack folder; plain shapes without")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    arguments = parser.parse_args()
    np.seterr(all="raise", under="ignore")
    result = measure(None if arguments.pack is None else AssetPack.load(arguments.pack))
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:36} {value:10.3f}")


if __name__ == "__main__":
    main()
