"""package.xml, CMakeLists.txt, setup.py and scripts/ agree on executables, data and dependencies; no ROS needed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROS = ROOT / "spatialvlm_ros" / "ros"

# The keys that package.xml may name: packages of ROS and of apt that every supported distribution has.
ROS_TOOLS = {
    "ament_cmake", "ament_cmake_python", "ament_cmake_pytest",
    "rosidl_default_generators", "rosidl_default_runtime",
}  # fmt: skip
ROS_PACKAGES = {
    "action_msgs", "builtin_interfaces", "cv_bridge", "diagnostic_msgs", "geometry_msgs", "launch", "launch_ros",
    "lifecycle_msgs", "rcl_interfaces", "rclpy", "rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs", "tf2_msgs",
    "tf_transformations", "visualization_msgs",
}  # fmt: skip
APT_PACKAGES = {
    "numpy": "python3-numpy",
    "cv2": "python3-opencv",
    "scipy": "python3-scipy",
    "yaml": "python3-yaml",
    "PIL": "python3-pil",
    "transforms3d": "python3-transforms3d",
}
NOT_IMPORTED = {
    "action_msgs",  # the generated actions need it
    "lifecycle_msgs",  # rclpy's lifecycle nodes and launch_ros need it
}
PIP_EXTRAS = {"torch", "transformers", "mujoco"}  # imported where they are needed, never named in package.xml


def cmake() -> str:
    return re.sub(r"#.*", "", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))


def dependencies(*tags: str) -> set[str]:
    root = ET.parse(ROOT / "package.xml").getroot()
    return {str(element.text) for tag in tags for element in root.findall(tag)}


def at_run_time() -> set[str]:
    return dependencies("depend", "exec_depend")


@lru_cache(maxsize=1)
def distribution() -> dict[str, list[str]]:
    """What setup.py says to setuptools: console scripts, and data files as "destination <- source"."""
    code = (
        "import setuptools; from distutils.core import run_setup; d = run_setup('setup.py', stop_after='init');"
        "print(*d.entry_points['console_scripts'], sep='\\n'); print('---');"
        "print(*(f'{to}/ <- {f}' for to, files in d.data_files for f in files), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    scripts, data = done.stdout.split("---")
    return {"scripts": scripts.split("\n")[:-1], "data": data.strip().split("\n")}


def imports(path: Path) -> Iterator[str]:
    """The top-level names of all absolute imports of a module, those inside functions too."""
    for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(item, ast.Import):
            yield from (name.name.partition(".")[0] for name in item.names)
        elif isinstance(item, ast.ImportFrom) and item.level == 0:
            yield str(item.module).partition(".")[0]


def imported_by(*folders: Path) -> set[str]:
    beside = {path.stem for folder in folders for path in folder.glob("*.py")}
    everything = {name for folder in folders for path in folder.glob("*.py") for name in imports(path)}
    return everything - set(sys.stdlib_module_names) - {"spatialvlm_ros"} - beside


def test_pip_and_colcon_install_the_same_executables() -> None:
    scripts = {path.name: path for path in (ROOT / "scripts").iterdir() if path.is_file()}
    programs = re.search(r"install\(PROGRAMS\s+(.*?)\s+DESTINATION lib/\$\{PROJECT_NAME\}\)", cmake(), flags=re.S)
    assert programs and {f"scripts/{name}" for name in scripts} == set(programs[1].split())
    entries = dict(line.split(" = ") for line in distribution()["scripts"])
    assert set(entries) == {"spatialvlm", *scripts} and len(scripts) >= 3
    for name, path in scripts.items():
        text = path.read_text(encoding="utf-8")
        assert text.startswith("#!/usr/bin/env python3\n"), "another Python than that of the environment would run it"
        assert os.access(path, os.X_OK), name
        module = entries[name].removesuffix(":main")
        assert f"from {module} import main" in text
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file(), module


def test_pip_and_colcon_install_the_same_data() -> None:
    by_cmake = set(re.findall(r"install\(DIRECTORY ([a-z ]+) DESTINATION share/", cmake())[0].split())
    generated = {"msg", "srv", "action"}  # rosidl_generate_interfaces installs these
    for folder in by_cmake | generated:
        files = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
        files = {path for path in files if "__pycache__" not in path.parts}
        assert files, folder
        wanted = {f"share/spatialvlm_ros/{path.parent}/ <- {path}" for path in files}
        assert wanted <= set(distribution()["data"]), folder
    by_pip = {line.removeprefix("share/spatialvlm_ros/").split("/")[0] for line in distribution()["data"]}
    assert by_pip - {" <- package.xml"} == by_cmake | generated


def test_package_xml_names_known_keys_only() -> None:
    every = dependencies("depend", "exec_depend", "build_depend", "buildtool_depend", "test_depend")
    assert every - ROS_TOOLS - ROS_PACKAGES - set(APT_PACKAGES.values()) == set()


def test_what_cmake_looks_for_is_declared() -> None:
    found = set(re.findall(r"find_package\((\w+) REQUIRED\)", cmake()))
    assert len(found) >= 7 and found <= dependencies("depend", "buildtool_depend", "test_depend")


def test_the_definitions_use_declared_packages() -> None:
    definitions = [path for kind in ("msg", "srv", "action") for path in (ROOT / kind).iterdir()]
    used = {m for path in definitions for m in re.findall(r"^(\w+)/\w+", path.read_text("utf-8"), flags=re.M)}
    listed = re.search(r"DEPENDENCIES ([\w ]+)\)", cmake())
    assert listed and used - {"spatialvlm_ros"} <= set(listed[1].split()) <= dependencies("depend")


def test_what_the_nodes_and_launch_files_import_is_declared() -> None:
    imported = imported_by(ROS, ROOT / "launch")
    unknown = imported - ROS_PACKAGES - set(APT_PACKAGES) - PIP_EXTRAS
    assert unknown == set()
    assert imported & ROS_PACKAGES <= at_run_time()
    assert {APT_PACKAGES[name] for name in imported & set(APT_PACKAGES)} <= at_run_time()


def test_nothing_is_declared_that_nobody_imports() -> None:
    imported = imported_by(ROS, ROOT / "launch") | NOT_IMPORTED
    assert (at_run_time() & ROS_PACKAGES) - imported == set()


def test_what_the_graph_tests_import_is_declared() -> None:
    imported = imported_by(ROOT / "test" / "ros_graph") & ROS_PACKAGES
    assert imported <= at_run_time() | dependencies("test_depend")


@pytest.mark.parametrize("name", ["launch", "config"])
def test_no_folder_hides_a_package_of_ros(name: str) -> None:
    """`import launch` in the root of a checkout must not find a folder of ours as a regular package."""
    assert not (ROOT / name / "__init__.py").exists()
