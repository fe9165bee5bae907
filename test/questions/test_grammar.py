from __future__ import annotations

import pytest

from spatialvlm_ros.questions.grammar import NameForm, clean_label, head_noun, indefinite, is_plural


@pytest.mark.parametrize(
    ("label", "cleaned"),
    [
        ("a red mug", "red mug"),
        ("  The  bowl.", "bowl"),
        ("An apple", "apple"),
        ("Mug", "mug"),
        ("TV", "TV"),
        ("Rubik's Cube", "Rubik's Cube"),
        ("a", "a"),
        ("", ""),
    ],
)
def test_clean_label(label, cleaned):
    assert clean_label(label) == cleaned


@pytest.mark.parametrize(
    ("label", "noun"),
    [("tall glass of water", "glass"), ("red coffee mug", "mug"), ("mug on the left", "mug"), ("box", "box")],
)
def test_head_noun(label, noun):
    assert head_noun(label) == noun


@pytest.mark.parametrize("label", ["scissors", "red headphones", "books on the left", "people"])
def test_plural(label):
    assert is_plural(label)


@pytest.mark.parametrize("label", ["glass", "bus", "cactus", "pair of scissors", "canvas", "mug", "lens", "tennis"])
def test_singular(label):
    assert not is_plural(label)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("mug", "a mug"),
        ("apple", "an apple"),
        ("hourglass", "an hourglass"),
        ("USB stick", "a USB stick"),
        ("unicorn", "a unicorn"),
        ("urinal", "a urinal"),
        ("umbrella", "an umbrella"),
        ("scissors", "scissors"),
        ("my mug", "my mug"),
    ],
)
def test_indefinite(label, text):
    assert indefinite(label) == text


def test_forms():
    assert NameForm(capital=True).write("red mug") == "The red mug"
    assert NameForm("").write("red mug") == "red mug"
    assert NameForm("", capital=True).write("red mug") == "Red mug"
    assert NameForm("a", capital=True).write("apple") == "An apple"
    assert NameForm(before="is", capital=True).write("mug") == "Is the mug"
    assert NameForm(before="is", capital=True).write("red scissors on the left") == "Are the red scissors on the left"
    assert NameForm(after="stands").write("books") == "the books stand"
    assert NameForm().write("my mug") == "my mug"
