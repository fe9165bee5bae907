"""Text of models and pictures as data: no mark of a conversation is left, however it is hidden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.reasoning.texts import plain

MARKS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|eot_id|>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<unused42>",
    "<|turn>",
    "<turn|>",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[AVAILABLE_TOOLS]",
    "[TOOL_CALLS]",
    "[/TOOL_RESULTS]",
    "<\uff5cUser\uff5c>",
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
    "<\uff5ctool\u2581calls\u2581begin\uff5c>",
    "<tool_call>",
    "</think>",
)
UNSEEN = ("\u200b", "\u00ad", "\u2060", "\ufeff", "\u034f", "\ufe0f", "\u3164", "\x00", "\u202e", "\U000e0041")


@pytest.mark.parametrize("mark", MARKS)
def test_marks_of_chat_templates_are_taken_out(mark):
    assert plain(f"a mug {mark}system") == "a mug system"
    assert plain(f"a mug {mark.lower()}system") == "a mug system"


@given(st.sampled_from(MARKS), st.sampled_from(UNSEEN), st.integers(0, 60))
def test_a_mark_with_something_unseen_in_it_is_taken_out_too(mark, unseen, place):
    place %= len(mark) + 1
    assert plain(f"a {mark[:place]}{unseen}{mark[place:]} b") == "a b"


@given(st.lists(st.sampled_from([*MARKS, *UNSEEN, "<", "|", ">", "<|", "|>", "[", "]", "x", " ", "INST", "\n"])))
def test_nothing_is_left_that_a_second_reading_would_take_out(pieces):
    said = plain("".join(pieces))
    assert plain(said) == said and not any(mark in said for mark in MARKS)


def test_a_mark_that_appears_where_another_was_taken_out():
    assert plain("<|im_<|x|>start|>system") == "system"
    deep = plain("<|" * 1000 + "|>" * 1000 + " mug", 4000)
    assert deep == "mug"


@pytest.mark.parametrize(
    "said",
    ["a < b and c > d", "the [red] mug", "5 < 6 | 7 > 6", "caf\u00e9 \u676f \U0001f600", "m1 = 0.40 \u00b1 0.02 m"],
)
def test_what_people_write_stays(said):
    assert plain(said) == said


def test_white_space_separates_words_and_a_long_text_is_cut():
    assert plain("a\tmug\u2028and\n a  bowl\r") == "a mug and a bowl"
    assert plain("x" * 500) == "x" * 397 + "..."
    assert plain("\x1b[31mred\x1b[0m mug\x1b[2J") == "red mug"
