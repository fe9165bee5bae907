"""package.xml, setup.py, CMakeLists.txt and the changelog tell the same story."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from spatialvlm_ros.version import __version__

ROOT = Path(__file__).resolve().parent.parent


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_versions_agree():
    assert ET.fromstring(text("package.xml")).findtext("version") == __version__


def test_package_xml_has_only_ros_and_apt_keys():
    """A key that rosdep resolves with pip keeps a package off the build farm."""
    root = ET.fromstring(text("package.xml"))
    keys = [e.text for tag in ("depend", "exec_depend", "build_depend") for e in root.findall(tag)]
    assert keys and not [k for k in keys if k.endswith("-pip")]
    assert not {"torch", "transformers", "mujoco"} & set(keys)


def test_every_dependency_is_bounded():
    source = text("setup.py")
    requirements = re.findall(r'"([a-z0-9-]+(?:\[\w+\])?[<>=][^"]*)"', source)
    assert len(requirements) > 12
    tools = {"ruff", "mypy"}  # developers' tools, pinned in constraints.txt
    assert [r for r in requirements if "<" not in r and re.split(r"[<>=]", r)[0] not in tools] == []


def test_constraints_pin_what_the_extras_name():
    pinned = set(re.findall(r"^([a-z0-9-]+)==", text("constraints.txt"), flags=re.M))
    assert {"torch", "transformers", "mujoco", "numpy", "pyarrow"} <= pinned


def test_cmake_installs_the_modules_and_the_configuration():
    cmake = text("CMakeLists.txt")
    assert "project(spatialvlm_ros)" in cmake and "config" in cmake


def test_init_files_hold_nothing_that_is_needed():
    """A distro may install a generated, empty __init__.py over ours."""
    for path in (ROOT / "spatialvlm_ros").rglob("__init__.py"):
        body = re.sub(r'^\s*""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.S).strip()
        if path.parent.name == "spatialvlm_ros":  # where pip installed it; beside generated interfaces it adds nothing
            body = body.replace("from spatialvlm_ros.ros.built_interfaces import built_interfaces", "")
            body = re.sub(r"__path__ \+= built_interfaces\(\) +#.*", "", body).strip()
        assert body in ("", "from __future__ import annotations"), path


def test_the_license_file_is_the_one_that_is_named():
    assert "Apache License" in text("LICENSE")
    assert ET.fromstring(text("package.xml")).findtext("license") == "Apache-2.0"


@pytest.mark.parametrize("name", ["msg", "srv", "action"])
def test_no_module_takes_the_name_of_generated_interfaces(name):
    assert not (ROOT / "spatialvlm_ros" / name).exists()
    assert not (ROOT / "spatialvlm_ros" / f"{name}.py").exists()


def test_no_module_grows_too_big_to_read():
    """One concept a file: a module of more than 500 lines holds more than one."""
    long = {p.name: n for p in (ROOT / "spatialvlm_ros").rglob("*.py") if (n := p.read_text().count("\n")) > 500}
    assert long == {}
