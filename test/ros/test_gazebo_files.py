"""The Gazebo world and its bridge, as far as they can be checked without Gazebo."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.ros.sim_scene import OPTICAL_FRAME, fixed_view
from spatialvlm_ros.ros.sim_settings import SIM_INTERFACES
from spatialvlm_ros.ros.sim_world import CAMERA_FRAME, WORLD_FRAME
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M, table_boxes

FOLDER = Path(__file__).resolve().parents[2] / "config" / "gazebo"
# What a sensor of type rgbd_camera publishes under its topic, and the messages.
SENSOR_TOPICS = {"image": "gz.msgs.Image", "depth_image": "gz.msgs.Image", "camera_info": "gz.msgs.CameraInfo"}
OPTICAL_FROM_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


@pytest.fixture(scope="module")
def world() -> ElementTree.Element:
    found = ElementTree.parse(FOLDER / "world.sdf").getroot().find("world")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def bridge() -> list[dict[str, str]]:
    return yaml.safe_load((FOLDER / "bridge.yaml").read_text(encoding="utf-8"))


def model(world: ElementTree.Element, name: str) -> ElementTree.Element:
    (found,) = [m for m in world.iter("model") if m.get("name") == name]
    return found


def numbers(element: ElementTree.Element, path: str) -> np.ndarray:
    return np.array([float(v) for v in (element.findtext(path) or "").split()])


def test_the_camera_is_that_of_the_simulation(world: ElementTree.Element) -> None:
    (sensor,) = world.iter("sensor")
    assert sensor.get("type") == "rgbd_camera"
    assert sensor.findtext("gz_frame_id") == sensor.findtext("camera/optical_frame_id") == OPTICAL_FRAME
    size = int(numbers(sensor, "camera/image/width")[0]), int(numbers(sensor, "camera/image/height")[0])
    assert size == (640, 480)
    view = fixed_view(*size)
    made = Camera.from_hfov(*size, float(numbers(sensor, "camera/horizontal_fov")[0]))
    assert made.fx == pytest.approx(view.camera.fx, rel=1e-4)
    assert (numbers(sensor, "update_rate") == 10).all()


@pytest.mark.parametrize(("frame", "axes"), [(CAMERA_FRAME, OPTICAL_FROM_BODY), (OPTICAL_FRAME, np.eye(3))])
def test_the_camera_stands_where_it_does_in_the_simulation(
    world: ElementTree.Element, frame: str, axes: np.ndarray
) -> None:
    pose, view = numbers(model(world, frame), "pose"), fixed_view(640, 480)
    np.testing.assert_allclose(pose[:3], view.pose.position)
    turned = Rotation.from_euler("xyz", pose[3:]).as_matrix()  # SDF: roll, pitch, yaw about fixed axes
    np.testing.assert_allclose(turned, view.pose.rotation @ axes, atol=1e-5)


def test_the_table_is_that_of_the_simulation(world: ElementTree.Element) -> None:
    centers, sizes = table_boxes()
    for kind in ("visual", "collision"):
        parts = list(model(world, "table").iter(kind))
        np.testing.assert_allclose([numbers(p, "pose")[:3] for p in parts], centers)
        np.testing.assert_allclose([numbers(p, "geometry/box/size") for p in parts], sizes)


def test_things_of_distinct_colours_stand_on_the_table_in_the_picture(world: ElementTree.Element) -> None:
    view, colours = fixed_view(640, 480), set()
    names = ("red_cube", "green_cylinder", "blue_ball", "yellow_block")
    for name in names:
        thing = model(world, name)
        place = numbers(thing, "pose")[:3]
        assert place[2] - TABLE_TOP_M == pytest.approx(half_height(thing), abs=1e-9)
        u, v = view.camera.project(view.pose.to_optical(place[None]))[0]
        assert 60 < u < 580 and 60 < v < 420
        colours.add(tuple(numbers(thing, "link/visual/material/diffuse")))
    assert len(colours) == len(names)


def half_height(thing: ElementTree.Element) -> float:
    (shape,) = list(thing.find("link/visual/geometry"))  # type: ignore[arg-type]
    if shape.tag == "sphere":
        return float(numbers(shape, "radius")[0])
    return float((numbers(shape, "size") if shape.tag == "box" else numbers(shape, "length"))[-1] / 2)


def test_the_bridge_gives_the_topics_and_types_of_the_simulation_node(bridge: list[dict[str, str]]) -> None:
    assert all(set(entry) == set(bridge[0]) and entry["direction"] == "GZ_TO_ROS" for entry in bridge)
    given = {entry["ros_topic_name"]: entry["ros_type_name"] for entry in bridge}
    wanted = {SIM_INTERFACES[n].name: SIM_INTERFACES[n].type for n in ("color", "color_info", "depth", "depth_info")}
    wanted |= {SIM_INTERFACES[n].name: SIM_INTERFACES[n].type for n in ("tf", "clock")}
    assert given == wanted


def test_the_bridge_takes_what_the_world_publishes(world: ElementTree.Element, bridge: list[dict[str, str]]) -> None:
    (sensor,) = world.iter("sensor")
    offered = {f"/{sensor.findtext('topic')}/{name}": kind for name, kind in SENSOR_TOPICS.items()}
    offered["/clock"] = "gz.msgs.Clock"
    for posed in world.iter("model"):
        if any(p.get("name") == "gz::sim::systems::PosePublisher" for p in posed.iter("plugin")):
            offered[f"/model/{posed.get('name')}/pose"] = "gz.msgs.Pose_V"
    assert {entry["gz_topic_name"]: entry["gz_type_name"] for entry in bridge} == offered
    assert world.get("name") == WORLD_FRAME  # the parent frame of what is posed
    assert any(p.get("name") == "gz::sim::systems::Sensors" for p in world.iter("plugin"))
