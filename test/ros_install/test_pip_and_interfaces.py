"""The package installed by pip, with the interfaces that `make interfaces` builds: both found by plain imports.

`make test-kilted` names the ROS environment in ROS_ENVIRONMENT; elsewhere the tests that need one are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ.get("ROS_ENVIRONMENT", "")

needs_ros = pytest.mark.skipif(not ENVIRONMENT, reason="needs an environment with ROS in ROS_ENVIRONMENT")

# Both halves of the package, a message through the middleware (its libraries are opened by name), an executable.
USE = """
import sys, time
from pathlib import Path
import spatialvlm_ros.msg, spatialvlm_ros.geometry.boxes, spatialvlm_ros.srv, spatialvlm_ros.action
import rclpy
from spatialvlm_ros.shared_files import shared_file

rclpy.init()
node = rclpy.create_node("installed")
received = []
node.create_subscription(spatialvlm_ros.msg.Estimate, "estimate", received.append, 10)
publisher = node.create_publisher(spatialvlm_ros.msg.Estimate, "estimate", 10)
end = time.monotonic() + 20
while not received and time.monotonic() < end:
    publisher.publish(spatialvlm_ros.msg.Estimate(value=1.5, sources=["tf"]))
    rclpy.spin_once(node, timeout_sec=0.1)
node.destroy_node()
rclpy.shutdown()
assert received[0].value == 1.5 and received[0].sources == ["tf"]
assert shared_file("msg/Estimate.msg").read_text().startswith("# One measured quantity")
assert all((Path(sys.executable).parent / f"spatialvlm_{name}").is_file() for name in ("node", "sim", "planner"))
print(spatialvlm_ros.geometry.__file__, spatialvlm_ros.msg.__file__, sep="\\n")
"""


def run(*command: str | Path, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def clean_environment(domain: int) -> dict[str, str]:
    """This process's environment without what other Pythons left in it."""
    left_out = ("PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def sourced(ros: Path, domain: int) -> dict[str, str]:
    """What sourcing a setup.bash sets, for the ROS of an environment."""
    libraries = [ros / "lib", *ros.glob("lib/python3*/site-packages/ros_*.libs")]
    clean = clean_environment(domain)
    return {
        **clean,
        "PATH": f"{ros / 'bin'}:{clean['PATH']}",
        "PYTHONPATH": ":".join(str(path) for path in ros.glob("lib/python3*/site-packages")),
        "LD_LIBRARY_PATH": ":".join(str(path) for path in libraries),
        "AMENT_PREFIX_PATH": str(ros),
        "CMAKE_PREFIX_PATH": str(ros),
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a checkout holds, so that building leaves nothing behind in this one."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in ("CMakeLists.txt", "package.xml", "setup.py", "setup.cfg", "pyproject.toml", "README.md", "Makefile"):
        shutil.copy2(ROOT / name, copy / name)
    for name in ("spatialvlm_ros", "msg", "srv", "action", "config", "launch", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "shipped"))
    return copy


@pytest.mark.slow
@needs_ros
def test_a_wheel_beside_a_sourced_ros(checkout: Path, tmp_path: Path) -> None:
    ros = Path(ENVIRONMENT).resolve()
    environment = sourced(ros, domain=os.getpid() % 50 + 1)
    run(ros / "bin/python", "-m", "venv", tmp_path / "venv", cwd=tmp_path, environment=clean_environment(0))
    python = tmp_path / "venv/bin/python"
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", checkout,
        cwd=tmp_path, environment=environment)  # fmt: skip
    run("make", "interfaces", f"PYTHON={python}", cwd=checkout, environment=environment)
    modules, interfaces = run(python, "-c", USE, cwd=tmp_path, environment=environment).splitlines()[-2:]
    assert Path(modules).is_relative_to(tmp_path / "venv/lib")
    assert Path(interfaces).is_relative_to(tmp_path / "venv/share")


@needs_ros
def test_an_editable_install_beside_the_wheels_of_ros(tmp_path: Path) -> None:
    """The environment itself is one: `make ros-kilted` installs this checkout into it and builds the interfaces."""
    ros = Path(ENVIRONMENT).absolute()
    environment = clean_environment(domain=os.getpid() % 50 + 51)
    printed = run(ros / "bin/python", "-c", USE, cwd=tmp_path, environment=environment)
    modules, interfaces = printed.splitlines()[-2:]
    assert Path(modules).is_relative_to(ROOT)
    assert Path(interfaces).is_relative_to(ros)


def test_without_ros_the_build_says_what_is_missing(checkout: Path) -> None:
    environment = {**clean_environment(0), "PYTHONPATH": str(checkout)}
    environment = {name: value for name, value in environment.items() if not name.endswith("_PREFIX_PATH")}
    done = subprocess.run(
        ["make", "interfaces", f"PYTHON={sys.executable}"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "setup.bash" in done.stderr


@needs_ros
def test_the_environment_of_wheels_has_every_message_of_the_demo() -> None:
    """`make demo` runs there without the workspace that colcon builds for the other tests."""
    code = """
import importlib
from spatialvlm_ros.ros.demo.topics import demo_topics
kinds = [topic.type.split("/") for topic in demo_topics()]
print([getattr(importlib.import_module(f"{package}.msg"), kind).__name__ for package, _, kind in kinds])
"""
    environment = {**clean_environment(0), "PYTHONPATH": str(ROOT)}
    assert "TFMessage" in run(ROOT / ENVIRONMENT / "bin" / "python", "-c", code, cwd=ROOT, environment=environment)
