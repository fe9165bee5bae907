"""Commands and Python in the documents: options exist, imports resolve, and what runs quickly is run as it stands.

README.md, docs/reasoning.md, docs/annotating.md and docs/finetuning.md have tests of their own.
"""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatialvlm_ros.cli.main import COMMANDS, build_parser
from spatialvlm_ros.datasets.synthetic import SyntheticViews
from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.errors import MissingDependencyError
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.question_reading import read_question
from spatialvlm_ros.reasoning.planner.planner import read_plan

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [p.name for p in PAGES]


def text_of(page: str) -> str:
    (path,) = (p for p in PAGES if p.name == page)
    return path.read_text(encoding="utf-8")


def blocks(page: str) -> list[str]:
    """Code of a page, fenced or indented."""
    fenced = r"^```\w*\n(.*?)^```$"
    text = text_of(page)
    indented = re.findall(r"(?<=\n\n)(?:(?: {4}.*)?\n)+", re.sub(fenced, "", text, flags=re.S | re.M))
    return [textwrap.dedent(b).strip() for b in (*re.findall(fenced, text, flags=re.S | re.M), *indented) if b.strip()]


def python_of(page: str) -> list[str]:
    """Its blocks of Python: those that import something of this package."""
    return [b for b in blocks(page) if re.search(r"^from spatialvlm_ros\.\w", b, flags=re.M)]


def commands_of(page: str) -> list[list[str]]:
    """Its lines that begin with `spatialvlm`, as arguments."""
    lines = [line.strip() for block in blocks(page) for line in block.replace("\\\n", " ").splitlines()]
    found = [re.match(r"(?:\w+=\S+ )*spatialvlm ([a-z-]+(?: .*)?)$", line) for line in lines]
    split = [shlex.split(re.sub(r" \|\| .*", "", m[1]), comments=True) for m in found if m]
    return [[word for word in words if word != "..."] for words in split]


@pytest.mark.parametrize("page", [n for n in NAMES if commands_of(n)])
def test_commands_have_the_options_that_pages_give_them(page: str) -> None:
    for words in commands_of(page):
        assert words[0] in COMMANDS
        build_parser(words[0]).parse_args(words)  # exits where it does not understand


def test_the_commands_are_found() -> None:
    count = {name: len(commands_of(name)) for name in NAMES}
    assert count["README.md"] >= 10 and count["datasets.md"] >= 6 and count["hub_models.md"] == 4


@pytest.mark.parametrize("page", [n for n in NAMES if python_of(n)])
def test_imports_of_pages_resolve(page: str) -> None:
    for block in python_of(page):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("spatialvlm_ros"):
                try:
                    module = importlib.import_module(str(node.module))
                except ImportError as error:  # ROS, torch, a simulator ...: not a module of this package
                    assert not str(error.name).startswith("spatialvlm_ros"), block
                    continue
                except MissingDependencyError:
                    continue
                for name in node.names:
                    assert hasattr(module, name.name), f"{node.module}.{name.name}"


def test_questions_in_the_code_of_pages_are_measured_and_not_guessed() -> None:
    """`ask` knows them as questions of a family, and the planner has a plan for those of `reason` and `solve`."""
    code = "\n".join(block for page in NAMES for block in blocks(page) if "{a}" not in block)
    asked = re.findall(r"""\.ask\(\s*"([^"]+)"|spatialvlm ask \S+ "([^"]+)"|/Ask "{question: '([^']+)'""", code)
    python = r"""(?:\.(?:reason|solve)\(\s*|question = )"([^"]+)\""""
    shell = r"""spatialvlm reason \S+ "([^"]+)"|/Reason\W+{question: '([^']+)'"""
    thought = re.findall(f"{python}|{shell}", code)
    assert len(asked) >= 4 and len(thought) >= 6
    for question in map("".join, asked):
        assert read_question(question) is not None, question
    for question in map("".join, thought):
        assert read_plan(question) is not None, question


@pytest.fixture(scope="module")
def views() -> list[SceneView]:
    return [v for v in SyntheticViews(seed=3).views(0) if isinstance(v, SceneView)][:2]


@pytest.fixture(scope="module")
def model() -> Any:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    return SpatialVLM.from_pretrained("embedded")


def run(page: str, having: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run the one block of a page in which ``having`` stands, with some names known; returns all names."""
    (block,) = (b for b in python_of(page) if having in b)
    return execute(block, names)


def execute(block: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block, "page", "exec", dont_inherit=True), names)
    return names


def test_models(model, views) -> None:
    queries = [Query("mug", "bowl", "distance"), Query("mug", None, "height")]
    observations = [view.observation for view in views]
    given = {"observation": observations[0], "observations": observations, "queries": queries}
    names = run("models.md", "locate_closer", given)
    assert len(names["view"].measure_many(queries)) == 2


def test_rewards_and_their_check(model, views) -> None:
    first, picture = (v.observation for v in views)
    names = run("rewards.md", "engine.reset()", {"model": model, "first": first, "picture": picture, "over": False})
    assert names["start"].reward == 0 and names["frame"].task == "place_in_apple_bowl"
    run("rewards.md", "Follower()", {**names, "tcp": np.array([0.0, 0.0, 0.5])})
    assert run("rewards.md", "check_reward(source", {"source": names["engine"]})["report"].ok


def test_tracking(model, views) -> None:
    frames = [replace(v.observation, stamp_ns=k * 10**8) for k, v in enumerate(views)]
    queries, names = [Query("mug", "bowl", "distance")], ["mug", "bowl"]
    made = run("tracking.md", "FilterBank()", {"frames": frames, "model": model, "queries": queries, "names": names})
    assert len(made["filtered"]) == 1 and len(made["seen"]) == 2


def test_questions(views, capsys) -> None:
    run("questions.md", "QuestionGenerator(", {"scenes": [v.scene for v in views]})
    assert capsys.readouterr().out.count("\n") == 100


def test_parsing_gives_what_the_comments_say() -> None:
    from spatialvlm_ros.questions.parsing.answers import ParseReason, parse_answer

    (block,) = python_of("parsing.md")
    lines = re.findall(r"^(parse_answer\(.*?)  # (.*)$", block, flags=re.M)
    assert len(lines) == 5
    known = {"parse_answer": parse_answer, "ParseReason": ParseReason}
    for call, said in lines:
        value, wanted = eval(call, known), eval(said, known)
        assert value == (pytest.approx(wanted) if isinstance(wanted, float) else wanted), call


def test_a_data_set_is_read_and_a_source_of_ones_own_is_made(tmp_path, monkeypatch) -> None:
    pytest.importorskip("datasets")
    from spatialvlm_ros.datasets.engine import generate
    from spatialvlm_ros.datasets.questions import Questions

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    source = SyntheticViews(seed=3, scenes=6)
    generate(source, Questions(), "data/spatial", workers=0, per_view=2, show_progress=False)
    (block,) = (b for b in blocks("datasets.md") if "load_dataset" in b)
    names = execute(block, {})
    assert len(names["rows"]) == len(names["data"]) > 17 and len(names["qa"]) == 2
    assert names["row"].keys() == {"view_id", "qa"}

    (block,) = (b for b in python_of("datasets.md") if "class MyViews" in b)
    made = re.search(r"^generate\((.*)\)", block, flags=re.M)
    assert made is not None
    names = execute(block.replace(made[0], ""), {"__name__": "own", "folder": tmp_path})
    names["generate"] = lambda *given, **options: (given, options)
    (mine, questions, out), options = eval(made[0], names)
    assert mine.name == "mine" and questions == Questions() and (out, options) == ("out", {"workers": 4})
