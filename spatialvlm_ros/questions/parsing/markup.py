"""Takes typography and markup out of an answer, so that the tokenizer sees plain text.

Handled: Unicode fractions, primes, dashes and superscripts; Markdown; LaTeX; JSON quotes; answer and thinking tags.
Every step is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata

# Stands before the final answer of a marked-up text (\boxed{...}, <answer>...): what follows it wins.
ANSWER_MARK = "\ue000"

_FRACTION = re.compile("[\u00bc-\u00be\u2150-\u215e\u2189]")
_SUPERSCRIPT = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207a\u207b]{1,8}")
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02b9\u02bc\u00b4\uff07", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u02ba\u3003\uff02", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\ufe58\ufe63\uff0d", "-"),
        **dict.fromkeys("\u2248\u223c\u2243\u2245\u301c\uff5e", "~"),
        "\u2044": "/",
        "\u2264": "<=",
        "\u2265": ">=",
        "\u00d7": "x",
        "\u00b7": "x",
        "\u00b5": "u",
        "\u03bc": "u",
        "\u2026": "...",
        "\u200b": "",
        "\ufeff": "",
        "\ue000": "",
    }
)
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s{0,3}\{([^{}]{1,20})\}\s{0,3}\{([^{}]{1,20})\}")
_LATEX_COMMAND = re.compile(r"\\([A-Za-z]+)")
_LATEX_SPACE = re.compile(r"\\[,;:!()\[\] ]")
_LATEX_WORDS = {
    "boxed": f" {ANSWER_MARK} ",
    "fbox": f" {ANSWER_MARK} ",
    "times": " x ",
    "cdot": " x ",
    "pm": " \u00b1 ",
    "approx": " ~",
    "sim": " ~",
    "leq": " <= ",
    "le": " <= ",
    "geq": " >= ",
    "ge": " >= ",
    "lt": " < ",
    "gt": " > ",
    **dict.fromkeys(("text", "mathrm", "mathbf", "textbf", "textit", "mathit", "rm", "bf", "unit", "si"), " "),
    **dict.fromkeys(("quad", "qquad", "left", "right", "displaystyle", "n", "t"), " "),
}
_FENCE = re.compile(r"```[a-z]{0,10}")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,20}>")
_ABBREVIATIONS = (
    (re.compile(r"\bi\.\s?e\b\.?", re.I), "ie"),
    (re.compile(r"\be\.\s?g\b\.?", re.I), "eg"),
    (re.compile(r"\b(approx|ca|esp|vs|appr)\.", re.I), r"\1"),
    (re.compile(r"\bc\.(?=\s?\d)", re.I), "ca "),
    (re.compile(r"\b([ckm])\.\s?m\b\.?(?!\.?\w)", re.I), r"\1m"),
)
_QUOTE_LEFT = set(" \t\n([{:,=>")
_QUOTE_RIGHT = set(" \t\n)]},.:;!?<")


def plain_text(text: str) -> str:
    """``text`` without markup; quotation marks are spaces, foot and inch marks stay as ``'`` and ``"``."""
    thought_end = text.rfind("</think>")
    if thought_end >= 0 and text[thought_end + 8 :].strip():
        text = text[thought_end + 8 :]
    text = _FRACTION.sub(lambda m: " " + unicodedata.normalize("NFKC", m.group()), text)
    text = _SUPERSCRIPT.sub(lambda m: "^" + unicodedata.normalize("NFKC", m.group()).replace("\u2212", "-"), text)
    text = text.translate(_CHARACTERS)
    text = unicodedata.normalize("NFKC", text).translate(_CHARACTERS)
    text = re.sub("\u2212 ?", "-", text)
    text = _without_latex(text)
    text = _FENCE.sub("\n", text).replace("**", "").replace("__", "").replace("`", "").replace("''", '"')
    text = re.sub("<answer>", f" {ANSWER_MARK} ", text, flags=re.I)
    text = _TAG.sub(" ", text)
    for pattern, replacement in _ABBREVIATIONS:
        text = pattern.sub(replacement, text)
    return _without_quotes(text)


def _without_latex(text: str) -> str:
    text = text.replace('\\"', '"').replace("\\'", "'")
    if "\\" not in text:
        return text.replace("$", " ")
    text = _LATEX_FRACTION.sub(r" \1/\2 ", text)
    text = _LATEX_SPACE.sub(" ", text)
    text = _LATEX_COMMAND.sub(lambda m: _LATEX_WORDS.get(m.group(1).lower(), " " + m.group(1) + " "), text)
    return text.replace("$", " ").replace("\\", " ")


def _without_quotes(text: str) -> str:
    """Blanks the marks that quote something, which leaves the ones that mean feet and inches.

    A mark opens a quotation when it stands before a word and not behind one; the next one of its kind that stands
    behind something and not before a word closes it, except for the first of two marks in a row (``"6""``).
    """
    if '"' not in text and "'" not in text:
        return text
    characters = list(text)
    opened = {'"': -1, "'": -1}
    last = len(text) - 1
    for i, mark in enumerate(text):
        if mark not in opened:
            continue
        before = text[i - 1] if i else " "
        after = text[i + 1] if i < last else " "
        if opened[mark] >= 0 and after in _QUOTE_RIGHT:
            characters[i] = characters[opened[mark]] = " "
            opened[mark] = -1
        elif (before in _QUOTE_LEFT or before in opened) and not after.isspace() and after not in opened:
            opened[mark] = i
    return "".join(characters)
