"""Text from models and pictures as data: one line, printable, of bounded length; and numbers in words."""

from __future__ import annotations

import math
import re
import unicodedata

from spatialvlm_ros.models.estimate import PROBABILITY, Estimate

# What separates turns or wraps tools in chat templates: ChatML, Llama 2 and 3, Gemma, Mistral, and DeepSeek, whose bar
# is full-width.
_BAR = "[|\uff5c]"
_MARKS = re.compile(
    rf"<{_BAR}[^<>|\uff5c]{{0,40}}{_BAR}?>|<[^<>|\uff5c]{{0,40}}{_BAR}>"
    r"|</?(?:s|bos|eos|pad|unk|mask|unused\d+|(?:start|end)_of_(?:turn|image)|think|tools?|tool_(?:call|response)s?)>"
    r"|\[/?(?:INST|IMG(?:_BREAK|_END)?|THINK|ARGS|CALL_ID|TOOL_(?:CALLS|CONTENT|RESULTS)|(?:AVAILABLE_)?TOOLS"
    r"|SYSTEM_PROMPT|MODEL_SETTINGS|PREFIX|MIDDLE|SUFFIX)\]"
    r"|<<?/?SYS>?>",
    re.IGNORECASE,
)
# Letters and signs that nobody sees, beside the control and format characters.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_MOST_NESTED = 8  # marks within marks; nobody writes so without an evil intention
_WITHOUT_BRACKETS = str.maketrans("", "", "<>|[]\uff5c")
_TERMINAL = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")  # colours, and what moves the cursor
_CUT = "..."
_UNITS = {"m2": "m\u00b2", "m3": "m\u00b3"}


def plain(text: object, most: int = 400) -> str:
    """One line without control characters and without the marks that separate the turns of a conversation.

    What cannot be seen goes first: inside a mark it would hide it. Then marks go until there are none, as taking one
    out may make another.
    """
    line = "".join(map(_seen, _UNSEEN.sub("", _TERMINAL.sub("", str(text)[: 8 * most]))))
    for _ in range(_MOST_NESTED):
        line, taken = _MARKS.subn(" ", " ".join(line.split()))
        if not taken:
            break
    else:
        line = " ".join(line.translate(_WITHOUT_BRACKETS).split())
    return line if len(line) <= most else line[: most - len(_CUT)] + _CUT


def _seen(letter: str) -> str:
    """A letter, a space for white space, or nothing."""
    if letter.isspace():
        return " "
    return "" if unicodedata.category(letter)[0] == "C" else letter


def with_error(value: float, std: float = 0.0, unit: str = "m") -> str:
    """ "0.41 \u00b1 0.03 m": as many digits as the error leaves worth saying, whole millimetres at most."""
    digits = _digits(value, std)
    shown = f"{value:.{digits}f}"
    if std >= 0.5 * 10.0**-digits:
        shown += f" \u00b1 {std:.{digits}f}"
    return f"{shown} {_UNITS.get(unit, unit)}".rstrip()


def _digits(value: float, std: float) -> int:
    if not math.isfinite(std) or std <= 0:
        return 3 if abs(value) < 0.1 else 2
    return min(max(math.ceil(-math.log10(std)), 1 if abs(value) >= 10 else 2), 3)


def percent(probability: float) -> str:
    """ "81%"; never 100% where a doubt is left."""
    return f"{min(max(probability, 0.01), 0.99):.0%}"


def estimate_words(estimate: Estimate) -> str:
    """What was measured, in a few words: the value with its error, or why there is none."""
    if not estimate.valid:
        return f"no answer ({estimate.reason}) {plain(estimate.detail, 120)}".rstrip()
    if estimate.unit == PROBABILITY:
        return f"{'yes' if estimate.value >= 0.5 else 'no'} ({percent(max(estimate.value, 1 - estimate.value))} sure)"
    return with_error(estimate.value, estimate.std, estimate.unit)


def the(name: str) -> str:
    """A name with its article: "the mug"; "your bag" stays."""
    first = name.partition(" ")[0].lower()
    return name if first in _DETERMINERS else f"the {name}"


_DETERMINERS = frozenset("the a an my your our his her its their this that these those".split())


def listed(parts: list[str], last: str = "and") -> str:
    """ "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def sentence(text: str) -> str:
    """With a capital at the start."""
    return text[:1].upper() + text[1:]
