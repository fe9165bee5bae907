"""Run every benchmark, compare with the committed values and write the table of docs/benchmarks.md.

    python bench/run.py --write docs/benchmarks.md      measure, compare, write the page
    python bench/run.py --only questions lifting        some of them
    python bench/run.py --commit                        make the values measured now the committed ones

Each benchmark is a script of its own that leaves one JSON object; it runs alone, in its own process. A value that is
worse than the committed one by more than its tolerance makes the exit status 1. Benchmarks of the ROS node run in the
ROS environment beside this one (`make ros-kilted`); where there is none they are left out, with a note.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.evaluation.measured_pages import MeasuredPart

HERE = Path(__file__).resolve().parent
COMMITTED = HERE / "committed.json"
PART = MeasuredPart("bench/run.py")
ROS_PYTHON = Path(f"{sys.prefix}-kilted") / "bin" / "python"
GPU = "GPU"  # key and heading of what a GPU measured
TIMING = 1.5  # speeds differ that much between two runs on a shared machine
EXACT = 1.15  # errors hardly differ: the seeds are fixed


@dataclass(frozen=True)
class Metric:
    """One line of the table.

    Attributes:
        name: what a person reads.
        path: keys into the benchmark's JSON.
        unit: shown behind the value.
        target: the number wanted, None where there is none.
        higher: whether more is better.
        scale: factor from the JSON's unit to the one shown.
        tolerance: worse than the committed value by this factor is a failure.
    """

    name: str
    path: tuple[str, ...]
    unit: str
    target: float | None = None
    higher: bool = False
    scale: float = 1.0
    tolerance: float = EXACT

    def value(self, result: Mapping[str, Any]) -> float:
        found: Any = result
        for key in self.path:
            found = found[key]
        return float(found) * self.scale

    def reached(self, value: float) -> str:
        if self.target is None:
            return ""
        return "yes" if (value >= self.target if self.higher else value <= self.target) else "**no**"

    def wanted(self) -> str:
        return "" if self.target is None else f"{'>=' if self.higher else '<='} {shown(self.target)} {self.unit}"

    def worse(self, value: float, committed: float) -> bool:
        return value * self.tolerance < committed if self.higher else value > committed * self.tolerance + 1e-9


@dataclass(frozen=True)
class Benchmark:
    """A script, how it is called and its metrics.

    Attributes:
        title: over its table.
        command: "{json}" becomes the path of its JSON file; without one it prints the JSON as its last line.
        metrics: lines of its table.
        gpu: whether it measures a GPU too, where there is one: the same JSON again under "gpu" with the name of the
            "device", else null. The targets are those of the processor.
        ros: whether it needs the ROS environment.
    """

    title: str
    command: tuple[str, ...]
    metrics: tuple[Metric, ...]
    gpu: bool = False
    ros: bool = False

    def interpreter(self) -> Path:
        """The Python that runs it."""
        return ROS_PYTHON if self.ros else Path(sys.executable)

    def values(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """What is compared and written: metric -> value, and under `GPU` the device with its own values."""
        values: dict[str, Any] = {metric.name: metric.value(result) for metric in self.metrics}
        if self.gpu and result.get("gpu"):
            on_gpu = {metric.name: metric.value(result["gpu"]) for metric in self.metrics}
            values[GPU] = {"device": result["gpu"]["device"], **on_gpu}
        return values


def _speed(name: str, path: str, unit: str, target: float | None = None) -> Metric:
    return Metric(name, (path,), unit, target, higher=True, tolerance=TIMING)


def _lifting(name: str, kind: str, key: str, target: float | None, unit: str = "%", scale: float = 100.0) -> Metric:
    return Metric(name, ("errors", kind, key), unit, target, scale=scale)


def _middlebury(name: str, kind: str, key: str, target: float | None = None) -> Metric:
    return Metric(name, ("summary", kind, key), "%", target)


def _model(name: str, dtype: str, key: str, target: float | None = None) -> Metric:
    return Metric(name, (dtype, key), "ms", target, tolerance=TIMING)


def _frames(name: str, key: str, dtype: str = "auto") -> Metric:
    return Metric(name, (dtype, key), "/s", higher=True, tolerance=TIMING)


def _hub(name: str, kind: str, way: str) -> Metric:
    return Metric(name, (kind, way, "gain"), "x", 10, higher=True, tolerance=TIMING)


def _training(name: str, stage: str, key: str, unit: str, scale: float = 1.0) -> Metric:
    return Metric(f"{stage} stage: {name}", (stage, key), unit, higher=True, scale=scale, tolerance=TIMING)


def _training_metrics() -> tuple[Metric, ...]:
    stages = [
        metric
        for stage in ("dense", "joint")
        for metric in (
            _training("pictures", stage, "pictures_per_s", "/s"),
            _training("tokens of pictures and questions", stage, "tokens_per_s", "/s"),
            _training("share of the peak", stage, "share_of_peak", "%", 100.0),
        )
    ]
    return (
        *stages,
        _speed("peak of a bfloat16 matrix product", "peak_bf16_gflops", "GFLOP/s"),
        _speed("peak of a float32 matrix product", "peak_fp32_gflops", "GFLOP/s"),
        Metric("peak memory", ("peak_mib",), "MiB"),
    )


def _lifting_metrics(distance_target: float, frame_targets: bool) -> tuple[Metric, ...]:
    return (
        _lifting("up vector, median", "all", "up_deg_median", 0.5 if frame_targets else None, "deg", 1.0),
        _lifting("up vector, 90th percentile", "all", "up_deg_p90", None, "deg", 1.0),
        _lifting("camera height, median", "all", "camera_height_median", 1.0 if frame_targets else None),
        _lifting("camera height, 90th percentile", "all", "camera_height_p90", None),
        _lifting("distance object to object, median", "all", "object_object_median", distance_target),
        _lifting("distance object to object, 90th percentile", "all", "object_object_p90", None),
        _lifting("distance camera to object, median", "all", "camera_object_median", distance_target),
        _lifting("distance camera to object, 90th percentile", "all", "camera_object_p90", None),
        _lifting("no frame found", "all", "no_frame_share", None),
        _lifting("wrong up (over 10 degrees)", "all", "wrong_up_share", None),
        _lifting("wrong support plane (over 10%)", "all", "wrong_plane_share", None),
        Metric("one view, median", ("errors", "all", "milliseconds_median"), "ms", None, tolerance=TIMING),
    )


BENCHMARKS: dict[str, Benchmark] = {
    "simulation": Benchmark(
        "Simulation: 800 views at 640x480, all channels, written to shards, half rooms, half tables, two processes, "
        "start and compilation included",
        ("datasets.py", "--source", "simulation", "--views", "800", "--per-view", "20", "--json"),
        (
            _speed("views a second", "views_per_s", "/s", 8),
            Metric("peak memory (PSS, all processes)", ("peak_pss_gib",), "GiB", 2.0, tolerance=TIMING),
            Metric("on disk, a view", ("kilobytes_per_view",), "kB"),
        ),
    ),
    "questions": Benchmark(
        "Questions: 1,000 scenes of 8 objects, 100 pairs each, one core",
        ("questions.py",),
        (_speed("complete question/answer pairs", "qa_per_second", "/s", 100_000),),
    ),
    "parsing": Benchmark(
        "Reading answers back",
        ("parsing.py", "--json"),
        (
            _speed("lengths as the templates write them", "template_lengths_per_s", "/s"),
            _speed("words as the templates write them", "template_words_per_s", "/s"),
            _speed("phrases as people write them", "phrases_per_s", "/s"),
        ),
    ),
    "datasets": Benchmark(
        "Data engine: 1 million question/answer pairs, 100 a view, two processes",
        ("datasets.py", "--json"),
        (
            Metric("peak memory (PSS, all processes)", ("peak_pss_gib",), "GiB", 2.0, tolerance=TIMING),
            _speed("views (small synthetic pictures)", "views_per_s", "/s"),
        ),
    ),
    "lifting": Benchmark(
        "Lifting: 500 simulated views, rendered depth, true masks as detector output, gravity withheld",
        ("lifting.py", "--views", "500", "--out", "{json}"),
        _lifting_metrics(5.0, True),
    ),
    "lifting-noise": Benchmark(
        "Lifting: the same with the noise of a depth sensor",
        ("lifting.py", "--views", "500", "--noise", "--out", "{json}"),
        _lifting_metrics(8.0, False),
    ),
    "middlebury": Benchmark(
        "Middlebury motorcycle: distances from stereo (SGBM) against those from the disparity truth",
        ("middlebury.py", "--json", "{json}"),
        (
            _middlebury("camera to object, median", "camera to object", "median_percent"),
            _middlebury("camera to object, 90th percentile", "camera to object", "p90_percent"),
            _middlebury("object to object, median", "object to object", "median_percent"),
            _middlebury("object to object, 90th percentile", "object to object", "p90_percent"),
            _middlebury("all, median", "all", "median_percent", 3.0),
        ),
    ),
    "model": Benchmark(
        "The embedded model through the whole API: 640x480 uint8 pictures, bfloat16 where the processor multiplies it",
        ("model_speed.py", "--json"),
        (
            _model("look", "auto", "look_ms", 80),
            _model("one query", "auto", "single_query_ms", 25),
            _model("16 queries", "auto", "sixteen_queries_ms", 100),
            _model("an answer in words, at most 12 tokens", "auto", "answer_in_words_ms"),
            Metric(
                "16 queries: encode once against generate for each",
                ("auto", "encode_once_gain"),
                "x",
                10,
                higher=True,
                tolerance=TIMING,
            ),
            _frames("pictures one after the other, 4 queries of each", "stream_frames_per_s"),
            _frames("looks at 16 pictures together (GPU: 256)", "batch_frames_per_s"),
            _frames("the same, and 4 queries of each", "batch_with_queries_frames_per_s"),
            _model("look, float32", "float32", "look_ms"),
            _model("one query, float32", "float32", "single_query_ms"),
            _model("16 queries, float32", "float32", "sixteen_queries_ms"),
            _model("look, torch.compile", "compiled", "look_ms"),
            _model("one query, torch.compile", "compiled", "single_query_ms"),
            _model("16 queries, torch.compile", "compiled", "sixteen_queries_ms"),
            _frames(
                "pictures one after the other, 4 queries of each, torch.compile", "stream_frames_per_s", "compiled"
            ),
            Metric("process start to first answer", ("start_s",), "s", 5, tolerance=TIMING),
            Metric("peak memory", ("peak_mib",), "MiB", 1200),
        ),
        gpu=True,
    ),
    "node": Benchmark(
        "The ROS 2 node: 640x480 colour and 16UC1 depth from another process, 4 standing queries of each picture. Its "
        "own time is from the callback of a picture's last message to the end of the last publish(), without the model",
        ("node_overhead.py", "--json"),
        (
            Metric("own time, median", ("overhead_ms",), "ms", 4.0, tolerance=TIMING),
            Metric("model, median", ("model_ms",), "ms", tolerance=TIMING),
            Metric("stamp to publication, median", ("latency_ms",), "ms", tolerance=TIMING),
            Metric("processes that wanted a processor (load average)", ("load",), "", tolerance=1e9),
        ),
        ros=True,
    ),
    "hub": Benchmark(
        "Hub models (random weights): 16 questions, encode once against generate",
        ("hub_speed.py", "--json"),
        (
            _hub("Qwen2.5-VL, digit tree, sharp as a trained model", "qwen", "digit tree, sharpness 16"),
            _hub("Qwen2.5-VL, quantity tokens", "qwen", "quantity tokens"),
        ),
    ),
    "training": Benchmark(
        "Training the shipped model's shape in one process. The share of the peak: operations of a step's matrix "
        "products and convolutions as torch counts them (forward, backward, optimiser) over its time, against a large "
        "matrix product of its number format in the same run",
        ("training_speed.py", "--json"),
        _training_metrics(),
        gpu=True,
    ),
}


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """The JSON object of one benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [word.replace("{json}", str(out)) for word in benchmark.command]
        done = subprocess.run(
            [str(benchmark.interpreter()), str(HERE / command[0]), *command[1:]],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            # The wheels of ROS would think that they had prepared this interpreter.
            env={k: v for k, v in os.environ.items() if k != "_ROS_WHEELS_BOOTSTRAP_COMPLETE"},
        )
        if out.exists():
            return json.loads(out.read_text(encoding="utf-8"))
        if done.returncode != 0:
            raise SystemExit(f"{command[0]} ended with status {done.returncode}")
        return json.loads(done.stdout.strip().splitlines()[-1])


