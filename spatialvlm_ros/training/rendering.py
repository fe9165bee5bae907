"""Fills a view store: simulated scenes at the training size, on as many processes as there are cores.

A store depends on its settings and seed only, whatever the number of processes; scenes that are there already are kept.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.training.deadline import NEVER, Deadline
from spatialvlm_ros.training.view_store import scene_path, write_scene

logger = logging.getLogger(__name__)

SETTINGS_FILE = "store.json"


def render_store(
    folder: str | Path,
    simulation: dict[str, Any],
    split: str = "train",
    data_seed: int = 0,
    pack: str | None = "auto",
    scenes: Sequence[int] | None = None,
    processes: int | None = None,
    deadline: Deadline = NEVER,
) -> bool:
    """Renders scenes that the store does not have yet.

    Args:
        folder: of the store; its settings are written there once, and must be the same when it is filled further.
        simulation: fields of `SimulationConfig`.
        split: in ``splits.yaml``.
        data_seed: seed of the data.
        pack: as in `SimulatedViews`.
        scenes: indices; all by default.
        processes: number of processes; one per core by default.
        deadline: when to stop; what is rendered then is kept.

    Returns:
        Whether every scene is there.

    Raises:
        ConfigError: the store was made with other settings.
    """
    folder = Path(folder)
    _check_settings(folder, {"simulation": simulation, "split": split, "data_seed": data_seed})
    wanted = [i for i in (scenes if scenes is not None else range(simulation["scenes"]))]
    missing = [i for i in wanted if not scene_path(folder, i).exists()]
    if not missing:
        return True
    block = int(simulation.get("layouts_per_compile", 10))
    blocks: dict[int, list[int]] = {}
    for index in missing:
        blocks.setdefault(index // block, []).append(index)
    processes = min(processes or os.cpu_count() or 1, len(blocks))
    # A process looks at the clock itself: it has its next block before this one knows that the last is done. Each
    # renders one, however little time there is, so that runs of any length come to an end.
    arguments = [
        (str(folder), simulation, split, data_seed, pack, indices, NEVER if order < processes else deadline)
        for order, indices in enumerate(blocks.values())
    ]
    began, done = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")  # OpenGL contexts do not survive a fork
    with context.Pool(processes, maxtasksperchild=25) as pool:
        for views in pool.imap_unordered(_render_block, arguments):
            done += views
            logger.info("%d views, %.1f a second", done, done / (time.monotonic() - began))
            if deadline.passed():
                break  # leaving the pool ends its processes; scenes are written whole or not at all
    return all(scene_path(folder, i).exists() for i in missing)


def _render_block(arguments: tuple[str, dict[str, Any], str, int, str | None, list[int], Deadline]) -> int:
    os.environ.setdefault("LP_NUM_THREADS", "1")  # software OpenGL: the processes already fill the cores
    from spatialvlm_ros.simulation.source import SimulatedViews

    folder, simulation, split, data_seed, pack, indices, deadline = arguments
    if deadline.passed():
        return 0
    source = SimulatedViews(simulation, split, data_seed, pack)
    views = 0
    for index in indices:
        if deadline.passed():
            break
        made = [view for view in source.views(index) if isinstance(view, SceneView)]
        write_scene(scene_path(folder, index), made)
        views += len(made)
    source.close()
    return views


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    path = folder / SETTINGS_FILE
    settings = json.loads(json.dumps(settings))
    if path.exists():
        there = json.loads(path.read_text(encoding="utf-8"))
        # A store may grow: the number of scenes is no part of what a scene looks like.
        there["simulation"]["scenes"] = settings["simulation"]["scenes"]
        if there != settings:
            raise ConfigError("the view store was made with other settings", str(folder), "Use another folder.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
