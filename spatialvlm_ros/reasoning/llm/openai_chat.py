"""A chat model behind any OpenAI-compatible server. Requests, retries and errors are those of `models.remote`."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from typing import Any

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.models.remote.chat import PATH, completions
from spatialvlm_ros.models.remote.config import RemoteConfig, parse_remote
from spatialvlm_ros.models.remote.transport import Transport
from spatialvlm_ros.reasoning.llm.chat_model import ChatReply, Message, ToolCall

_WAIT_S = 0.02  # between two looks whether the answer is there
_MOST_CALLS = 16
_CHARACTERS_PER_TOKEN = 4  # where the server does not count


class OpenAIChat:
    """A `ChatModel` on a server.

    Args:
        config: the model, or its spec ``openai:URL#model``.
        calls_tools: ask in the tool-call form; False plays the guessing game in plain lines, which any server can.

    Raises:
        ConfigError: the spec is malformed, or the variable of its key is not set.
        MissingDependencyError: httpx is not installed.
    """

    def __init__(self, config: RemoteConfig | str, calls_tools: bool = False) -> None:
        self.config = parse_remote(config) if isinstance(config, str) else config
        self.calls_tools = calls_tools
        self._transport: Transport | None = Transport(self.config)

    @property
    def name(self) -> str:
        """The spec it is loaded by."""
        return self.config.name

    def reply(
        self, messages: Sequence[Message], max_tokens: int, tools: Sequence[dict[str, Any]] = ()
    ) -> Generator[None, None, ChatReply]:
        """See `ChatModel`. A reply that is not wanted any more is not waited for, and its connection is dropped.

        Raises:
            RemoteError: unreachable, refused, too slow, or the answer is not one of the protocol.
        """
        transport = self._transport = self._transport or Transport(self.config)
        request = _Request(transport, self._body(messages, max_tokens, tools))
        try:
            while not request.done.wait(_WAIT_S):
                yield
        finally:
            if not request.done.is_set():
                transport.close()
                self._transport = None
        return _reply_of(request.result())

    def close(self) -> None:
        """Drop the connections."""
        if self._transport is not None:
            self._transport.close()

    def _body(self, messages: Sequence[Message], max_tokens: int, tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.config.model,
            "messages": [_as_json(m) for m in messages],
            "temperature": 0.0,
            self.config.token_field: max_tokens,
            "stream": False,
        }
        if tools:
            body["tools"] = list(tools)
        body.update(self.config.extra)
        return body


class _Request:
    """One request in a thread of its own, which ends with the process."""

    def __init__(self, transport: Transport, body: dict[str, Any]) -> None:
        self.done = threading.Event()
        self._answer: dict[str, Any] = {}
        self._error: Exception | None = None
        threading.Thread(target=self._run, args=(transport, body), name="spatialvlm-chat", daemon=True).start()

    def _run(self, transport: Transport, body: dict[str, Any]) -> None:
        try:
            self._answer = transport.post(PATH, body)
        except Exception as error:  # noqa: BLE001  raised again where it is waited for
            self._error = error
        finally:
            self.done.set()

    def result(self) -> dict[str, Any]:
        if self._error is not None:
            raise self._error
        return self._answer


def _as_json(message: Message) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        made["tool_calls"] = [
            {"id": c.call_id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in message.tool_calls
        ]
    if message.call_id:
        made["tool_call_id"] = message.call_id
    return made


def _reply_of(answer: dict[str, Any]) -> ChatReply:
    text = completions(answer)[0].text
    calls = answer["choices"][0]["message"].get("tool_calls")
    return ChatReply(text, _calls(calls), _tokens(answer.get("usage"), text))


def _calls(given: object) -> tuple[ToolCall, ...]:
    if given is None or given == []:
        return ()
    if not isinstance(given, list):
        raise RemoteError("the tool calls of the server's answer are no list", given, "Is it a chat completion API?")
    return tuple(_call(one, number) for number, one in enumerate(given[:_MOST_CALLS]))


def _call(given: object, number: int) -> ToolCall:
    function = given.get("function") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(function, dict):
        raise RemoteError("a tool call of the server's answer has no function", given, "Is it a chat completion API?")
    arguments = function.get("arguments")
    written = arguments if isinstance(arguments, str) else "" if arguments is None else str(arguments)
    return ToolCall(str(function.get("name", "")), written, str(given.get("id") or f"call_{number}"))


def _tokens(usage: object, text: str) -> int:
    counted = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if isinstance(counted, int) and not isinstance(counted, bool) and counted > 0:
        return counted
    return 1 + len(text) // _CHARACTERS_PER_TOKEN
