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
    assert walked > 60 and failed == {}


def test_importing_the_package_is_light():
    rooms = "spatialvlm_ros.geometry.cameras, spatialvlm_ros.scenes.relations, spatialvlm_ros.cli.main"
    code = f"import sys, {rooms}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "cv2", "mujoco", "pyarrow"} & set(loaded)
