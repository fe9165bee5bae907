"""Users' Python against the real node, a camera, and a node that thinks: three processes besides this one."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("torch")

from ros_processes import GraphProcess, command_of  # noqa: E402

from spatialvlm_ros.errors import ConfigError, QueryError, RemoteError  # noqa: E402
from spatialvlm_ros.geometry.cameras import Camera  # noqa: E402
from spatialvlm_ros.models.estimate import Estimate, Reason, Source  # noqa: E402
from spatialvlm_ros.models.query import Query, Region  # noqa: E402
from spatialvlm_ros.rewards.templates import task_of  # noqa: E402
from spatialvlm_ros.ros.client import SpatialClient  # noqa: E402
from spatialvlm_ros.ros.worker import DeadlineError  # noqa: E402
from spatialvlm_ros.scenes.relations import Relation  # noqa: E402

HERE = Path(__file__).parent
# Parts of the wall in the camera's pictures (320x240, 60 degrees wide): nothing stands before them.
UPPER, LOWER = Region((40.0, 10.0, 100.0, 40.0)), Region((220.0, 190.0, 280.0, 225.0), "wall")
PATIENT = 30.0  # seconds, for a machine that is busy with other things


@pytest.fixture(scope="module")
def graph(ros_domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A camera and the node, once for all tests here: loading torch and the weights takes a while."""
    folder = tmp_path_factory.mktemp("client")
    one_thread = {"OMP_NUM_THREADS": "1"}
    processes = [
        GraphProcess([*command_of(program), "--ros-args", *arguments], folder / f"{number}.log", one_thread)
        for number, (program, arguments) in enumerate(
            [
                (HERE / "camera_process.py", ["-p", "rate_hz:=2.0"]),
                # So seldom that a busy machine has time for requests too.
                ("spatialvlm_node", ["-p", "max_age_s:=20.0", "-p", "max_rate_hz:=1.0", "-p", "reward_gamma:=0.9"]),
            ]
        )
    ]
    processes[1].wait_for_output("active with the model", 120)
    yield
    faults = [fault for process in reversed(processes) if (fault := process.end())]
    assert not faults, "\n\n".join(faults)


@pytest.fixture
def vlm(graph: None) -> Iterator[SpatialClient]:
    with SpatialClient(timeout_s=PATIENT) as client:
        yield client


@pytest.fixture
def thinker(spawn: Callable[..., GraphProcess]) -> Iterator[tuple[SpatialClient, GraphProcess]]:
    process = spawn(HERE / "reason_process.py")
    process.wait_for_output("ready")
    with SpatialClient(server="/thinker", timeout_s=PATIENT) as client:
        yield client, process


def measured_with_depth(vlm: SpatialClient, queries: list[Query | str]) -> list[Estimate]:
    """In a picture that came with its depth: on a busy machine a picture may be answered before its depth is there."""
    end = time.monotonic() + PATIENT
    while True:
        found = vlm.measure_many(queries)
        if all(Source.DEPTH_SENSOR in estimate.sources for estimate in found) or time.monotonic() > end:
            return found


# ---- with the node ----


def test_a_measurement_comes_with_its_interval_and_its_sources(vlm: SpatialClient) -> None:
    far, near = measured_with_depth(vlm, [Query(UPPER, "camera"), f"distance: {_text(LOWER)} | camera"])
    for estimate in (far, near):
        low, high = estimate.interval
        assert estimate.valid and estimate.reason is Reason.OK and estimate.relation is Relation.DISTANCE
        assert low < estimate.value < high and estimate.std > 0 and Source.DEPTH_SENSOR in estimate.sources
    assert 1.6 < far.value < 2.6 and 0.9 < near.value < 1.6  # the wall comes nearer downwards: 2 m to 1 m
    # Regions keep their name on the way.
    assert near.subject == str(LOWER)


def test_what_is_not_known_is_a_reason_and_no_exception(vlm: SpatialClient) -> None:
    unicorn = vlm.measure("unicorn", None, "height")
    assert (unicorn.valid, unicorn.reason, unicorn.subject) == (False, Reason.UNKNOWN_NAME, "unicorn")
    assert np.isnan(unicorn.value) and unicorn.detail
    assert vlm.measure_many([]) == []
    with pytest.raises(QueryError):
        vlm.measure("mug", None, "distance")
    with pytest.raises(ConfigError):
        vlm.measure_many(["nearness: a | b"])


def test_objects_are_located_in_the_optical_frame(vlm: SpatialClient) -> None:
    wall, unicorn = vlm.locate_many([UPPER, "unicorn"])
    assert wall.valid and wall.position[0] < 0 and wall.position[1] < 0 < wall.position[2]  # left, above, ahead
    np.testing.assert_allclose(wall.covariance, wall.covariance.T, atol=1e-12)
    assert not unicorn.valid and unicorn.reason is Reason.UNKNOWN_NAME
    assert vlm.locate("unicorn").reason is Reason.UNKNOWN_NAME


