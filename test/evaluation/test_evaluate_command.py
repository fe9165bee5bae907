"""`spatialvlm evaluate` from the command line."""

import json
import shutil

import pytest
import yaml
from judged_models import SMALL_BENCH, OracleModel

from spatialvlm_ros.cli import evaluate as command
from spatialvlm_ros.cli.main import main
from spatialvlm_ros.shared_files import shared_file


@pytest.fixture
def oracle(monkeypatch, bench):
    """The model that the command loads, whatever it is called."""
    noise = {"good": 0.1, "bad": 0.6}
    monkeypatch.setattr(command, "load_model", lambda name: OracleModel(bench.views, noise[name], noise[name] / 4))


def test_judge_compare_and_report(bench, oracle, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    common = ["--no-progress", "--controls", "median-by-family", "--text-per-view", "1"]
    for name in ("bad", "good"):
        assert main(["evaluate", name, str(bench.folder), "--out", str(tmp_path / name), *common]) == 0
    shown = capsys.readouterr().out
    assert "number within 25%" in shown and (tmp_path / "good" / "report.html").stat().st_size > 20_000
    result = json.loads((tmp_path / "good" / "result.json").read_text())
    assert list(result["controls"]) == ["median by family"] and result["settings"]["text_per_view"] == 1
    assert set(json.loads((tmp_path / "good" / "speed.json").read_text())) == {"ask", "locate", "look", "measure"}
    assert main(["evaluate", "--compare", str(tmp_path / "bad"), str(tmp_path / "good"), str(bench.folder)]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("number within 25%"))
    assert float(line.split()[5]) > 0.1 and line.endswith("*")


def test_build_goes_on_and_says_the_name(bench, tmp_path, capsys):
    folder = shutil.copytree(bench.folder, tmp_path / "bench")
    settings = tmp_path / "bench.yaml"
    usual = yaml.safe_load(shared_file("config/bench.yaml").read_text())
    settings.write_text(yaml.safe_dump({**usual, **SMALL_BENCH}))
    assert main(["evaluate", "--build", str(folder), "--bench-config", str(settings), "--no-progress"]) == 0
    assert bench.name in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate"], "what is to be judged"),
        (["evaluate", "good", "nowhere"], "no complete bench"),
        (["evaluate", "good", "BENCH", "--controls", "luck"], "unknown controls"),
        (["evaluate", "good", "BENCH", "--give", "answers", "--out", "OUT"], "cannot be given"),
        (["evaluate", "--compare", "a", "b"], "needs the bench"),
        (["evaluate", "good", "BENCH", "--published", "nothing", "--out", "OUT"], "unknown benchmark"),
    ],
)
def test_mistakes_are_one_line(bench, oracle, tmp_path, capsys, arguments, said):
    places = {"BENCH": str(bench.folder), "OUT": str(tmp_path / "out")}
    assert main([places.get(a, a) for a in arguments]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
