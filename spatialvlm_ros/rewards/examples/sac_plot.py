"""The curves and the table of the runs that `sac_reach` wrote.

python -m spatialvlm_ros.rewards.examples.sac_plot output/sac_reach
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.examples.reach_rewards import REWARDS

Float = NDArray[np.float64]
Runs = dict[str, list[dict[str, Any]]]

PICTURE = "sac_reach.png"
TITLES = {
    "sparse": "sparse, true",
    "true": "shaped, true gap",
    "remembered": "shaped, model, first picture remembered",
    "each_picture": "shaped, model, each picture",
}
_COLOURS = {"sparse": "0.55", "true": "C2", "remembered": "C0", "each_picture": "C1"}
_RUNNING = 20  # episodes


def read_runs(folder: Path) -> Runs:
    """The finished runs of each reward, by seed.

    Raises:
        ConfigError: there is none.
    """
    runs: Runs = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        runs[found["settings"]["reward"]].append(found)
    if not runs:
        raise ConfigError("there are no finished runs", str(folder), "Run runs/sac_reach.sh.")
    ordered = {name: runs[name] for name in REWARDS if name in runs}
    return {name: sorted(found, key=lambda run: int(run["settings"]["seed"])) for name, found in ordered.items()}


def success_curve(episodes: Sequence[Mapping[str, Any]], running: int = _RUNNING) -> tuple[Float, Float]:
    """(E,) control steps at the ends of episodes, and the share of successes among the ``running`` before each."""
    ends = np.array([e["end"] for e in episodes], dtype=np.float64)
    total = np.concatenate([[0.0], np.cumsum([float(e["success"]) for e in episodes])])
    last = np.arange(1, len(episodes) + 1)
    first = np.maximum(last - running, 0)
    return ends, (total[last] - total[first]) / (last - first)


def table(runs: Runs) -> str:
    """Markdown: one row per run, and one for all runs of a reward together."""
    lines = [
        "| reward | seed | steps learnt | episodes | success, last 50 | claimed, not there | length "
        "| success, no noise | length | processor s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in runs.items():
        rows = [_numbers(run) for run in found]
        for run, row in zip(found, rows, strict=True):
            lines.append(_line(TITLES[name], str(run["settings"]["seed"]), row))
        lines.append(_line(f"**{TITLES[name]}**", "**mean**", np.mean(rows, axis=0)))
    return "\n".join(lines)


def _numbers(run: Mapping[str, Any]) -> list[float]:
    last, judged = run["last"], run["evaluation"]
    return [
        *(run["steps"], len(run["episodes"])),
        *(last["success"], last["false_claims"], last["length"]),
        *(judged["success"], judged["length"], run["processor_seconds"]),
    ]


def _line(title: str, seed: str, row: Sequence[float] | Float) -> str:
    steps, episodes, success, false_claims, length, judged, judged_length, seconds = row
    return (
        f"| {title} | {seed} | {steps:.0f} | {episodes:.0f} | {success:.0%} | {false_claims:.0%} | {length:.1f} "
        f"| {judged:.0%} | {judged_length:.1f} | {seconds:.0f} |"
    )


def draw(runs: Runs, path: Path) -> None:
    """All seeds as thin lines, one colour a reward."""
    require("matplotlib", "report").use("Agg")
    pyplot = require("matplotlib.pyplot", "report")
    figure, axes = pyplot.subplots(figsize=(8, 4.2), constrained_layout=True)
    for name, found in runs.items():
        for number, run in enumerate(found):
            steps, share = success_curve(run["episodes"])
            label = TITLES[name] if number == 0 else None
            axes.plot(steps, 100 * share, color=_COLOURS[name], linewidth=1.3, alpha=0.85, label=label)
    axes.set_xlabel("control steps")
    axes.set_ylabel(f"truly within 5 cm at the end,\nrunning {_RUNNING} episodes, %")
    axes.set_ylim(-2, 102)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Draw the curves of runs/sac_reach.sh and print their table.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    runs = read_runs(folder)
    draw(runs, folder / PICTURE)
    print(table(runs))


if __name__ == "__main__":
    main()