def test_a_picture_of_ones_own_is_asked_about_with_its_camera(vlm: SpatialClient) -> None:
    question, picture = "How far is the mug from the plate?", np.full((120, 200, 3), 90, np.uint8)
    picture[40:80, 60:120] = (200, 30, 30)
    assert vlm.ask(question, picture).reason is Reason.NO_CAMERA_INFO
    camera = Camera.from_K(np.array([[150.0, 0, 99.5], [0, 150.0, 59.5], [0, 0, 1]]), 200, 120)
    with_camera = vlm.ask(question, picture, camera)
    assert with_camera.question == question and with_camera.reason is not Reason.NO_CAMERA_INFO
    assert (with_camera.text != "") == with_camera.valid
    of_the_newest = vlm.ask(question)
    assert of_the_newest.question == question and of_the_newest.reason is not Reason.TIMEOUT


def test_standing_queries_are_set_and_heard(vlm: SpatialClient) -> None:
    pictures = vlm.estimates(timeout_s=PATIENT)
    assert "2" in vlm.set_queries([Query(UPPER, "camera"), "height: unicorn"])
    found = next(p for p in pictures if len(p.estimates) == 2 and p.estimates[0].valid)
    assert found.reason is Reason.OK and found.frame_id == "camera_optical" and found.stamp_ns > 1.6e18
    assert 1.6 < found.estimates[0].value < 2.6 and found.estimates[1].reason is Reason.UNKNOWN_NAME
    assert next(pictures).stamp_ns > found.stamp_ns
    newest = vlm.latest_estimates()
    assert newest is not None and newest.stamp_ns > found.stamp_ns and newest.reason is Reason.OK
    moving = next(p for p in vlm.estimates(filtered=True, timeout_s=PATIENT) if np.isfinite(p.rates[0]))
    assert abs(moving.rates[0]) < 0.5 and moving.rate_stds[0] > 0
    vlm.set_queries(["height: unicorn"])
    vlm.set_queries(["width: unicorn"], append=True)
    relations = [Relation.HEIGHT, Relation.WIDTH]
    assert any([e.relation for e in p.estimates] == relations for p in itertools.islice(pictures, 50))


def test_the_target_is_understood_or_refused(vlm: SpatialClient) -> None:
    assert vlm.set_target("please drive to the red mug") == "red mug"
    with pytest.raises(RemoteError, match="refuses"):
        vlm.set_target("do it")
    assert vlm.set_target("") == ""


def test_a_task_is_set_and_comes_back_as_it_was_understood(vlm: SpatialClient) -> None:
    understood = vlm.set_task("put the apple into the bowl")
    assert {"apple", "bowl"} <= {str(name) for query in task_of(understood).queries for name in objects_of(query)}
    assert vlm.set_task(understood) == understood  # it can be given back
    assert vlm.set_task("") == ""
    with pytest.raises(RemoteError, match="refuses"):
        vlm.set_task("qwertz: [1, 2")


def objects_of(query: Query) -> list[Any]:
    return [query.subject] if query.reference is None else [query.subject, query.reference]


def test_a_chain_of_thought_of_the_node_comes_step_by_step(vlm: SpatialClient) -> None:
    seen: list[Any] = []
    question = "Which is closer to the camera, the mug or the bowl?"
    solution = vlm.reason(question, seen.append)
    assert solution.question == question and solution.reason not in (Reason.TIMEOUT, Reason.NOT_CONFIGURED)
    assert solution.steps == tuple(seen) and [s.index for s in seen] == list(range(len(seen))) and seen
    assert solution.valid == bool(solution.text)


def test_a_node_of_ones_own_works_from_another_thread_and_lives_on(graph: None, node: Any) -> None:
    clients = [SpatialClient(node=node, timeout_s=PATIENT) for _ in range(2)]
    found: dict[int, Any] = {}

    def ask(number: int) -> None:
        found[number] = clients[number].measure(UPPER, "camera")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENT)
    assert sorted(found) == [0, 1] and all(e.valid for e in found.values())
    listening = clients[0].estimates(timeout_s=PATIENT)
    assert next(listening).estimates
    clients[0].close()
    clients[0].close()
    assert list(listening) == []
    with pytest.raises(RemoteError, match="closed"):
        clients[0].measure(UPPER, "camera")
    assert clients[1].measure(UPPER, "camera").valid  # the node still spins
    clients[1].close()


