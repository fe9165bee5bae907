"""The inputs that not every robot has: compressed colour and depth, and an IMU that says where up is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")

from ros_processes import GraphProcess, command_of  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Imu  # noqa: E402

from spatialvlm_ros.msg import EstimateArray  # noqa: E402

LEFT_BOX, RIGHT_BOX = "[100, 180, 180, 300]", "[460, 180, 540, 300]"
QUERIES = [f"above_diff: {LEFT_BOX} | {RIGHT_BOX}", f"distance: {LEFT_BOX} | {RIGHT_BOX}"]
FOCAL, DEPTH_M = 525.0, 1.5
APART_M = 360 / FOCAL * DEPTH_M  # of the boxes' middles, along the rows of the picture
_CONFIG_HEADER = bytes(12)  # of compressed_depth_image_transport before the PNG; read for floating point depth only


class CompressingDriver:
    """A camera on its side: an IMU in its optical frame says that ``up`` is along the rows of the picture."""

    def __init__(self, node: Any) -> None:
        self.up = np.array([-1.0, 0.0, 0.0])
        rng = np.random.default_rng(0)
        bgr = np.kron(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), np.ones((10, 10, 1), np.uint8))
        depth = np.full((480, 640), int(1000 * DEPTH_M), np.uint16)
        self._image = CompressedImage(format="rgb8; jpeg compressed bgr8", data=cv2.imencode(".jpg", bgr)[1].tobytes())
        squeezed = _CONFIG_HEADER + cv2.imencode(".png", depth)[1].tobytes()
        self._depth = CompressedImage(format="16UC1; compressedDepth png", data=squeezed)
        self._info = CameraInfo(width=640, height=480, k=[FOCAL, 0.0, 319.5, 0.0, FOCAL, 239.5, 0.0, 0.0, 1.0])
        self._node, self._stop = node, threading.Event()
        self._topics = [
            (node.create_publisher(kind, topic, 2), make)
            for kind, topic, make in (
                (Imu, "imu", self._tilt),
                (CameraInfo, "camera_info", lambda: self._info),
                (CompressedImage, "depth/compressedDepth", lambda: self._depth),
                (CompressedImage, "image/compressed", lambda: self._image),
            )
        ]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _tilt(self) -> Imu:
        message = Imu()  # its orientation is the identity, of which nobody says that it is not known
        force = 9.81 * self.up
        message.linear_acceleration.x, message.linear_acceleration.y, message.linear_acceleration.z = map(float, force)
        return message

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            stamp = self._node.get_clock().now().to_msg()
            for publisher, make in self._topics:
                message = make()
                message.header.stamp, message.header.frame_id = stamp, "cam"
                publisher.publish(message)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def driver(node: Any, ros_domain: int, tmp_path: Path) -> Iterator[CompressingDriver]:
    settings = ["image_transport:=compressed", "depth_transport:=compressedDepth", "use_imu:=true", "max_age_s:=10.0"]
    asked = [word for setting in (*settings, f"queries:={QUERIES}") for word in ("-p", setting)]
    process = GraphProcess([*command_of("spatialvlm_node"), "--ros-args", *asked], tmp_path / "node.log", {})
    made = CompressingDriver(node)
    try:
        process.wait_for_output("active with the model", 120)
        yield made
    finally:
        made.close()
        fault = process.end()
    assert not fault, fault


def test_compressed_pictures_with_depth_are_measured_along_what_an_imu_calls_up(
    node: Any, driver: CompressingDriver, wait_until: Callable[..., None]
) -> None:
    heard: list[Any] = []
    node.create_subscription(EstimateArray, "/spatialvlm/distances", heard.append, 10)

    def above(metres: float) -> Callable[[], bool]:
        def there() -> bool:
            if not heard:
                return False
            difference, distance = heard[-1].estimates
            return (
                difference.valid
                and "depth_sensor" in distance.sources
                and abs(difference.value - metres) < 0.25
                and abs(distance.value - APART_M) < 0.25
            )

        return there

    wait_until(above(APART_M), 60, "the left box to be above the right one")
    driver.up = np.array([1.0, 0.0, 0.0])
    wait_until(above(-APART_M), 30, "the right box to be above the left one, as the camera was turned over")
