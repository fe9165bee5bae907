"""What a server can do wrong, done by a server that does it."""

from __future__ import annotations

import logging
import pickle
import random
import socket
import threading
import traceback

import numpy as np
import pytest
from scripted_server import Reply, completion

from spatialvlm_ros.errors import ModelError, RemoteError
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.remote.backend import RemoteBackend
from spatialvlm_ros.models.remote.config import parse_remote
from spatialvlm_ros.models.remote.retries import RetryPolicy, retry_after_s
from spatialvlm_ros.models.remote.transport import Transport

GOOD = Reply(completion("0.5 m"))


def ask(backend, observation):
    return backend.ask(backend.encode(observation), "How far?")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_fault_that_passes_is_retried(server, backend, observation, status):
    server.script = [Reply("busy", status), Reply("busy", status), GOOD]
    assert ask(backend(), observation) == "0.5 m"
    assert len(server.requests) == 3


def test_a_fault_that_stays_is_an_error_after_the_last_try(server, backend, observation):
    server.script = [Reply("no memory", 500)]
    with pytest.raises(RemoteError, match="server failed.*500: no memory") as caught:
        ask(backend(), observation)
    assert len(server.requests) == 3 and isinstance(caught.value, ModelError)


def test_retry_after_is_honoured(server, observation):
    waits: list[float] = []
    server.script = [Reply("", 429, {"Retry-After": "7"}), GOOD]
    transport = Transport(parse_remote(f"openai:{server.url}#m"), sleep=waits.append)
    assert transport.post("chat/completions", {})["choices"]
    transport.close()
    assert len(waits) == 1 and 7 <= waits[0] < 8


def test_a_longer_pause_than_allowed_is_not_waited_for(server, observation, backend):
    server.script = [Reply("later", 429, {"Retry-After": "3600"}), GOOD]
    with pytest.raises(RemoteError, match="refuses more requests"):
        ask(backend(), observation)
    assert len(server.requests) == 1


def test_an_empty_account_is_not_retried(server, backend, observation):
    server.script = [Reply({"error": {"code": "insufficient_quota"}}, 429), GOOD]
    with pytest.raises(RemoteError, match="insufficient_quota"):
        ask(backend(), observation)
    assert len(server.requests) == 1


def test_waits_grow_are_jittered_and_end():
    policy, rng = RetryPolicy(attempts=6, first_wait_s=1, longest_wait_s=5), random.Random(0)
    for attempt, ceiling in enumerate([1, 2, 4, 5, 5], 1):
        waits = {policy.wait_s(attempt, None, rng) for _ in range(50)}
        assert len(waits) > 40 and all(ceiling / 2 <= w <= ceiling for w in waits)
    assert policy.wait_s(6, None, rng) is None


def test_retry_after_headers():
    assert retry_after_s("12") == 12 and retry_after_s(" 0.5 ") == 0.5 and retry_after_s("-3") == 0
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT", now=1445412470.0) == 10
    assert [retry_after_s(h) for h in (None, "soon", "nan", "inf", "")] == [None] * 5


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (Reply("<html>nginx</html>", headers={"Content-Type": "text/html"}), "no JSON.*nginx"),
        (Reply(""), "no JSON"),
        (Reply('{"choices": ['), "no JSON"),
        (Reply("[1, 2]"), "no JSON object"),
        (Reply("[" * 200_000), "no JSON"),
        (Reply({"object": "list"}), "has no choices"),
        (Reply({"choices": []}), "choices is empty"),
        (Reply({"choices": [{"text": "0.5 m"}]}), "has no message"),
        (Reply({"choices": ["0.5 m"]}), "has no message"),
        (Reply({"choices": {"0": 1}}), "has no choices"),
        (Reply({"error": {"message": "model crashed"}}), "answers with an error.*model crashed"),
        (Reply("moved", 307, {"Location": "http://127.0.0.1:9/v1"}), "sends requests elsewhere"),
        (Reply({"detail": "images are not taken"}, 400), "refuses the request.*images are not taken"),
        (Reply("", 401), "refuses the key.*OPENAI_API_KEY"),
        (Reply("", 403), "refuses the key"),
        (Reply("\xff\xfe binary", 418), "refuses the request"),
    ],
)
def test_unusable_answers_are_named_and_not_retried(server, backend, observation, reply, fault):
    server.script = [reply]
    with pytest.raises(RemoteError, match=f"(?s){fault}") as caught:
        ask(backend(), observation)
    assert len(server.requests) == 1
    assert caught.value.remedy and len(str(caught.value)) < 900


