"""Judging rewards: simulate, measure, and write what came out.

    python -m spatialvlm_ros.rewards.judging.run --out output/rewards --episodes 50

Each episode is kept as soon as it is measured: run it again and it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError, SimulationError
from spatialvlm_ros.evaluation.bench import write_file
from spatialvlm_ros.models.loading import fingerprint_of
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.rewards.judging.episodes import EpisodeCurves, judge_episode, read_curves, write_curves
from spatialvlm_ros.rewards.judging.settings import JudgeSettings
from spatialvlm_ros.rewards.judging.sources import SOURCES
from spatialvlm_ros.simulation.assets.pack import AssetPack

RESULT, PAGE = "rewards.json", "rewards.html"
_log = logging.getLogger(__name__)


def judge(
    model: SpatialVLM,
    out: Path,
    settings: JudgeSettings,
    pack: AssetPack | None = None,
    progress: Callable[[int], None] = lambda episodes: None,
) -> list[EpisodeCurves]:
    """Judge all episodes that are not judged yet; an episode that does not come about, or that no task
    can be about (a thing called "camera"), is reported and left out.

    Raises:
        DatasetError: ``out`` holds episodes of another model or other settings.
    """
    provenance = {"model": model.name, "fingerprint": fingerprint_of(model.backend), **settings.of_one_episode()}
    done = []
    for number, case in enumerate(settings.cases(), start=1):
        path = out / "episodes" / f"{case}.json"
        if path.exists():
            found = read_curves(path, provenance)
        else:
            try:
                found = judge_episode(model, case, settings, pack)
            except (SimulationError, ConfigError) as error:
                _log.warning("%s is left out: %s", case, error)
                continue
            write_curves(path, found, provenance)
        done.append(found)
        progress(number)
    return done


def write_result(out: Path, result: dict[str, Any], page: str) -> None:
    """Write the JSON and the page."""
    write_file(out / RESULT, (json.dumps(result, indent=1) + "\n").encode())
    write_file(out / PAGE, page.encode())


def main(arguments: list[str] | None = None) -> None:
    """The command line; see ``--help``."""
    # The metrics and the page load scipy and matplotlib.
    from spatialvlm_ros.rewards.judging.page import page_of
    from spatialvlm_ros.rewards.judging.score import score

    given = _parsed(arguments)
    settings = JudgeSettings(
        tasks=tuple(given.tasks),
        outcomes=tuple(given.outcomes),
        episodes=given.episodes,
        first_seed=given.first_seed,
        sources=tuple(given.sources),
        every=given.every,
        width=given.width,
        height=given.height,
        split=given.split,
    )
    model = SpatialVLM.from_pretrained(given.model)
    pack = AssetPack.load(given.pack).for_split(settings.split)
    total = sum(1 for _ in settings.cases())
    episodes = judge(model, given.out, settings, pack, lambda n: print(f"episode {n} of {total}", flush=True))
    result = {"model": model.name, "settings": settings.to_json(), **score(episodes)}
    write_result(given.out, result, page_of(result, episodes))
    print(f"{given.out / RESULT} and {given.out / PAGE}")


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    defaults = JudgeSettings()
    parser = argparse.ArgumentParser(description="Judge rewards from pictures on simulated episodes.")
    parser.add_argument("--model", default="embedded", help="of SpatialVLM.from_pretrained")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--pack", default=None, help="folder of the asset pack")
    parser.add_argument("--tasks", nargs="+", default=defaults.tasks)
    parser.add_argument("--outcomes", nargs="+", default=defaults.outcomes)
    parser.add_argument("--sources", nargs="+", default=defaults.sources, help=f"of: {'; '.join(SOURCES)}")
    parser.add_argument("--episodes", type=int, default=defaults.episodes, help="of each task and outcome")
    parser.add_argument("--first-seed", type=int, default=defaults.first_seed)
    parser.add_argument("--every", type=int, default=defaults.every, help="control steps from one picture to the next")
    parser.add_argument("--width", type=int, default=defaults.width)
    parser.add_argument("--height", type=int, default=defaults.height)
    parser.add_argument("--split", default=defaults.split, help="of the asset pack's objects")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
