"""The transition `shutdown` while callers wait: they hear that the node is not active any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from node_probe import HANG_S, NodeProbe, wait_until

pytest.importorskip("torch")

from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402

from spatialvlm_ros.msg import Query  # noqa: E402
from spatialvlm_ros.srv import Measure  # noqa: E402


def test_who_waits_when_the_node_is_shut_down_gets_an_answer(
    spawn: Callable[..., Any], node: Any, mute_server: Any
) -> None:
    process = spawn("spatialvlm_ros.ros.node_main", "-p", f"model:={mute_server.model}")  # there at once; no camera
    probe = NodeProbe(node)
    probe.wait_until_active()
    client = node.create_client(Measure, f"{probe.name}/measure")
    assert client.wait_for_service(HANG_S)
    waiting = client.call_async(Measure.Request(queries=[Query(subject="mug")], deadline_s=300.0))
    # A later call has been answered: by now the first one is in the node.
    asked = Measure.Request(queries=[Query(subject="mug")], deadline_s=0.01)
    assert probe.services.call(Measure, f"{probe.name}/measure", asked).estimates[0].reason == "timeout"
    assert not waiting.done()
    down = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN))
    assert probe.services.call(ChangeState, f"{probe.name}/change_state", down).success
    wait_until(waiting.done, lambda: f"an answer; it printed {process.output}")
    assert [e.reason for e in waiting.result().estimates] == ["not_configured"]
    again = probe.services.call(Measure, f"{probe.name}/measure", asked).estimates[0]
    assert again.reason == "not_configured" and probe.state() == "finalized"
    assert "Traceback" not in process.output