@pytest.mark.parametrize("service_is_there", [False, True])
@pytest.mark.parametrize("own_node", [False, True])
def test_closing_ends_a_call_that_still_waits(
    node: Any, wait_until: Callable[..., None], own_node: bool, service_is_there: bool
) -> None:
    """In another thread, for a service that nobody offers or one that never answers."""
    from spatialvlm_ros.srv import Measure

    called, go_on = threading.Event(), threading.Event()

    def never(request: Any, response: Any) -> Any:
        called.set()
        go_on.wait(PATIENT)
        return response

    if service_is_there:
        node.create_service(Measure, "/mute/measure", never)
    client = SpatialClient(server="/mute", node=None if own_node else node, timeout_s=10 * PATIENT)
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            client.measure(UPPER, "camera")
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    wait_until(called.is_set if service_is_there else lambda: bool(client._clients))
    client.close()
    thread.join(PATIENT)
    go_on.set()
    assert not thread.is_alive()
    assert [type(error) for error in raised] == [RemoteError] and "closed" in str(raised[0])


# ---- streams, with a publisher of our own ----


def estimates_of(second: int, *relations: str) -> Any:
    from spatialvlm_ros.msg import Estimate, EstimateArray

    message = EstimateArray()
    message.header.stamp.sec, message.header.frame_id = second, "cam"
    message.estimates = [Estimate(relation=r, subject="mug", valid=True, reason="ok", value=0.5) for r in relations]
    return message


def test_estimates_begin_with_what_comes_after_the_call(node: Any, wait_until: Callable[..., None]) -> None:
    from spatialvlm_ros.msg import EstimateArray

    publisher = node.create_publisher(EstimateArray, "/recorded/distances", 1)
    with SpatialClient(server="/recorded", timeout_s=PATIENT) as client:
        first = client.estimates()
        wait_until(lambda: publisher.get_subscription_count() == 1, what="the client to listen")
        publisher.publish(estimates_of(1, "height"))
        assert next(first).stamp_ns == 1_000_000_000
        # The first picture is old by now: who asks anew hears of none, or of the next one.
        silent = next(client.estimates(timeout_s=0.2))
        assert silent.reason is Reason.TIMEOUT and [e.valid for e in silent.estimates] == [False]
        second = client.estimates()
        publisher.publish(estimates_of(2, "height"))
        assert next(second).stamp_ns == next(first).stamp_ns == 2_000_000_000


# ---- several cameras ----


def test_a_client_talks_to_its_camera_of_several(spawn: Callable[..., GraphProcess], mute_server: Any) -> None:
    # A model that is there at once and is never asked: one camera gives no CameraInfo, the other one is not there.
    settings = ["cameras:=['front', 'rear']", f"model:={mute_server.model}", "reward_gamma:=0.9", "max_age_s:=20.0"]
    process = spawn("spatialvlm_node", *(word for setting in settings for word in ("-p", setting)))
    spawn(HERE / "camera_process.py", "-r", "__ns:=/front", "-p", "info:=none")
    process.wait_for_output("active with the model", 120)
    with (
        SpatialClient(camera="front", timeout_s=PATIENT) as front,
        SpatialClient(camera="rear", timeout_s=PATIENT) as rear,
    ):
        pictures = front.estimates()
        assert "1" in front.set_queries(["height: mug"], append=True)
        assert "1" in rear.set_queries(["width: mug"], append=True)  # not the second one: its own
        assert front.set_target("go to the red mug") == "red mug" and "apple" in front.set_task("pick up the apple")
        picture = next(p for p in pictures if p.frame_id)
        assert [(e.relation, e.reason) for e in picture.estimates] == [(Relation.HEIGHT, Reason.NO_CAMERA_INFO)]
        assert front.measure("mug", relation="height").reason is Reason.NO_CAMERA_INFO
        assert rear.measure("mug", relation="height", timeout_s=2.0).reason is Reason.TIMEOUT
        assert rear.latest_estimates() is None
    assert not mute_server.asked.is_set()


# ---- without an answer ----


def test_where_no_node_is_everything_times_out_and_says_so(ros_domain: int) -> None:
    with SpatialClient(server="/nobody", timeout_s=0.2) as nobody:
        began = time.monotonic()
        estimate, thing, answer = nobody.measure("mug", "bowl"), nobody.locate("mug"), nobody.ask("What is it?")
        assert {estimate.reason, thing.reason, answer.reason} == {Reason.TIMEOUT}
        assert "/nobody/measure" in estimate.detail and "ROS_DOMAIN_ID" in estimate.detail
        assert (estimate.relation, estimate.subject, estimate.reference) == (Relation.DISTANCE, "mug", "bowl")
        assert nobody.reason("Why?", timeout_s=0.2).reason is Reason.TIMEOUT
        assert next(nobody.estimates()).reason is Reason.TIMEOUT and nobody.latest_estimates() is None
        with pytest.raises(DeadlineError, match="/nobody/set_target"):
            nobody.set_target("mug")
        assert time.monotonic() - began < PATIENT  # six times 0.2 s, and not for ever


