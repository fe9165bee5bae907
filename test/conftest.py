"""For all tests: no test fails because a machine is slow; a server that never answers, and a recording."""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the tests inside a ROS workspace do without it
    pass
else:
    slow_is_fine = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("any machine", slow_is_fine)
    # What lands is judged by the same examples each time; who works on the code looks for new ones.
    settings.register_profile("same examples", slow_is_fine, derandomize=True)
    settings.load_profile("same examples" if os.environ.get("CI") else "any machine")


class MuteServer(socketserver.ThreadingTCPServer):
    """Takes requests and never answers.

    Attributes:
        model: its address, as a model or language model is named.
        asked: set when somebody has connected; left: when one of those has gone.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Listening)
        self.model = f"openai:http://127.0.0.1:{self.server_address[1]}/v1#mute"
        self.asked, self.left = threading.Event(), threading.Event()


class _Listening(socketserver.BaseRequestHandler):
    server: MuteServer

    def handle(self) -> None:
        self.server.asked.set()
        try:
            while self.request.recv(4096):
                pass
        except OSError:
            pass
        self.server.left.set()


@pytest.fixture
def mute_server() -> Iterator[MuteServer]:
    """A server that runs as long as the test."""
    with MuteServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class SmallBag(NamedTuple):
    """A rosbag2 folder, and how many pictures of noise are in it."""

    path: Path
    pictures: int


@pytest.fixture(scope="session")
def small_bag(tmp_path_factory: pytest.TempPathFactory) -> SmallBag:
    """A recording of a camera without depth; not to be written into."""
    np = pytest.importorskip("numpy")
    pytest.importorskip("rosbags")
    from spatialvlm_ros.bags.writer import BagWriter
    from spatialvlm_ros.geometry.cameras import Camera

    bag = SmallBag(tmp_path_factory.mktemp("bag") / "kitchen", 18)
    camera, rng = Camera(64, 48, 60.0, 60.0, 31.5, 23.5), np.random.default_rng(0)
    with BagWriter(bag.path) as writer:
        for k in range(bag.pictures):
            stamp = 1_700_000_000_000_000_000 + k * 100_000_000
            writer.image("/camera/image_raw", rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), "rgb8", stamp, "cam")
            writer.camera_info("/camera/camera_info", camera, stamp, "cam")
    return bag
