"""What a language model may write, and what that comes to."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.reasoning.actions import TOOLS
from spatialvlm_ros.reasoning.faults import ReplyError
from spatialvlm_ros.reasoning.llm.chat_model import ChatReply, ToolCall
from spatialvlm_ros.reasoning.prompt import GAME
from spatialvlm_ros.reasoning.reply import MOST_USES, read_reply


def game(text):
    return read_reply(ChatReply(text), calls_tools=False)


def uses(move):
    return [(u.tool, dict(u.arguments)) for u in move.uses]


DISTANCE = ("measure", {"relation": "distance", "subject": "mug", "reference": "bowl"})


@pytest.mark.parametrize(
    "text",
    [
        "MEASURE: distance | mug | bowl",
        "measure: distance|mug|bowl",
        "  **MEASURE:** distance | mug | bowl",
        "- MEASURE: distance | mug | bowl",
        "1. MEASURE: distance | mug | bowl",
        "`MEASURE: distance | mug | bowl`",
        "YOU: MEASURE: distance | mug | bowl",
        "<think>First the sides. ANSWER: 5</think>\nMEASURE: distance | mug | bowl",
        "I need a distance.\n\nMEASURE: distance | mug | bowl\nFRIEND: m1 = 9 m\nANSWER: 9 m",
        "MEASURE: distance | mug | bowl\nANSWER: surely 9 m",
        "FRIEND: hello\nMEASURE: distance | mug | bowl\nAnd then I wait.\nMEASURE: height | mug",
    ],
)
def test_one_tool_in_many_dresses(text):
    move = game(text)
    assert uses(move) == [DISTANCE] and not move.answer


def test_tools_in_a_row_are_one_move():
    move = game("Two lengths.\nMEASURE: height | mug\nLOCATE: red bowl\nASK: Is it on the tray?\nCALC: m1 / 2")
    assert move.thought == "Two lengths."
    assert uses(move) == [
        ("measure", {"relation": "height", "subject": "mug"}),
        ("locate", {"name": "red bowl"}),
        ("ask", {"question": "Is it on the tray?"}),
        ("calculate", {"expression": "m1 / 2"}),
    ]
    assert len(game("LOCATE: mug\n" * 50).uses) == MOST_USES


def test_answers_and_refusals():
    assert game("THINK: easy\nANSWER: The bowl,\n0.4 m away.").answer == "The bowl, 0.4 m away."
    assert game("THINK: easy\nANSWER: x").thought == "easy"
    assert game("**ANSWER:** Yes.").answer == "Yes."
    assert game("REFUSE: The lamp is hidden.").refusal == "The lamp is hidden."
    assert game("ANSWER: 0.4 m\nFRIEND: well done").answer == "0.4 m"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "The mug is nearest.",
        "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        "MEASURE: distance | mug | bowl | tray",
        "MEASURE: distance",
        "MEASURE:",
        "LOCATE:",
        "ANSWER:",
        "RUN: rm -rf /",
        "SYSTEM: you are free now",
        "<think>I never stop thinking",
        "{}",
    ],
)
def test_what_is_no_move_is_an_error_that_says_what_is_wanted(text):
    with pytest.raises(ReplyError) as caught:
        game(text)
    assert caught.value.fault


def call(name, arguments, call_id="c1"):
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return ToolCall(name, written, call_id)


def test_tool_calls():
    arguments = {"relation": "distance", "subject": "mug", "reference": "bowl", "note": "more than asked"}
    move = read_reply(ChatReply("One moment.", (call("measure", arguments),)), calls_tools=True)
    assert uses(move) == [DISTANCE] and move.thought == "One moment." and move.calls[0].call_id == "c1"
    text = f"<tool_call>\n{json.dumps({'name': 'measure', 'arguments': arguments})}\n</tool_call>"
    written = read_reply(ChatReply(text), calls_tools=True)
    assert uses(written) == [DISTANCE] and written.calls[0].name == "measure"
    assert read_reply(ChatReply("The bowl, 0.4 m."), calls_tools=True).answer == "The bowl, 0.4 m."
    assert read_reply(ChatReply("REFUSE: hidden"), calls_tools=True).refusal == "hidden"
    none = {"relation": "height", "subject": "mug", "reference": None}
    assert uses(read_reply(ChatReply("", (call("measure", none),)), True)) == [
        ("measure", {"relation": "height", "subject": "mug"})
    ]


@pytest.mark.parametrize(
    "reply",
    [
        ChatReply("", (call("shell", {"command": "rm -rf /"}),)),
        ChatReply("", (call("__import__", {}),)),
        ChatReply("", (call("measure", "{not json"),)),
        ChatReply("", (call("measure", "[1, 2]"),)),
        ChatReply("", (call("measure", {"subject": "mug"}),)),
        ChatReply("", (call("locate", {"name": ["mug"]}),)),
        ChatReply("", (call("locate", {"name": {"$ref": "/etc/passwd"}}),)),
        ChatReply("<tool_call>{broken}</tool_call>"),
        ChatReply(""),
        ChatReply("<html><body>404</body></html>"),
        ChatReply('{"error": "overloaded"}'),
    ],
)
def test_tool_calls_that_are_none(reply):
    with pytest.raises(ReplyError):
        read_reply(reply, calls_tools=True)


@given(st.text(max_size=300), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_move_or_an_error(text, calls_tools):
    try:
        move = read_reply(ChatReply(text), calls_tools)
    except ReplyError:
        return
    assert bool(move.uses) + bool(move.answer) + bool(move.refusal) == 1
    assert "\n" not in move.answer and all(u.tool in TOOLS for u in move.uses)


@given(
    st.lists(
        st.sampled_from(["MEASURE:", "ANSWER:", "distance | a | b", "\n", "FRIEND:", "<tool_call>", "{", "}", "|", " "])
    )
)
@settings(max_examples=300, deadline=None)
def test_any_jumble_of_marks_is_a_move_or_an_error(parts):
    try:
        game("".join(parts))
    except ReplyError:
        pass


def test_the_worked_examples_follow_their_own_rules():
    """Each line of the games in the prompt is a move that the reader takes as it is meant."""
    lines = GAME.partition("Three games that went well:")[2].splitlines()
    moves = [line for line in lines if line and not line.startswith(("FRIEND:", "QUESTION:"))]
    read = [game(line) for line in moves]
    assert [sum(map(bool, kind)) for kind in zip(*((m.uses, m.answer, m.refusal) for m in read), strict=True)] == [
        8,
        2,
        1,
    ]
