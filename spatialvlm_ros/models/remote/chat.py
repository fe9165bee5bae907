"""Requests and answers of the chat completion protocol: what is sent, and what of the answer is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.models.remote.config import RemoteConfig

PATH = "chat/completions"
_TOP = 20
_MOST_CHARACTERS = 100_000


@dataclass(frozen=True)
class Completion:
    """One answer.

    Attributes:
        text: "" where the server sent none.
        first_token: probability of each likely first token, as the server gave them; empty where it did not.
    """

    text: str
    first_token: Mapping[str, float]


def request_body(
    config: RemoteConfig, picture_url: str, text: str, *, n: int, temperature: float, max_tokens: int, seed: int | None
) -> dict[str, Any]:
    """The body of a request about one picture.

    Args:
        config: the model.
        picture_url: data URL.
        text: the question.
        n: answers wanted from this request; the field is left out for one.
        temperature: 0 for the likeliest answer.
        max_tokens: length of each answer.
        seed: of the sampling, where one is wanted.
    """
    content = [{"type": "image_url", "image_url": {"url": picture_url}}, {"type": "text", "text": text}]
    body: dict[str, Any] = {
        "model": config.model,
        "messages": [{"role": "user", "content": content}],
        "temperature": temperature,
        config.token_field: max_tokens,
        "stream": False,
    }
    if n > 1:
        body["n"] = n
    if seed is not None:
        body["seed"] = seed
    if config.logprobs:
        body.update(logprobs=True, top_logprobs=_TOP)
    body.update(config.extra)
    return body


def completions(answer: Mapping[str, Any]) -> list[Completion]:
    """The answers of one response, at least one.

    Raises:
        RemoteError: an error in place of an answer, no choices, or choices of another form.
    """
    if "error" in answer and "choices" not in answer:
        raise RemoteError("the server answers with an error", answer["error"], "See its log.")
    choices = answer.get("choices")
    if not isinstance(choices, list):
        raise RemoteError("the server's answer has no choices", sorted(answer), "Is it a chat completion API?")
    if not choices:
        raise RemoteError(
            "the server's list of choices is empty", answer.get("model"), "Does the model take pictures? See its log."
        )
    return [_completion(choice) for choice in choices]


def _completion(choice: object) -> Completion:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise RemoteError("a choice of the server's answer has no message", choice, "Is it a chat completion API?")
    return Completion(_text(message.get("content")), _first_token(choice.get("logprobs")))


def _text(content: object) -> str:
    """Content is a string, a list of parts of which the texts count, or nothing (cut off, filtered, a tool call)."""
    if isinstance(content, str):
        return content[-_MOST_CHARACTERS:]
    if isinstance(content, Sequence):
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "\n".join(t for t in texts if isinstance(t, str))[-_MOST_CHARACTERS:]
    return ""


def _first_token(logprobs: object) -> dict[str, float]:
    """Probabilities of the first token that is not blank, from the list of likely ones."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    for token in tokens if isinstance(tokens, list) else []:
        if not isinstance(token, dict) or not isinstance(token.get("token"), str):
            return {}
        if not token["token"].strip():
            continue
        likely = token.get("top_logprobs")
        rows = [row for row in (likely if isinstance(likely, list) else []) if isinstance(row, dict)]
        return _probabilities(rows or [token])
    return {}


def _probabilities(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        text, logprob = row.get("token"), row.get("logprob")
        if isinstance(text, str) and isinstance(logprob, (int, float)) and not math.isnan(logprob):
            found[text] = found.get(text, 0.0) + math.exp(min(float(logprob), 0.0))
    return found


_YES, _NO = frozenset({"yes", "true"}), frozenset({"no", "false"})


def p_yes(first_token: Mapping[str, float]) -> float | None:
    """P(yes) against P(no) among the likely first tokens; None where neither is among them."""
    yes = sum(p for t, p in first_token.items() if t.strip(" \n\t.,*\"'").lower() in _YES)
    no = sum(p for t, p in first_token.items() if t.strip(" \n\t.,*\"'").lower() in _NO)
    return yes / (yes + no) if yes + no > 0 else None
