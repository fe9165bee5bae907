"""A language model that talks: messages in, one reply out, with or without calls of tools."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

SYSTEM, USER, ASSISTANT, TOOL = "system", "user", "assistant", "tool"


@dataclass(frozen=True)
class ToolCall:
    """A tool that a model calls.

    Attributes:
        name: of the tool, as the model wrote it.
        arguments: a JSON object as text, as the model wrote it.
        call_id: by which the server pairs the result with the call.
    """

    name: str
    arguments: str
    call_id: str = ""


@dataclass(frozen=True)
class Message:
    """One turn of the conversation.

    Attributes:
        role: "system", "user", "assistant" or "tool".
        content: text.
        tool_calls: of an assistant's turn.
        call_id: of a tool's turn: the call that it answers.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True)
class ChatReply:
    """What a model said.

    Attributes:
        text: as it came.
        tool_calls: tools it calls, where it was offered some.
        tokens: length of the reply.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tokens: int = 0


class ChatModel(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """What it was loaded from."""
        ...

    @property
    def calls_tools(self) -> bool:
        """Whether it is asked in the tool-call form; else in the form of the guessing game, in plain lines."""
        ...

    def reply(
        self, messages: Sequence[Message], max_tokens: int, tools: Sequence[dict[str, Any]] = ()
    ) -> Generator[None, None, ChatReply]:
        """The next turn of the assistant; yields while it is made, and may be closed in between.

        Args:
            messages: the conversation so far.
            max_tokens: length of the reply at most.
            tools: what may be called, as JSON schemas of the chat completion protocol.

        Raises:
            ModelError: the model or its server failed.
        """
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...