def machine() -> str:
    """One line that names the machine."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [x for x in cpuinfo.read_text(encoding="utf-8").splitlines() if x.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(benchmark: Benchmark, values: Mapping[str, Any]) -> str:
    """The Markdown table of one benchmark."""
    on_gpu = values.get(GPU)
    heading, rule = "| | measured | wanted | reached |", "|---|---|---|---|"
    if benchmark.gpu:
        heading, rule = f"{heading} {GPU if on_gpu is None else on_gpu['device']} |", f"{rule}---|"
    rows = [f"### {benchmark.title}", "", heading, rule]
    for metric in benchmark.metrics:
        row = f"| {metric.name} | {_cell(metric, values)} | {metric.wanted()} | {_reached(metric, values)} |"
        rows.append(f"{row} {_cell(metric, on_gpu or {})} |" if benchmark.gpu else row)
    return "\n".join(rows) + "\n"


def _cell(metric: Metric, values: Mapping[str, Any]) -> str:
    return f"{shown(values[metric.name])} {metric.unit}" if metric.name in values else "not measured"


def _reached(metric: Metric, values: Mapping[str, Any]) -> str:
    return metric.reached(values[metric.name]) if metric.name in values else ""


def write_page(page: Path, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace the part of the page between the markers."""
    tables = "\n".join(table(BENCHMARKS[name], values[name]) for name in BENCHMARKS if name in values)
    PART.write(page, f"Machine: {machine()}.\n\n{tables}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS), help="which ones")
    parser.add_argument("--write", type=Path, help="write the tables into this page")
    parser.add_argument("--commit", action="store_true", help="make the values measured now the committed ones")
    args = parser.parse_args()
    committed = json.loads(COMMITTED.read_text(encoding="utf-8")) if COMMITTED.exists() else {}
    measured: dict[str, dict[str, Any]] = {}
    worse = []
    for name in args.only:
        if not BENCHMARKS[name].interpreter().exists():
            sys.stdout.write(f"{name}: left out, there is no {BENCHMARKS[name].interpreter()} (make ros-kilted)\n")
            continue
        result = measure(BENCHMARKS[name])
        measured[name] = BENCHMARKS[name].values(result)
        sys.stdout.write(table(BENCHMARKS[name], measured[name]) + "\n")
        sys.stdout.flush()
        for metric in BENCHMARKS[name].metrics:
            before = committed.get(name, {}).get(metric.name)
            if before is not None and metric.worse(measured[name][metric.name], before):
                worse.append(f"{name}: {metric.name} {shown(measured[name][metric.name])}, committed {shown(before)}")
    if args.commit:
        COMMITTED.write_text(json.dumps({**committed, **measured}, indent=1) + "\n", encoding="utf-8")
        committed = {**committed, **measured}
    if args.write:
        write_page(args.write, {**committed, **measured})
    for line in worse:
        sys.stdout.write(f"WORSE {line}\n")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
