"""The launch files, read without `launch`: what they declare, what they start, and that it is installed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from spatialvlm_ros.ros import launch_arguments

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "launch").glob("*.py"))
EXECUTABLES = {"spatialvlm_node", "spatialvlm_sim", "spatialvlm_planner"}


def names_from_our_table(tree: ast.Module) -> set[str]:
    ours = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == launch_arguments.__name__]
    return {alias.name for node in ours for alias in node.names}


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == name]


def test_there_is_one_for_each_use() -> None:
    expected = ["gazebo.launch.py", "reward_bag.launch.py", "sim_demo.launch.py", "spatialvlm.launch.py"]
    assert [f.name for f in FILES] == expected


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_they_declare_their_table_and_start_what_it_gives(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    names = names_from_our_table(tree)
    assert names <= used and all(hasattr(launch_arguments, name) for name in names)
    (table,) = [name for name in names if name.endswith("_ARGUMENTS")]
    assert table == ("NODE" if path.name == "spatialvlm.launch.py" else path.name.split(".")[0].upper()) + "_ARGUMENTS"
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    described = functions["generate_launch_description"]
    (declared,) = calls(described, "DeclareLaunchArgument")
    assert ast.unparse(declared) == "DeclareLaunchArgument(**argument.keywords())"
    assert f"for argument in {table}]" in ast.unparse(described)
    (late,) = calls(described, "OpaqueFunction")
    assert ast.unparse(late.keywords[0].value) in functions
    for node in calls(tree, "Node"):
        assert not node.args and [k.arg for k in node.keywords] == [None], "a Node takes all it is from the table"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_their_documentation_shows_a_command_that_is_theirs(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (command,) = re.findall(r"^ros2 launch .*$", ast.get_docstring(tree) or "", flags=re.M)
    assert command.startswith(f"ros2 launch spatialvlm_ros {path.name}")
    (table,) = [n for n in names_from_our_table(tree) if n.endswith("_ARGUMENTS")]
    arguments = {a.name: a for a in getattr(launch_arguments, table)}
    given = set(re.findall(r"(\w+):=", command))
    assert given <= set(arguments)
    assert {name for name, a in arguments.items() if a.default is None} <= given


def test_their_executables_are_installed() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    installed = re.search(r"install\(PROGRAMS([^)]*)DESTINATION lib/\$\{PROJECT_NAME\}", text)
    assert installed is not None
    assert {Path(p).name for p in installed[1].split()} == EXECUTABLES
    started = set(re.findall(r'"(spatialvlm_\w+)"', Path(launch_arguments.__file__).read_text(encoding="utf-8")))
    assert EXECUTABLES <= started <= EXECUTABLES | {"spatialvlm_ros", "spatialvlm_bridge"}
    for name in EXECUTABLES:
        script = ROOT / "scripts" / name
        assert script.stat().st_mode & 0o111, f"{name} is not executable"
    assert re.search(r"install\(DIRECTORY [^)]*\blaunch\b", text) and re.search(
        r"install\(DIRECTORY [^)]*\bconfig\b", text
    )
