"""Reads what a language model wrote: the tools it wants, or its answer. Its words are data and trigger nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from spatialvlm_ros.reasoning.actions import TOOLS
from spatialvlm_ros.reasoning.faults import ReplyError
from spatialvlm_ros.reasoning.llm.chat_model import ChatReply, ToolCall
from spatialvlm_ros.reasoning.texts import plain

MOST_USES = 8  # tools of one reply
MOST_CHARACTERS = 20_000
_MOST_ARGUMENT = 400
ANSWER, REFUSE = "answer", "refuse"

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*(?:</tool_call>|\Z)", re.DOTALL)
_WORDS = "|".join((*TOOLS, "calc", ANSWER, REFUSE))
_LINE = re.compile(rf"^[\s>*_#`-]*(?:\d+[.)]\s*)?(?:you\s*:\s*)?[*_`]*({_WORDS})[*_`]*\s*[:\uff1a][*_`]*\s*(.*)$", re.I)
_FRIEND = re.compile(r"^[\s>*_#`-]*friend[*_`]*\s*:", re.I)
_ALIASES = {"calc": "calculate"}
# A last sentence that says what will be done next is no answer.
_ANNOUNCES = re.compile(
    r"(?:^|[.!?:]\s+)(?:(?:ok(?:ay)?|sure|now|next|first|then|so|well|great|certainly)[,!]?\s+){0,2}"
    r"(?:(?:i|we)(?:'ll|\u2019ll| will| shall| need to| have to| must| should| am going to| are going to|'m going to)"
    r"|let me|let us|let's|let\u2019s)\s+(?:(?:now|next|first|then|also|just|start by|begin by)\s+){0,2}"
    r"(?:measur|locat|ask|calculat|comput|compar|check|find|look|determin|use|call|get|estimat|query|proceed|verify)"
    r"[a-z]*\b[^.!?]*[.!?:\u2026]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Use:
    """A tool with its arguments."""

    tool: str
    arguments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Move:
    """What a reply comes to: tools to use, or else an answer, or else a refusal.

    Attributes:
        thought: what was said before it.
        uses: tools to use, in order.
        calls: the calls that they were made by, one each; () in the guessing game.
        answer: the final answer; "" where there is none.
        refusal: why there is none; "" unless it refuses.
    """

    thought: str = ""
    uses: tuple[Use, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    answer: str = ""
    refusal: str = ""


def read_reply(reply: ChatReply, calls_tools: bool) -> Move:
    """The move that a reply makes.

    Args:
        reply: of a language model.
        calls_tools: whether it was asked in the tool-call form, where text without a call is the answer, unless it
            only announces the next step.

    Raises:
        ReplyError: it is in neither form, or names a tool or an argument that there is not.
    """
    text = _THOUGHT.sub(" ", reply.text[-MOST_CHARACTERS:]).strip()
    calls = (reply.tool_calls or _calls_in(text))[:MOST_USES]
    if calls:
        thought = plain(_CALL.sub(" ", text), _MOST_ARGUMENT)
        return Move(thought, tuple(_use_of(call) for call in calls), calls)
    move = _lines(text)
    if move is not None:
        return move
    said = plain(text, 4 * _MOST_ARGUMENT)
    if calls_tools and said and _ANNOUNCES.search(said):
        raise ReplyError("the reply announces a step and calls no tool", said[:80], _form_wanted(calls_tools))
    if calls_tools and said and not _is_markup(text):
        return Move(answer=said)
    raise ReplyError("the reply names no tool and gives no answer", said[:80], _form_wanted(calls_tools))


def _form_wanted(calls_tools: bool) -> str:
    if calls_tools:
        return "Call a tool, or give the answer."
    return 'Write one line that begins with "MEASURE:", "LOCATE:", "ASK:", "CALCULATE:", "ANSWER:" or "REFUSE:".'


def _is_markup(text: str) -> bool:
    return text.lstrip()[:1] == "<" or text.lstrip()[:2] in ('{"', "[{")


def _calls_in(text: str) -> tuple[ToolCall, ...]:
    """Calls that a model wrote into its text, where nobody took them out (transformers, servers without a parser)."""
    found = []
    for number, body in enumerate(_CALL.findall(text)):
        call = _object(body, "tool call")
        arguments = call.get("arguments", call.get("parameters", {}))
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        found.append(ToolCall(str(call.get("name", "")), written, f"call_{number}"))
    return tuple(found)


def _use_of(call: ToolCall) -> Use:
    name = call.name.strip().lower()
    if name not in TOOLS:
        raise ReplyError("there is no such tool", plain(call.name, 60), f"Tools: {', '.join(TOOLS)}.")
    given = _object(call.arguments or "{}", "arguments of a tool")
    known = {k: _argument(v) for k, v in given.items() if k in TOOLS[name].arguments and v is not None}
    return Use(name, _complete(name, known))


def _object(text: str, what: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"the {what} is no JSON", plain(text, 80), "Write one JSON object.") from error
    if not isinstance(value, dict):
        raise ReplyError(f"the {what} is no JSON object", plain(text, 80), "Write one JSON object.")
    return value


def _argument(value: object) -> str:
    if not isinstance(value, (str, int, float)):
        raise ReplyError("an argument is no text", plain(value, 80), "Write a string.")
    return plain(value, _MOST_ARGUMENT)


def _complete(tool: str, given: dict[str, str]) -> Mapping[str, str]:
    spec = TOOLS[tool]
    missing = [name for name in spec.arguments if name not in spec.optional and not given.get(name)]
    if missing:
        raise ReplyError(f"{tool} lacks an argument", missing[0], f"It takes {', '.join(spec.arguments)}.")
    return MappingProxyType(given)


# ---- the guessing game ----


def _lines(text: str) -> Move | None:
    """The first tools in a row, or the answer; what follows a tool (a guess at the friend's words) is left out."""
    thoughts: list[str] = []
    uses: list[Use] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if match is None:
            if uses and line.strip():
                break
            if not uses and not _FRIEND.match(line):
                thoughts.append(line)
            continue
        word = _ALIASES.get(match[1].lower(), match[1].lower())
        if word in (ANSWER, REFUSE):
            if uses:
                break
            said = plain(" ".join([match[2], *_rest(lines[number + 1 :])]), 4 * _MOST_ARGUMENT)
            return _ending(word, said, _thought(thoughts))
        uses.append(_use_of_line(word, match[2]))
        if len(uses) == MOST_USES:
            break
    return Move(_thought(thoughts), tuple(uses)) if uses else None


def _rest(lines: list[str]) -> list[str]:
    """Lines that go on with an answer, up to the next line of the game."""
    kept = []
    for line in lines:
        if _LINE.match(line) or _FRIEND.match(line):
            break
        kept.append(line)
    return kept


def _ending(word: str, said: str, thought: str) -> Move:
    said = said.strip("*_` ")
    if not said:
        raise ReplyError(f"{word.upper()} is empty", word, "Say it in one sentence.")
    return Move(thought, answer=said) if word == ANSWER else Move(thought, refusal=said)


def _thought(lines: list[str]) -> str:
    text = plain(" ".join(lines), _MOST_ARGUMENT)
    return re.sub(r"^[*_]*(?:think|thought)[*_]*\s*:\s*", "", text, flags=re.IGNORECASE)


def _use_of_line(tool: str, rest: str) -> Use:
    names = list(TOOLS[tool].arguments)
    rest = rest.strip().strip("`")
    parts = [rest] if len(names) == 1 else [part.strip() for part in rest.split("|")]
    if len(parts) > len(names):
        raise ReplyError(f"{tool.upper()} has too many arguments", plain(rest, 80), f"It takes {' | '.join(names)}.")
    return Use(tool, _complete(tool, {n: _argument(p) for n, p in zip(names, parts, strict=False) if p}))
