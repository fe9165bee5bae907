"""Makes shards on Ray Data, for more than one machine: the same stages and the same writer as the local engine.

All machines must see the data set's folder (and the source's) under the same path. Ray restarts what dies.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Sequence
from typing import Any

from spatialvlm_ros.datasets.local_engine import Done, pickle_plan
from spatialvlm_ros.datasets.plan import DatasetPlan
from spatialvlm_ros.datasets.shards import ShardSummary
from spatialvlm_ros.datasets.stages import Progress, make_shard
from spatialvlm_ros.datasets.threads import limit_threads, worker_environment
from spatialvlm_ros.errors import DatasetError, SpatialVLMError
from spatialvlm_ros.optional import require


class _ShardMaker:
    """Stays on a Ray worker, so that a source's caches serve all its shards."""

    def __init__(self, pickled: bytes) -> None:
        self._plan: DatasetPlan = pickle.loads(pickled)

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        limit_threads()
        try:
            return {"outcome": pickle.dumps(make_shard(self._plan, int(row["shard"])))}
        except SpatialVLMError as error:
            # As a value: Ray would wrap an exception, and retry what cannot get better.
            return {"outcome": pickle.dumps(error)}


def run_ray(plan: DatasetPlan, shards: Sequence[int], workers: int, progress: Progress, done: Done) -> None:
    """Make the shards on the Ray cluster that `ray.init` finds (RAY_ADDRESS), else on one started here.

    Raises:
        SpatialVLMError: what a worker raised; MissingDependencyError without Ray.
    """
    ray = require("ray", "ray")
    ray_data = require("ray.data", "ray")
    started = not ray.is_initialized()
    if started:
        _start(ray, workers)
    context = ray_data.DataContext.get_current()
    bars = context.enable_progress_bars
    context.enable_progress_bars = False  # the engine has its own
    try:
        indices = ray_data.from_items([{"shard": index} for index in shards], override_num_blocks=len(shards))
        outcomes = indices.map(
            _ShardMaker,
            fn_constructor_args=(pickle_plan(plan),),
            compute=ray_data.ActorPoolStrategy(size=min(workers, len(shards))),
            num_cpus=1,
        )
        for row in outcomes.iter_rows():
            outcome: ShardSummary | SpatialVLMError = pickle.loads(row["outcome"])
            if isinstance(outcome, SpatialVLMError):
                raise outcome
            progress(outcome.rows, sum(outcome.qa.values()))
            done(outcome)
    except ray.exceptions.RayError as error:
        raise DatasetError("Ray failed", str(error).strip().splitlines()[-1], "See Ray's logs; then resume.") from error
    finally:
        context.enable_progress_bars = bars
        if started:
            ray.shutdown()


def _start(ray: Any, workers: int) -> None:
    settings: dict[str, Any] = {
        "runtime_env": {"env_vars": worker_environment()},
        "log_to_driver": False,
        "logging_level": logging.WARNING,
    }
    if not os.environ.get("RAY_ADDRESS"):
        settings.update(num_cpus=workers, include_dashboard=False)
    ray.init(**settings)
    logging.getLogger("ray.data").setLevel(logging.WARNING)
