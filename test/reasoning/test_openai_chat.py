"""A chat model on a server, and everything such a server can do wrong."""

from __future__ import annotations

import json
import threading
import time

import pytest
from scripted_server import Reply, completion

from spatialvlm_ros.errors import ConfigError, RemoteError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.remote.config import parse_remote
from spatialvlm_ros.models.remote.retries import RetryPolicy
from spatialvlm_ros.reasoning.chat_thinker import ChatThinker
from spatialvlm_ros.reasoning.limits import Limits
from spatialvlm_ros.reasoning.llm.openai_chat import OpenAIChat
from spatialvlm_ros.reasoning.loading import load_thinker
from spatialvlm_ros.reasoning.reasoner import Reasoner

pytest.importorskip("httpx")

QUICK = RetryPolicy(attempts=2, first_wait_s=0.01, longest_wait_s=0.02)
QUESTION = "Which is taller, the mug or the lamp?"
GAME = ("MEASURE: height | mug", "MEASURE: height | lamp", "ANSWER: The lamp, 0.50 m against 0.12 m.")


@pytest.fixture
def chat(server):
    made = []

    def make(calls_tools=False, **options):
        made.append(OpenAIChat(parse_remote(f"openai:{server.url}#tiny", **{"retries": QUICK, **options}), calls_tools))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_game_over_http(server, chat, friend):
    server.script = [Reply(completion(text)) for text in GAME]
    solution = Reasoner(chat(), friend).solve(QUESTION)
    assert solution.valid and solution.text == "The lamp, 0.50 m against 0.12 m."
    bodies = [r.body for r in server.requests]
    assert [b["max_tokens"] for b in bodies] == [Limits().reply_tokens] * 3
    assert all(b["temperature"] == 0 and b["stream"] is False and "tools" not in b for b in bodies)
    assert bodies[1]["messages"][2:] == [
        {"role": "assistant", "content": "MEASURE: height | mug"},
        {"role": "user", "content": "FRIEND: m1 = 0.12 m"},
    ]


def called(*calls):
    listed = [
        {"id": f"id{k}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for k, (name, arguments) in enumerate(calls)
    ]
    answer = completion(None)
    answer["choices"][0]["message"]["tool_calls"] = listed
    answer["usage"] = {"completion_tokens": 31}
    return Reply(answer)


def test_tool_calls_over_http(server, chat, friend):
    heights = called(
        ("measure", {"relation": "height", "subject": "mug"}), ("measure", {"relation": "height", "subject": "lamp"})
    )
    server.script = [
        heights,
        called(("calculate", {"expression": "m2 - m1"})),
        Reply(completion("The lamp, by 0.38 m.")),
    ]
    solution = Reasoner(chat(calls_tools=True), friend).solve(QUESTION)
    assert solution.valid and solution.text == "The lamp, by 0.38 m."
    last = server.requests[-1].body
    assert {t["function"]["name"] for t in last["tools"]} == {"measure", "locate", "ask", "calculate"}
    told = [(m["tool_call_id"], m["content"]) for m in last["messages"] if m["role"] == "tool"]
    assert told == [("id0", "m1 = 0.12 m"), ("id1", "m2 = 0.50 m"), ("id0", "c1 = 0.38 m")]


def test_counted_tokens_end_it(server, chat, friend):
    server.script = [called(("measure", {"relation": "height", "subject": "mug"}))]
    solution = Reasoner(chat(calls_tools=True), friend, Limits(tokens=90)).solve(QUESTION)
    assert not solution.valid and "90 tokens" in solution.detail and len(server.requests) == 3


HTML = "<!DOCTYPE html><html><body>Welcome to the router</body></html>"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(HTML, headers={"Content-Type": "text/html"}), "no JSON"),
        (Reply({"choices": []}), "empty"),
        (Reply({"choices": [{"text": "old API"}]}), "no message"),
        (Reply({"error": {"message": "overloaded"}}), "overloaded"),
        (Reply("[]"), "no JSON object"),
        (Reply("no such model", 404), "has no model"),
        (Reply("who are you", 401), "refuses the key"),
        (Reply("", 302, {"Location": "http://example.org"}), "elsewhere"),
        (Reply(completion("MEASURE: height | mug"), cut=20), "broke the connection off"),
        (Reply({"choices": [{"message": {"content": "", "tool_calls": "shell"}}]}), "no list"),
        (Reply({"choices": [{"message": {"content": "", "tool_calls": [7]}}]}), "no function"),
        (Reply("down", 503), "server failed"),
    ],
)
def test_what_a_server_does_wrong_is_an_answer_that_says_so(server, chat, friend, reply, words):
    server.script = [reply]
    solution = Reasoner(chat(), friend).solve(QUESTION)
    assert not solution.valid and solution.reason is Reason.MODEL_ERROR and words in solution.detail


