"""How node processes live and end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from node_probe import Services, wait_until
from rcl_interfaces.srv import GetParameters

from spatialvlm_ros.errors import MissingDependencyError
from spatialvlm_ros.ros import rotations
from spatialvlm_ros.ros.node import SpatialVLMNode

HERE = Path(__file__).parent
FAILURE = "this callback always fails"


def test_a_callback_that_raises_is_logged_and_does_not_end_the_node(spawn: Callable[..., Any], node: Any) -> None:
    process = spawn(HERE / "failing_process.py")
    process.wait_for_output(FAILURE)
    wait_until(lambda: process.output.count(FAILURE) >= 3, "the callback to be called again")
    done = Services(node).call(GetParameters, "/failing/get_parameters", GetParameters.Request(names=["alive"]))
    assert done.values[0].bool_value


def test_a_callback_that_fails_while_the_node_ends_is_not_news(spawn: Callable[..., Any], node: Any) -> None:
    """Handles are destroyed under the feet of callbacks that were about to run; nobody can do anything about it."""
    process = spawn(HERE / "torn_process.py")
    Services(node).call(GetParameters, "/torn/get_parameters", GetParameters.Request(names=["use_sim_time"]))
    process.popen.send_signal(signal.SIGINT)
    assert process.popen.wait(30.0) == 0
    assert "Traceback" not in process.output, process.output


def test_a_node_that_could_place_nothing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tf_transformations", "transforms3d", "transforms3d.quaternions"):
        monkeypatch.setitem(sys.modules, name, None)
    rotations._convert.cache_clear()
    with pytest.raises(MissingDependencyError, match="pip install transforms3d"):
        SpatialVLMNode()
    rotations._convert.cache_clear()


def test_the_shared_memory_of_a_process_holds_pictures(spawn: Callable[..., Any], node: Any) -> None:
    process = spawn(HERE / "camera_process.py")
    wait_until(lambda: node.get_publishers_info_by_topic("/image"), "the camera")
    maps = Path(f"/proc/{process.popen.pid}/maps").read_text(encoding="utf-8").splitlines()
    segments = [line.split() for line in maps if "/dev/shm/fastdds_" in line]
    if not segments:
        pytest.skip("another middleware, or no shared memory here")
    lows, highs = zip(*((int(n, 16) for n in words[0].split("-")) for words in segments), strict=True)
    assert max(high - low for low, high in zip(lows, highs, strict=True)) >= 16 << 20
