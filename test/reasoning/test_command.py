"""`spatialvlm reason` as it is called."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scripted_server import Reply, completion

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.cli.reason import NO_ANSWER


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.full((120, 160, 3), 90, np.uint8)).save(path)
    return path


def test_the_benchmark(tmp_path, capsys):
    arguments = [
        "reason",
        "--bench",
        "--scenes",
        "12",
        "--per-form",
        "2",
        "--half",
        "known",
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "known wordings, " in shown and "unanswerable, refused: 100.0%" in shown
    summary = json.loads((tmp_path / "o" / "summary.json").read_text())
    assert summary["setting"]["friend"] == "exact" and summary["asking"]["per_form"] == 2
    assert summary["halves"]["known"]["right"]["value"] > 0.95
    lines = (tmp_path / "o" / "answers.jsonl").read_text().splitlines()
    assert all(json.loads(line)["verdict"] in ("right", "wrong", "refused") for line in lines)
    assert any(json.loads(line)["steps"] for line in lines)


def test_a_question_about_a_picture_to_servers(server, picture, capsys):
    """One server sees, and thinks as well; what it is sent tells which."""

    def answer(request):
        content = request.body["messages"][-1]["content"]
        if isinstance(content, str):
            return Reply(completion("ANSWER: The lamp." if "FRIEND" in content else "MEASURE: height | lamp"))
        return Reply(completion("0.5 m"))

    server.answer = answer
    spec = f"openai:{server.url}#tiny?samples=3"
    seen = ["--hfov", "60", "--up", "0", "-1", "0", "--model", spec]
    arguments = ["reason", str(picture), "Which is taller?", *seen, "--llm", spec]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "[0] measure: height of lamp -> m1 = " in shown and shown.endswith("The lamp.\n")
    assert main([*arguments, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["valid"] and [s["kind"] for s in record["steps"]] == ["measure", "answer"]
    to_think = [r for r in server.requests if isinstance(r.body["messages"][-1]["content"], str)]
    assert len(to_think) == 4 and all("image_url" not in json.dumps(r.body) for r in to_think)


def test_a_question_without_an_answer(server, picture, capsys):
    server.script = [Reply(completion("not visible"))]
    spec = f"openai:{server.url}#tiny?samples=2"
    question = "Which of the mug and the bowl is nearest to the lamp?"
    assert main(["reason", str(picture), question, "--hfov", "60", "--model", spec]) == NO_ANSWER
    assert "no answer (" in capsys.readouterr().out


def test_a_model_that_never_answers_holds_nobody(mute_server, picture, tmp_path):
    """Neither the answer nor the end of the process waits for what hangs."""
    arguments = ["reason", str(picture), "How far is the jug from the tray?", "--hfov", "60", "--seconds", "1"]
    command = [sys.executable, "-m", "spatialvlm_ros.cli.main", *arguments, "--model", mute_server.model]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert mute_server.asked.is_set()
    assert done.returncode == NO_ANSWER and "Traceback" not in done.stderr
    assert done.stdout.endswith("no answer (timeout). No answer within 1 s.\n")


def test_wrong_arguments_are_one_line(picture, capsys):
    assert main(["reason", str(picture)]) == 1
    assert "nothing is asked" in capsys.readouterr().err
    assert main(["reason", str(picture), "How?", "--hfov", "60", "--max-steps", "0"]) == 1
    assert "limit of steps" in capsys.readouterr().err
