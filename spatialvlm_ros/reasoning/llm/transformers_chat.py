"""Any chat model in transformers: greedy, token by token, with the conversation's cache kept from turn to turn."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.devices import EXTRA, pick_device, pick_dtype
from spatialvlm_ros.models.hub.faults import loading
from spatialvlm_ros.models.lean_import import lean_transformers
from spatialvlm_ros.optional import require
from spatialvlm_ros.reasoning.llm.chat_model import SYSTEM, TOOL, ChatReply, Message

_GROWING = frozenset({"DynamicLayer"})  # cache layers that can be cut to what two prompts have in common


class TransformersChat:
    """A `ChatModel` that runs here.

    Args:
        model: hub id, or a folder with config, safetensors and tokenizer.
        calls_tools: ask in the tool-call form, for models whose chat template knows tools.
        device, dtype: as `models.devices` takes them.
        local_files_only: never ask the hub.

    Raises:
        ModelError: not found, damaged, not safetensors, or without a chat template.
        MissingDependencyError: torch or transformers is missing.
    """

    def __init__(
        self,
        model: str | Path,
        calls_tools: bool = False,
        device: str = "auto",
        dtype: str = "auto",
        local_files_only: bool = False,
    ) -> None:
        torch, transformers = require("torch", EXTRA), lean_transformers()
        self.name = str(model)
        self.calls_tools = calls_tools
        self._device = pick_device(device)
        arguments = {"local_files_only": local_files_only, "trust_remote_code": False}
        with loading(self.name, "tokenizer"):
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(self.name, **arguments)
        if not getattr(self._tokenizer, "chat_template", None):
            raise ModelError(f"{self.name} has no chat template", None, "Use a model that was tuned for chat.")
        with loading(self.name, "weights"), torch.no_grad():
            self._model = transformers.AutoModelForCausalLM.from_pretrained(
                self.name, dtype=pick_dtype(dtype, self._device), use_safetensors=True, **arguments
            )
            self._model = self._model.to(self._device).eval()
        self._ends = _end_tokens(self._model, self._tokenizer)
        self._marks = _marks(self._tokenizer)
        self._cache: Any = None
        self._read: list[int] = []  # tokens that the cache holds

    def reply(
        self, messages: Sequence[Message], max_tokens: int, tools: Sequence[dict[str, Any]] = ()
    ) -> Generator[None, None, ChatReply]:
        """See `ChatModel`; yields after each token.

        Raises:
            ModelError: the chat template or the model failed.
        """
        torch = require("torch", EXTRA)
        try:
            fresh = self._unread(self._prompt(messages, tools))
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"the chat template of {self.name} failed", str(error), "Try the guessing game."
            ) from error
        made: list[int] = []
        try:
            while len(made) < max_tokens:
                with torch.no_grad():
                    token = self._next(fresh)
                if token in self._ends:
                    break
                made.append(token)
                fresh = [token]
                yield
        except Exception as error:
            self._forget()
            raise ModelError(f"{self.name} failed", str(error), "Use a smaller model, or fewer tokens.") from error
        return ChatReply(self._tokenizer.decode(made, skip_special_tokens=True), (), len(made) + 1)

    def close(self) -> None:
        """Free the cache."""
        self._forget()

    def _prompt(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]]) -> list[int]:
        turns = [self._turn(m) for m in messages]
        options: dict[str, Any] = {"tools": list(tools)} if tools else {}
        if SYSTEM not in str(self._tokenizer.chat_template):
            turns = _without_system(turns)
        text = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, **options)
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _turn(self, message: Message) -> dict[str, Any]:
        """A turn in which nobody can write the marks that separate turns."""
        turn: dict[str, Any] = {"role": message.role, "content": self._marks.sub(" ", message.content)}
        if message.tool_calls:
            turn["tool_calls"] = [
                {"type": "function", "function": {"name": c.name, "arguments": json.loads(c.arguments or "{}")}}
                for c in message.tool_calls
            ]
        if message.role == TOOL:
            turn["name"] = "tool"
        return turn

    def _unread(self, prompt: list[int]) -> list[int]:
        """The tokens that the model has to read; what it knows of an earlier turn stays in the cache."""
        common = 0
        while common < min(len(prompt) - 1, len(self._read)) and prompt[common] == self._read[common]:
            common += 1
        layers = getattr(self._cache, "layers", [])
        if not common or not layers or any(type(layer).__name__ not in _GROWING for layer in layers):
            self._forget()
            return prompt
        if common < len(self._read):
            self._cache.crop(common)
            self._read = self._read[:common]
        return prompt[common:]

    def _next(self, tokens: list[int]) -> int:
        """Read tokens, and say the likeliest next one."""
        torch = require("torch", EXTRA)
        ids = torch.tensor([tokens], device=self._device)
        out = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, return_dict=True)
        self._cache = out.past_key_values
        self._read += tokens
        return int(out.logits[0, -1].argmax())

    def _forget(self) -> None:
        self._cache, self._read = None, []


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return frozenset(e for e in [*ends, tokenizer.eos_token_id] if e is not None)


def _marks(tokenizer: Any) -> re.Pattern[str]:
    """The special tokens of a tokenizer as they are written."""
    special = {str(t) for t in tokenizer.all_special_tokens} | {str(t) for t in tokenizer.get_added_vocab()}
    special = {mark for mark in special if mark.strip() and not mark.isalnum()}
    return re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))) or r"(?!)")


def _without_system(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The system's words at the head of the first question, for templates that know no system."""
    if len(turns) < 2 or turns[0]["role"] != SYSTEM:
        return turns
    first = {**turns[1], "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
    return [first, *turns[2:]]
