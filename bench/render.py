"""Speed of the simulated source: views a second of two processes together, with all channels, and where the time goes.

    python bench/render.py --views 500 --out render.json [--pack auto]

Each process renders its own half of the compiled sets (default mix of rooms and tables). The first compiled set of each
process is a warm-up and does not count; compiling the others does.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any


def work(number: int, processes: int, views: int, pack: str | None, start: Any, results: Any) -> None:
    """Render in this process and report (views, skipped, seconds, where they went)."""
    os.environ["LP_NUM_THREADS"] = "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.setdefault("MUJOCO_GL", "egl")
    import cv2

    from spatialvlm_ros.datasets.views import SkippedView
    from spatialvlm_ros.simulation.config import SimulationConfig
    from spatialvlm_ros.simulation.source import SimulatedViews

    cv2.setNumThreads(1)
    config = SimulationConfig.load(scenes=10**6)
    source = SimulatedViews(config, "train", data_seed=0, pack=pack)
    per_compile = config.layouts_per_compile
    for _ in source.views(number * per_compile):
        pass
    start.wait()
    source.seconds.clear()
    began, done, skipped, kinds, group = time.perf_counter(), 0, 0, [], number + processes
    while done + skipped < views:
        for scene in range(group * per_compile, (group + 1) * per_compile):
            for view in source.views(scene):
                skipped += isinstance(view, SkippedView)
                done += not isinstance(view, SkippedView)
            if done + skipped >= views:
                break
        kinds.append(source._compiled.kind if source._compiled else "")
        group += processes
    seconds = time.perf_counter() - began
    results.put({"views": done, "skipped": skipped, "seconds": seconds, "kinds": kinds, "parts": source.seconds})


def main() -> None:
    """Measure and print or write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=800, help="of all processes together (default: 800)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--pack", default="auto", help='"auto", a folder, or "none" for primitives')
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(arguments.processes), context.Queue()
    pack = None if arguments.pack == "none" else arguments.pack
    each = arguments.views // arguments.processes
    workers = [
        context.Process(target=work, args=(k, arguments.processes, each, pack, start, results))
        for k in range(arguments.processes)
    ]
    for worker in workers:
        worker.start()
    parts = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    rate = sum(p["views"] / p["seconds"] for p in parts)
    summary = {"views_per_second": round(rate, 2), "processes": arguments.processes, "workers": parts}
    text = json.dumps(summary, indent=2)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
