"""Trains and judges what has no result yet; interrupted at any point, the same call goes on there."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.evaluation.bench import Bench, write_file
from spatialvlm_ros.training.ablations.judging import Counts, from_json, judge, to_json
from spatialvlm_ros.training.ablations.plan import AblationRun
from spatialvlm_ros.training.run import train

logger = logging.getLogger(__name__)

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        counts: right answers per row.
        control: the same of answers that need no picture.
        cpu_minutes: processor time of training and judging; None where it was interrupted.
    """

    counts: Counts
    control: Counts
    cpu_minutes: float | None


def run_missing(runs: Sequence[AblationRun]) -> int:
    """Runs what has no result yet, one after another.

    Returns:
        How many were run.

    Raises:
        EvaluationError: there is no bench.
        TrainingError, ConfigError: a run cannot start or go on.
    """
    missing = [run for run in runs if read_result(run) is None]
    logger.info("%d of %d runs have their result", len(runs) - len(missing), len(runs))
    benches: dict[str, Bench] = {}
    for number, run in enumerate(missing, 1):
        folder = run.judging.bench
        benches[folder] = benches.get(folder) or Bench.open(folder)  # before the training: it may not be there
        logger.info("run %d of %d: %s", number, len(missing), run.name)
        _run(run, benches[folder])
    return len(missing)


def _run(run: AblationRun, bench: Bench) -> None:
    whole, began = not run.folder.exists(), time.process_time()
    model = train(run.config)
    counts, control = judge(run, model, bench)
    minutes = round((time.process_time() - began) / 60, 2) if whole else None
    content = {
        "group": run.group,
        "variant": run.variant,
        "seed": run.seed,
        "bench": bench.name,
        "rows": to_json(counts),
        "control": to_json(control),
        "cpu_minutes": minutes,
        "config": run.config.to_dict(),
    }
    write_file(run.folder / RESULT_FILE, (json.dumps(content, indent=1) + "\n").encode())
    shutil.rmtree(f"{run.config.out}/checkpoint", ignore_errors=True)  # larger than all the rest


def read_result(run: AblationRun) -> Result | None:
    """The result of a run, None where there is none yet.

    Raises:
        TrainingError: its file is damaged.
    """
    path = run.folder / RESULT_FILE
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Result(from_json(content["rows"]), from_json(content["control"]), content["cpu_minutes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError("the result of a run cannot be read", str(path), "Delete it; it is run again.") from error
