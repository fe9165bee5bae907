"""Speed of the embedded model: looking, asking, encoding once against generating for every question, memory, start.

    python bench/model_speed.py [--model embedded] [--runs 15] [--starts 3] [--batch 16] [--gpu-batch 256] [--json]

Medians; ratios are measured in the same run. The processor is always measured; where there is a GPU, the same is
measured there and stands under "gpu", else that is null.
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


def median_ms(call: Callable[[], object], runs: int) -> float:
    """Median wall milliseconds of a call, after two warm-up calls."""
    call(), call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def of_one_picture(model: Any, runs: int) -> dict[str, float]:
    """Looking and measuring; a stream is one picture after the other, four queries of each."""
    frame, asked = observation(), queries(16)
    view = model.look(frame)
    return {
        "stream_frames_per_s": 1e3 / median_ms(lambda: model.look(frame).measure_many(asked[:4]), runs),
        "look_ms": median_ms(lambda: model.look(frame), runs),
        "single_query_ms": median_ms(lambda: view.measure_many(asked[:1]), runs),
        "sixteen_queries_ms": median_ms(lambda: view.measure_many(asked), runs),
    }


def latencies(model: Any, runs: int, batch: int) -> dict[str, float]:
    """Looking and asking through the whole API, and what generating text for each question costs instead.

    Everything ends in NumPy, so that an accelerator has finished when the clock is read.
    """
    frame, asked = observation(), queries(16)
    backend, encoded = model.backend, model.backend.encode(frame)
    one = of_one_picture(model, runs)
    look, sixteen = one["look_ms"], one["sixteen_queries_ms"]
    question, few = "How far is the red mug from the plate?", -(-runs // 3)
    spoken = median_ms(lambda: backend.ask(encoded, question, 12), few)
    again = median_ms(lambda: backend.ask(backend.encode(frame), question, 12), few)
    together = median_ms(lambda: model.look_many([frame] * batch), few)
    watched = median_ms(lambda: [v.measure_many(asked[:4]) for v in model.look_many([frame] * batch)], few)
    return one | {
        "answer_in_words_ms": spoken,
        "generate_16_ms": 16 * again,
        "encode_once_gain": 16 * again / (look + sixteen),
        "batch": batch,
        "batch_frames_per_s": 1e3 * batch / together,
        "batch_gain": look * batch / together,
        "batch_with_queries_frames_per_s": 1e3 * batch / watched,
    }


def costliest(model: Any, device: str, frames: int, count: int = 12) -> list[dict[str, Any]]:
    """The kernels that a batch of pictures with four queries of each spends most time in; on a processor operators."""
    from torch.profiler import ProfilerActivity, profile

    batch, asked, on_gpu = [observation()] * frames, queries(4), device != "cpu"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiled:
        for view in model.look_many(batch):
            view.measure_many(asked)
    spent = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    events = sorted(profiled.key_averages(), key=lambda event: getattr(event, spent), reverse=True)
    whole = sum(getattr(event, spent) for event in events)
    return [
        {"name": e.key[:90], "calls": e.count, "ms": getattr(e, spent) / 1e3, "share": getattr(e, spent) / whole}
        for e in events[:count]
    ]


_START = """
import json, resource, sys
sys.path.insert(0, {here!r})
from model_speed import observation
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
model = SpatialVLM.from_pretrained({model!r}, device={device!r})
estimate = model.look(observation()).measure("red mug", "plate", "distance")
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10), flush=True)
"""


def start_up(model: str, device: str, starts: int) -> tuple[float, float]:
    """Seconds from process start to the first answer, and peak memory of the host in MiB, each the median."""
    code = _START.format(here=os.path.dirname(os.path.abspath(__file__)), model=model, device=device)
    done = []
    for _ in range(starts):
        began = time.perf_counter()
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            # The answer, not the end of the process: Python and torch take a second more to leave.
            answer = next((line for line in process.stdout if line.strip().replace(".", "").isdigit()), None)
            seconds = time.perf_counter() - began
        if process.returncode or answer is None:
            raise RuntimeError(f"the process gave no answer (exit status {process.returncode})")
        done.append((seconds, float(answer)))
    return statistics.median(d[0] for d in done), statistics.median(d[1] for d in done)


def on_device(device: str, args: argparse.Namespace) -> dict[str, Any]:
    """All rows of one device."""
    batch = args.batch if device == "cpu" else args.gpu_batch
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    seconds, memory = start_up(args.model, device, args.starts)
    result: dict[str, Any] = {"start_s": seconds, "peak_mib": memory}
    for dtype in ("auto", "float32"):
        model = SpatialVLM.from_pretrained(args.model, dtype=dtype, device=device)
        result[dtype] = latencies(model, args.runs, batch)
        if dtype == "auto":
            result["costliest"] = costliest(model, device, batch)
    model = SpatialVLM.from_pretrained(args.model, device=device, compile=True)
    result["compiled"] = of_one_picture(model, args.runs)
    return result


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--runs", type=int, default=15, help="of each call (default: 15)")
    parser.add_argument("--starts", type=int, default=3, help="of a process (default: 3)")
    parser.add_argument("--batch", type=int, default=16, help="pictures looked at together (default: 16)")
    parser.add_argument("--gpu-batch", type=int, default=256, help="the same on a GPU (default: 256)")
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON, in one line")
    args = parser.parse_args()
    result: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    import torch

    result |= {**on_device("cpu", args), "gpu": None}
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        result["gpu"] = {"device": torch.cuda.get_device_name(), **on_device("cuda", args)}
        result["gpu"]["peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps(result, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
