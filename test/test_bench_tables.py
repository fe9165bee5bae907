"""The tables of docs/benchmarks.md: what is compared, and what is said of a device that was not there."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(scope="module")
def run():
    spec = importlib.util.spec_from_file_location("bench_run", BENCH / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def filled(run, benchmark, start):
    """A result with a value under every path."""
    result: dict = {}
    for number, metric in enumerate(benchmark.metrics):
        place = result
        for key in metric.path[:-1]:
            place = place.setdefault(key, {})
        place[metric.path[-1]] = start + number
    return result


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


@pytest.mark.parametrize("name", ["model", "training"])
def test_without_a_gpu_the_table_says_so(run, name):
    benchmark = run.BENCHMARKS[name]
    values = benchmark.values({**filled(run, benchmark, 1), "gpu": None})
    lines = run.table(benchmark, values).splitlines()[2:]
    assert cells(lines[0])[-1] == "GPU"
    assert {len(cells(line)) for line in lines} == {5}
    assert {cells(line)[-1] for line in lines[2:]} == {"not measured"}
    assert cells(lines[2])[1].split()[0] == run.shown(values[benchmark.metrics[0].name])


@pytest.mark.parametrize("name", ["model", "training"])
def test_what_a_gpu_measured_stands_beside_the_processor(run, name):
    benchmark = run.BENCHMARKS[name]
    gpu = {"device": "Some GPU", **filled(run, benchmark, 101)}
    values = json.loads(json.dumps(benchmark.values({**filled(run, benchmark, 1), "gpu": gpu})))
    lines = run.table(benchmark, values).splitlines()[2:]
    assert cells(lines[0])[-1] == "Some GPU"
    for metric, line in zip(benchmark.metrics, lines[2:], strict=True):
        assert cells(line)[0] == metric.name
        assert values["GPU"][metric.name] == pytest.approx(values[metric.name] + 100 * metric.scale)
        assert cells(line)[-1] == f"{run.shown(values['GPU'][metric.name])} {metric.unit}".strip()


def test_a_line_that_is_new_does_not_need_a_committed_value(run):
    benchmark = run.BENCHMARKS["model"]
    values = benchmark.values({**filled(run, benchmark, 1), "gpu": None})
    del values["look"]
    line = next(x for x in run.table(benchmark, values).splitlines() if x.startswith("| look |"))
    assert cells(line) == ["look", "not measured", "<= 80 ms", "", "not measured"]


def test_worse_is_judged_in_the_direction_of_the_metric(run):
    slower = run.Metric("look", ("look_ms",), "ms", 80, tolerance=1.5)
    fewer = run.Metric("frames", ("frames",), "/s", higher=True, tolerance=1.5)
    assert slower.worse(151, 100) and not slower.worse(149, 100)
    assert fewer.worse(66, 100) and not fewer.worse(67, 100)
    assert slower.reached(80) == "yes" and slower.reached(81) == "**no**"


def test_what_needs_ros_is_left_out_with_a_note_where_there_is_none(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(run, "ROS_PYTHON", tmp_path / "python")
    monkeypatch.setattr(sys, "argv", ["run.py", "--only", "node"])
    assert run.BENCHMARKS["node"].ros and run.main() == 0
    assert capsys.readouterr().out == f"node: left out, there is no {tmp_path / 'python'} (make ros-kilted)\n"
    assert run.BENCHMARKS["model"].interpreter() == Path(sys.executable)


def test_every_benchmark_is_a_script(run):
    for benchmark in run.BENCHMARKS.values():
        assert (BENCH / benchmark.command[0]).is_file()


def test_the_readme_quotes_the_speeds_of_the_table():
    """Within 15%: they differ from run to run."""
    root = BENCH.parent
    quoted = re.search(r"\((\S+) ms a picture, (\S+) ms a question of sixteen", (root / "README.md").read_text())
    page = (root / "docs/benchmarks.md").read_text()
    look, sixteen = (float(re.search(rf"^\| {row} \| (\S+) ms", page, flags=re.M)[1]) for row in ("look", "16 queries"))
    assert [float(x) for x in quoted.groups()] == pytest.approx([look, sixteen / 16], rel=0.15)