def test_an_unknown_model_is_named_with_those_that_are_there(server, backend, observation):
    def answer(request):
        if request.method == "GET":
            return Reply({"data": [{"id": "llava"}, {"id": "qwen"}]})
        return Reply({"error": "model not found"}, 404)

    server.answer = answer
    with pytest.raises(RemoteError, match="no model 'tiny'.*Models there: llava, qwen"):
        ask(backend(), observation)


def test_an_answer_that_breaks_off_is_tried_again(server, backend, observation):
    server.script = [Reply(completion("0.5 m"), cut=20), GOOD]
    assert ask(backend(), observation) == "0.5 m"
    server.script = [Reply(completion("0.5 m"), cut=20)]
    with pytest.raises(RemoteError, match="broke the connection off"):
        ask(backend(), observation)


def test_a_slow_server_times_out_once(server, backend, observation):
    server.script = [Reply(completion("late"), delay_s=0.8)]
    with pytest.raises(RemoteError, match="did not answer in time.*read_timeout_s"):
        ask(backend(read_timeout_s=0.15), observation)
    assert len(server.requests) == 1


def test_a_server_that_drips_times_out_too(server, backend, observation):
    server.script = [Reply(completion("late" * 20), drip_s=0.02)]
    with pytest.raises(RemoteError, match="did not answer in time"):
        ask(backend(read_timeout_s=0.3), observation)


def test_an_endless_answer_is_cut(server, backend, observation, monkeypatch):
    monkeypatch.setattr("spatialvlm_ros.models.remote.transport.MOST_BYTES", 10_000)
    server.script = [Reply(b"x" * 50_000)]
    with pytest.raises(RemoteError, match="too long"):
        ask(backend(), observation)


def test_nobody_listens(observation):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    policy = RetryPolicy(attempts=2, first_wait_s=0.01)
    with RemoteBackend(parse_remote(f"openai:http://127.0.0.1:{port}/v1#m", retries=policy)) as backend:
        with pytest.raises(RemoteError, match=f"cannot be reached.*{port}.*Is it running"):
            ask(backend, observation)


def test_closing_ends_the_waiting(server, observation):
    server.script = [Reply("", 503)]
    policy = RetryPolicy(attempts=3, first_wait_s=3000, longest_wait_s=3000)
    transport = Transport(parse_remote(f"openai:{server.url}#m", retries=policy))
    errors: list[BaseException] = []

    def wait():
        try:
            transport.post("chat/completions", {})
        except RemoteError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not server.requests:
        threading.Event().wait(0.01)
    transport.close()
    thread.join(10)
    assert not thread.is_alive() and isinstance(errors[0], RemoteError) and len(server.requests) == 1


def test_a_closed_backend_says_so(server, backend, observation):
    made = backend()
    made.close()
    with pytest.raises(RemoteError, match="closed"):
        ask(made, observation)


@pytest.mark.parametrize("status", [401, 429, 500, 404, 400, 200])
def test_the_key_is_sent_but_never_shown(server, backend, observation, monkeypatch, caplog, status):
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("MY_KEY", key)
    caplog.set_level(logging.DEBUG)

    def answer(request):  # a server that echoes the key in its error
        assert request.headers["Authorization"] == f"Bearer {key}"
        return Reply({"error": f"bad key {request.headers['Authorization']}"}, status)

    server.answer = answer
    made = backend(key_variable="MY_KEY")
    with pytest.raises(RemoteError) as caught:
        ask(made, observation)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error.value) + caplog.text + repr(made.config) + made.name
    assert key not in shown and key.encode() not in pickle.dumps(error)


def test_a_fault_of_the_server_in_one_query_of_many_is_an_error(server, backend, observation):
    server.answer = lambda request: Reply("{", 200) if "tall" in request.text else GOOD
    made = backend()
    with pytest.raises(RemoteError, match="no JSON"):
        made.read(made.encode(observation), [Query("mug", "box"), Query("mug", None, "height")])


def test_one_refused_query_takes_no_other_with_it(server, backend, observation, caplog):
    server.answer = lambda request: Reply("content filter", 400) if "tall" in request.text else GOOD
    made = backend(samples=3)
    readings = made.read(made.encode(observation), [Query("mug", "box"), Query("mug", None, "height")])
    assert readings.lengths[0].sum() == pytest.approx(1) and np.isnan(readings.lengths[1]).all()
    assert np.isnan(readings.subjects.presence[1]).all() and "content filter" in caplog.text
    with pytest.raises(RemoteError, match="content filter"):
        made.read(made.encode(observation), [Query("mug", None, "height")])


def test_time_outs_are_told_from_other_faults(server, backend, observation):
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    server.script = [Reply(completion("late" * 30), drip_s=0.02)]
    view = SpatialVLM(backend(read_timeout_s=0.3)).look(observation)
    assert str(view.measure("mug", "box", "distance").reason) == "timeout"
