"""What each room may need: no ROS outside ros/, no torch at import, nothing heavy in the core."""

import json
import subprocess
import sys

import pytest

# Walks the package with some top-level packages made unimportable, and reports every module that failed.
WALK = """
import importlib, json, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

BLOCKED, ROOMS = set(json.loads(sys.argv[1])), json.loads(sys.argv[2])
sys.meta_path.insert(0, Blocker())
import spatialvlm_ros
failed, walked = {}, 0
for info in pkgutil.walk_packages(spatialvlm_ros.__path__, "spatialvlm_ros.", onerror=lambda name: None):
    room = info.name.split(".")[1]
    if room == "ros" or (ROOMS and room not in ROOMS):
        continue
    try:
        importlib.import_module(info.name)
        walked += 1
    except ImportError as error:
        failed[info.name] = str(error)
print(json.dumps([walked, failed]))
"""

ROS = ["rclpy", "sensor_msgs", "geometry_msgs", "std_msgs", "tf2_ros", "cv_bridge"]
HEAVY = ["torch", "transformers", "ray", "datasets", "pyarrow", "rosbags", "sklearn", "gymnasium", "mujoco", "skimage"]


def walk(blocked, rooms=()):
    command = [sys.executable, "-c", WALK, json.dumps(blocked), json.dumps(list(rooms))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    walked, failed = json.loads(done.stdout.splitlines()[-1])
    return walked, failed


@pytest.mark.parametrize("rooms", [("geometry", "scenes", "questions", "cli")])
def test_the_core_imports_with_numpy_opencv_and_scipy_alone(rooms):
    walked, failed = walk(ROS + HEAVY, rooms)
    assert walked > 20 and failed == {}


def test_every_room_but_ros_imports_without_ros_and_without_torch():
    pytest.importorskip("mujoco")
    pytest.importorskip("pyarrow")
    walked, failed = walk([*ROS, "torch", "transformers", "ray", "datasets"])
    of_torch = {
        name for name in failed if name.startswith(("spatialvlm_ros.training.", "spatialvlm_ros.models.embedded."))
    }
    assert walked > 60 and set(failed) == of_torch
    assert "spatialvlm_ros.models.embedded.weights" not in failed  # what is found before torch is loaded


def test_training_needs_no_opencv_no_parquet_and_no_ray():
    """The machines with the large accelerators have little installed."""
    pytest.importorskip("torch")
    pytest.importorskip("mujoco")
    blocked = [*ROS, "cv2", "pyarrow", "datasets", "ray", "sklearn", "pandas", "peft", "tqdm", "matplotlib", "httpx"]
    code = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(blocked)!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocker())
import spatialvlm_ros.training.run, spatialvlm_ros.models.embedded.backend
from spatialvlm_ros.simulation.source import SimulatedViews
settings = dict(scenes=40, width=64, height=48, views_per_layout=1, layouts_per_compile=1, robot_share=1.0)
source = SimulatedViews(settings)
print(sum(hasattr(view, "scene") for index in range(4) for view in source.views(index)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) >= 1


def test_importing_the_package_is_light():
    rooms = "spatialvlm_ros.geometry.cameras, spatialvlm_ros.scenes.relations, spatialvlm_ros.cli.main"
    code = f"import sys, {rooms}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "cv2", "mujoco", "pyarrow"} & set(loaded)