def test_a_service_that_does_not_answer_is_not_waited_for(node: Any) -> None:
    from spatialvlm_ros.srv import Measure

    may_go_on = threading.Event()

    def stuck(request: Any, response: Any) -> Any:
        may_go_on.wait(PATIENT)
        return response

    node.create_service(Measure, "/stuck/measure", stuck)
    with SpatialClient(server="/stuck", timeout_s=1.0) as client:
        estimate = client.measure("mug", "bowl")
        assert estimate.reason is Reason.TIMEOUT and "within 1 s" in estimate.detail
    may_go_on.set()


# ---- chains of thought ----


def test_steps_come_in_this_thread_while_it_thinks(thinker: tuple[SpatialClient, GraphProcess]) -> None:
    client, _ = thinker
    seen: list[tuple[int, str, float, bool]] = []
    began = time.monotonic()

    def on_step(step: Any) -> None:
        here = threading.current_thread() is threading.main_thread()
        seen.append((step.index, step.text, step.estimates[0].value, here))
        times.append(time.monotonic() - began)

    times: list[float] = []
    reasoning = client.reason("4 steps of 0.4 s", on_step)
    assert reasoning.valid and reasoning.text == "so it is"
    assert seen == [(k, f"step {k}", float(k), True) for k in range(4)]
    assert [s.text for s in reasoning.steps] == [f"step {k}" for k in range(4)]
    end = reasoning.conclusion
    assert end is not None and (end.text, end.labels, end.object) == ("so it is", ("mug",), "mug")
    assert (end.value, end.std, end.unit, end.probability, end.presence) == (0.5, 0.1, "m", 0.75, 0.9)
    # Of the four measurements behind the words, the one that is the answer, not the first.
    assert reasoning.estimate is end.estimate is not None and end.estimate.value == 3.0
    assert times[-1] - times[0] > 0.8  # one by one, not all at the end


def test_a_goal_says_what_it_made_the_target(thinker: tuple[SpatialClient, GraphProcess]) -> None:
    client, _ = thinker
    assert client.start_reason("1 steps of 0.1 s", set_target=True).target() == "mug"
    assert client.start_reason("1 steps of 0.1 s").target() == ""


def test_a_response_that_is_quicker_than_its_request_is_noted_is_not_lost(
    thinker: tuple[SpatialClient, GraphProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sending thread loses the processor between sending and noting who waits: the response is there before."""
    import rclpy.action.client

    client, _ = thinker
    assert client.reason("1 steps of 0.1 s").valid  # the two have found each other
    future = rclpy.action.client.Future

    def late(*given: Any, **named: Any) -> Any:
        time.sleep(0.5)
        return future(*given, **named)

    monkeypatch.setattr(rclpy.action.client, "Future", late)
    found = client.reason("1 steps of 0.1 s", timeout_s=PATIENT)
    assert found.valid and [step.text for step in found.steps] == ["step 0"]


def test_what_a_callback_raises_cancels_the_goal(thinker: tuple[SpatialClient, GraphProcess]) -> None:
    client, process = thinker

    def enough(step: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.reason("100 steps of 0.2 s", enough)
    process.wait_for_output("cancelled", 10)


def test_a_goal_is_cancelled_by_hand_or_by_its_deadline(thinker: tuple[SpatialClient, GraphProcess]) -> None:
    client, process = thinker
    goal = client.start_reason("100 steps of 0.2 s")
    assert next(goal.steps()).index == 0
    goal.cancel()
    stopped = goal.result()
    assert not stopped.valid and 1 <= len(stopped.steps) < 100
    process.wait_for_output("cancelled", 10)
    late = client.reason("100 steps of 0.2 s", timeout_s=2.0)
    assert late.reason is Reason.TIMEOUT and late.question == "100 steps of 0.2 s"
    assert 1 <= len(late.steps) < 100


@pytest.mark.parametrize("own_node", [False, True])
def test_closing_ends_a_chain_of_thought_that_somebody_waits_for(
    thinker: tuple[SpatialClient, GraphProcess], node: Any, own_node: bool
) -> None:
    client = SpatialClient(server=thinker[0]._server, node=None if own_node else node)
    started, raised = threading.Event(), []

    def ask() -> None:
        try:
            client.reason("100 steps of 0.2 s", lambda step: started.set())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert started.wait(PATIENT)
    began = time.monotonic()
    client.close()
    thread.join(PATIENT)
    assert not thread.is_alive() and time.monotonic() - began < 10.0
    assert [type(error) for error in raised] == [RemoteError] and "closed" in str(raised[0])
    with pytest.raises(RemoteError):
        client.start_reason("1 steps of 0.1 s")


def _text(region: Region) -> str:
    return f"[{', '.join(f'{p:g}' for p in region.pixels)}] {region.name}"
