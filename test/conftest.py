"""For all tests: no test fails because a machine is slow; and a server that never answers."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import pytest

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the tests inside a ROS workspace do without it
    pass
else:
    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")


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
