"""Why nothing comes from a topic: the sentence names what is wrong and the remedy."""

from __future__ import annotations

import pytest

from spatialvlm_ros.ros.silence import SilentTopic

IMAGE, SQUEEZED, INFO = (f"sensor_msgs/msg/{kind}" for kind in ("Image", "CompressedImage", "CameraInfo"))
RAW = SilentTopic("image", "/cam/image_raw", IMAGE, "image_topic", "image_transport")
COMPRESSED = SilentTopic("image/compressed", "/cam/image_raw/compressed", SQUEEZED, "image_topic", "image_transport")
DEPTH = SilentTopic("depth", "/cam/depth", IMAGE, "depth_topic", "depth_transport")
OF_INFO = SilentTopic("front/camera_info", "/front/camera_info", INFO)
HERE = {"/eye/image": [IMAGE], "/eye/depth": [IMAGE], "/eye/info": [INFO], "/scan": ["sensor_msgs/msg/LaserScan"]}


@pytest.mark.parametrize(
    ("silent", "offered", "graph", "says"),
    [
        (
            RAW,
            [],
            HERE,
            "nobody publishes /cam/image_raw: remap image (image_topic:=... of the launch files), "
            "e.g. to /eye/image, /eye/depth",
        ),
        (DEPTH, [], HERE, "(depth_topic:=... of the launch files), e.g. to /eye/depth, /eye/image"),
        (OF_INFO, [], HERE, "nobody publishes /front/camera_info: remap front/camera_info, e.g. to /eye/info"),
        (RAW, [], {}, "no other topic of sensor_msgs/msg/Image: start the camera"),
        (RAW, [], {"/cam/image_raw/compressed": [SQUEEZED]}, "but /cam/image_raw/compressed: set image_transport"),
        (COMPRESSED, [], {"/cam/image_raw": [IMAGE]}, "but /cam/image_raw: set image_transport"),
        (RAW, [SQUEEZED], HERE, f"/cam/image_raw is of {SQUEEZED} and not of {IMAGE}: set image_transport"),
        (OF_INFO, [IMAGE], HERE, f"is of {IMAGE} and not of {INFO}: remap front/camera_info"),
        (RAW, [IMAGE, SQUEEZED], HERE, "the 2 publisher(s) of /cam/image_raw say nothing: is the camera running?"),
        (RAW, [], {f"/{n}": [IMAGE] for n in range(9)}, "e.g. to /0, /1, /2, /3, /4 and 4 more"),
    ],
)
def test_it_names_the_fault_and_the_remedy(
    silent: SilentTopic, offered: list[str], graph: dict[str, list[str]], says: str
) -> None:
    assert says in silent.why(offered, graph)