def test_html_as_the_reply_itself_is_repaired_once_then_refused(server, chat, friend):
    server.script = [Reply(completion(HTML))]
    solution = Reasoner(chat(), friend).solve(QUESTION)
    assert not solution.valid and "cannot be understood" in solution.detail and len(server.requests) == 2


def test_a_server_that_is_down(friend, server):
    server.close()
    chat = OpenAIChat(parse_remote(f"openai:{server.url}#tiny", retries=QUICK, connect_timeout_s=1))
    solution = Reasoner(chat, friend).solve(QUESTION)
    assert not solution.valid and "cannot be reached" in solution.detail


def test_one_that_is_slow_is_a_timeout(server, chat, friend):
    server.script = [Reply(completion(GAME[0]), delay_s=5)]
    solution = Reasoner(chat(read_timeout_s=0.2), friend).solve(QUESTION)
    assert solution.reason is Reason.TIMEOUT and "did not answer in time" in solution.detail


def test_the_deadline_holds_while_a_server_is_silent(server, chat, friend):
    """The limit is far below the server's own time-out; the server is not waited for."""
    release = threading.Event()
    server.answer = lambda request: (release.wait(60), Reply(completion(GAME[0])))[1]
    solution = Reasoner(chat(read_timeout_s=600), friend, Limits(seconds=0.3)).solve(QUESTION)
    released_late = not release.is_set()
    release.set()
    assert solution.reason is Reason.TIMEOUT and released_late


def test_cancelling_while_a_server_is_silent_and_asking_again(server, chat, friend):
    release, heard = threading.Event(), threading.Event()

    def answer(request):
        heard.set()
        release.wait(60)
        return Reply(completion(GAME[0]))

    server.answer = answer
    model = chat(read_timeout_s=600)
    solution = Reasoner(model, friend).solve(QUESTION, cancelled=heard.is_set)
    assert solution.cancelled and not release.is_set()
    release.set()
    time.sleep(0.05)
    server.answer, server.script = server._next, [Reply(completion(text)) for text in GAME]
    assert Reasoner(model, friend).solve(QUESTION).valid


def test_others_are_served_while_a_server_thinks(server, chat, friend):
    """The generator gives way again and again although the server needs its time."""
    server.script = [Reply(completion(text), delay_s=0.3) for text in GAME]
    steps = Reasoner(chat(), friend).steps(QUESTION)
    pauses = sum(1 for step in steps if step is None)
    assert pauses > 12  # at least four of the 20 ms for each reply


def test_the_key_is_in_no_answer(server, friend, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret-1234")
    server.answer = lambda request: Reply("bad key " + request.headers["Authorization"], 400)
    chat = OpenAIChat(parse_remote(f"openai:{server.url}#tiny", retries=QUICK, key_variable="MY_KEY"))
    solution = Reasoner(chat, friend).solve(QUESTION)
    assert not solution.valid and "secret-1234" not in repr(solution)
    chat.close()


def test_loading_by_name(server):
    thinker = load_thinker(f"openai:{server.url}#tiny?read_timeout_s=7", calls_tools=True)
    assert isinstance(thinker, ChatThinker) and thinker.chat.config.read_timeout_s == 7 and thinker.chat.calls_tools
    thinker.close()
    assert load_thinker("planner").name == "planner"
    with pytest.raises(ConfigError):
        load_thinker("openai:nowhere")


def test_a_closed_connection_is_an_error(server, chat):
    model = chat()
    model.close()
    with pytest.raises(RemoteError, match="closed"):
        list(model.reply((), 10))
