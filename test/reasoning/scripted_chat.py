"""A language model that says what is on its list, whatever it is told, and keeps what it was told."""

from __future__ import annotations

from collections.abc import Callable

from spatialvlm_ros.reasoning.llm.chat_model import ChatReply


class ScriptedChat:
    """``replies``: texts or `ChatReply`; the last one repeats. ``pauses`` yields stand for the tokens of each."""

    name = "scripted"

    def __init__(self, *replies: str | ChatReply, calls_tools: bool = False, pauses: int = 3) -> None:
        self.replies = list(replies)
        self.calls_tools = calls_tools
        self.pauses = pauses
        self.heard: list[tuple] = []
        self.closed_early = 0
        self.during: Callable[[], None] = lambda: None

    def reply(self, messages, max_tokens, tools=()):
        self.heard.append((messages, max_tokens, tools))
        said = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        finished = False
        try:
            for _ in range(self.pauses):
                self.during()
                yield
            finished = True
        finally:
            self.closed_early += not finished
        return said if isinstance(said, ChatReply) else ChatReply(said, (), len(said.split()) + 1)

    def close(self) -> None:
        pass
