"""Every interface: generated, imported, and carried whole between two processes by the middleware."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filled_messages import filled, interface_classes

ECHO = Path(__file__).with_name("echo_process.py")
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def echo(spawn):
    process = spawn(ECHO)
    process.wait_for_output("ready")
    return process


@pytest.mark.parametrize("kind", ["msg", "srv", "action"])
def test_every_definition_became_a_class(kind):
    written = {path.stem for path in (REPOSITORY / kind).glob(f"*.{kind}")}
    assert len(written) >= 2 and set(interface_classes(kind)) == written


def test_every_message_arrives_whole(node, echo, wait_until):
    received, publishers = {}, {}
    for name, message_class in interface_classes("msg").items():
        node.create_subscription(message_class, f"back/{name}", lambda m, n=name: received.setdefault(n, m), 10)
        publishers[name] = node.create_publisher(message_class, f"there/{name}", 10)
    wait_until(
        lambda: (
            all(p.get_subscription_count() for p in publishers.values())
            and all(node.count_publishers(f"back/{name}") for name in publishers)
        ),
        what="discovery",
    )
    expected = {name: filled(message_class) for name, message_class in interface_classes("msg").items()}

    def sent_until_back() -> bool:  # the way back may be known here before it is known there
        for name in set(expected) - set(received):
            publishers[name].publish(expected[name])
        return set(received) == set(expected)

    wait_until(sent_until_back, what="the return of every message")
    assert received == expected
    assert list(received["Estimate"].sources) == list(expected["Estimate"].sources) != []


def test_every_service_takes_its_request_and_gives_its_response(node, echo, wait_until):
    for name, service_class in interface_classes("srv").items():
        client = node.create_client(service_class, f"service/{name}")
        assert client.wait_for_service(60.0), name
        future = client.call_async(filled(service_class.Request))
        wait_until(future.done, what=f"the answer of {name}")
        assert future.result() == filled(service_class.Response), name


def test_every_action_carries_goal_feedback_and_result(node, echo, wait_until):
    from rclpy.action import ActionClient

    for name, action_class in interface_classes("action").items():
        client = ActionClient(node, action_class, f"action/{name}")
        assert client.wait_for_server(60.0), name
        feedback = []
        accepted = client.send_goal_async(filled(action_class.Goal), feedback_callback=feedback.append)
        wait_until(accepted.done, what=f"the acceptance of {name}")
        result = accepted.result().get_result_async()
        wait_until(result.done, what=f"the result of {name}")
        assert result.result().result == filled(action_class.Result), name
        wait_until(lambda seen=feedback: seen, what=f"the feedback of {name}")
        assert feedback[0].feedback == filled(action_class.Feedback), name
        client.destroy()


def test_the_reasons_of_the_message_are_those_of_the_models():
    from spatialvlm_ros.models.estimate import Reason
    from spatialvlm_ros.msg import Estimate

    in_message = {getattr(Estimate, name) for name in dir(Estimate) if name.startswith("REASON_")}
    assert in_message == {str(reason) for reason in Reason}


def test_the_modules_beside_the_interfaces_are_there():
    """In the same folder or not, one import finds both, whichever comes first."""
    for first, second in (("msg", "geometry.boxes"), ("geometry.boxes", "msg")):
        code = f"import spatialvlm_ros.{first}, spatialvlm_ros.{second}"
        subprocess.run([sys.executable, "-c", code], check=True)
