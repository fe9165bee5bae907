"""Measure the data engine: peak memory of all processes, views and questions per second, size on disk.

    python bench/datasets.py [--source synthetic] [--views 10000] [--per-view 100] [--workers 2] [--json]

The default makes 1 million question/answer pairs from small ray-cast pictures, so that the engine itself is what is
measured; ``--source simulation`` measures with rendering. Memory is the proportional set size (PSS: shared pages
counted once) summed over the process tree of the `spatialvlm generate` command, sampled four times a second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_S = 0.25
# Small pictures: the questions and their rows are the load.
SMALL = ["--set", "width=96", "--set", "height=72", "--set", "views_per_scene=10"]
LIMIT_GIB = 2.0


def tree_pss(root: psutil.Process) -> int:
    """Bytes of proportional set size of a process and all its descendants."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue  # it ended between listing and reading
    return total


def peak_pss(command: list[str]) -> tuple[int, float]:
    """Peak PSS in bytes and duration in seconds of a command; raises CalledProcessError if it fails."""
    start, peak = time.monotonic(), 0
    with subprocess.Popen(command, cwd=ROOT) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                peak = max(peak, tree_pss(root))
            except psutil.NoSuchProcess:
                break
            time.sleep(SAMPLE_S)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak, time.monotonic() - start


def measure(source: str, views: int, per_view: int, workers: int, out: Path, options: list[str]) -> dict[str, float]:
    """Generate a data set into ``out`` and measure it."""
    command = [sys.executable, "-m", "spatialvlm_ros.cli.main", "--log-level", "warning", "generate", "--out", str(out)]
    command += ["--source", source, "--views", str(views), "--per-view", str(per_view), "--workers", str(workers)]
    command += [*(SMALL if source == "synthetic" else []), *options]
    peak, seconds = peak_pss(command)
    split = next(iter(json.loads((out / "manifest.json").read_text())["splits"].values()))
    size = sum(shard["bytes"] for shard in split["shards"])
    return {
        "views": split["rows"],
        "qa_pairs": split["qa_total"],
        "skipped": sum(split["skipped"].values()),
        "peak_pss_gib": peak / 2**30,
        "views_per_s": split["rows"] / seconds,
        "qa_per_s": split["qa_total"] / seconds,
        "seconds": seconds,
        "kilobytes_per_view": size / split["rows"] / 1000,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="synthetic")
    parser.add_argument("--views", type=int, default=10_000)
    parser.add_argument("--per-view", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    args, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="spatialvlm-bench-") as folder:
        result = measure(args.source, args.views, args.per_view, args.workers, Path(folder) / "set", options)
    if args.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:20} {value:12.3f}")
    if result["peak_pss_gib"] > LIMIT_GIB:
        print(f"above the limit of {LIMIT_GIB} GiB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
