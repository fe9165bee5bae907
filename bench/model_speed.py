"""Speed of the embedded model: looking, asking, encoding once against generating for every question, memory, start.

    python bench/model_speed.py [--model embedded] [--json]

Medians; ratios are measured in the same run. The CPU rows need no accelerator; with one, the same script measures it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.scenes.observation import Observation

RUNS = 15
NAMES = ("red mug", "plate", "table", "gripper", "bowl")
RELATIONS = ("distance", "gap", "left_diff", "behind")


def observation() -> Observation:
    """A 640x480 noise picture: the cost does not depend on what it shows."""
    rgb = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    return Observation(rgb, Camera.from_hfov(640, 480, 1.05))


def queries(n: int) -> list[Query]:
    """n different queries over five objects."""
    pairs = [(a, b) for a in NAMES for b in NAMES if a != b]
    return [Query(*pairs[k % len(pairs)], RELATIONS[k % len(RELATIONS)]) for k in range(n)]


def median_ms(call: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall milliseconds of a call, after two warm-up calls."""
    call(), call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def latencies(model: Any) -> dict[str, float]:
    """Looking and asking through the whole API, and what generating text for each question costs instead."""
    frame, asked = observation(), queries(16)
    view = model.look(frame)
    backend, encoded = model.backend, model.backend.encode(frame)
    look, single = median_ms(lambda: model.look(frame)), median_ms(lambda: view.measure_many(asked[:1]))
    sixteen = median_ms(lambda: view.measure_many(asked))
    question = "How far is the red mug from the plate?"
    spoken = median_ms(lambda: backend.ask(encoded, question, 12), 5)
    again = median_ms(lambda: backend.ask(backend.encode(frame), question, 12), 5)
    return {
        "look_ms": look,
        "single_query_ms": single,
        "sixteen_queries_ms": sixteen,
        "answer_in_words_ms": spoken,
        "generate_16_ms": 16 * again,
        "encode_once_gain": 16 * again / (look + sixteen),
    }


_START = """
import time; began = time.perf_counter()
import json, resource, sys
sys.path.insert(0, {here!r})
from model_speed import observation
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
estimate = SpatialVLM.from_pretrained({model!r}).look(observation()).measure("red mug", "plate", "distance")
print(json.dumps([time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10]))
"""


def start_up(model: str) -> tuple[float, float]:
    """Seconds from process start to the first answer, and peak memory in MiB, each the median of three."""
    code = _START.format(here=os.path.dirname(os.path.abspath(__file__)), model=model)
    done = []
    for _ in range(3):
        began = time.perf_counter()
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        done.append((time.perf_counter() - began, json.loads(out.splitlines()[-1])[1]))
    return statistics.median(d[0] for d in done), statistics.median(d[1] for d in done)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON")
    args = parser.parse_args()
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    seconds, memory = start_up(args.model)
    result: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    for dtype in ("auto", "float32"):
        model = SpatialVLM.from_pretrained(args.model, dtype=dtype)
        result[dtype] = latencies(model)
    result |= {"start_s": seconds, "peak_mib": memory}
    print(json.dumps(result, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
