"""Which server, which model, and how it is asked: ``openai:URL#model``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.remote.retries import RetryPolicy
from spatialvlm_ros.questions.parsing.units import UNITS
from spatialvlm_ros.setting_types import check_own_types

PREFIX = "openai:"
DEFAULT_KEY_VARIABLE = "OPENAI_API_KEY"
BOX_SCALES = ("thousand", "pixels", "fraction")
SAMPLING = ("auto", "n", "repeat")
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class RemoteConfig:
    """One model on one server.

    Attributes:
        url: base of the API, e.g. "http://localhost:8000/v1".
        model: its name on the server.
        key_variable: environment variable that holds the key. None: OPENAI_API_KEY, and only over https or to this
            machine, so that a key never travels in the clear to a server that merely was named.
        samples: answers drawn for each query; their spread is the uncertainty.
        temperature: of those answers when ``samples`` > 1; a single answer is drawn greedily.
        sampling: "n" asks for all samples in one request, "repeat" one request each, "auto" tries "n" and repeats for
            what is missing (Ollama and `transformers serve` ignore n, llama.cpp refuses it).
        logprobs: take yes/no from the log probabilities of the first token, where the server gives them.
        concurrency: requests under way at once.
        connect_timeout_s, read_timeout_s: seconds to reach the server; seconds for one whole answer.
        retries: when and how often to try again.
        jpeg_quality: 1..100.
        longest_side: pixels; larger pictures are scaled down before they are sent.
        box_scale: how boxes are asked for: "thousand" (0..1000 across the picture), "pixels" (of the picture as sent)
            or "fraction" (0..1).
        max_answer_tokens: of each answer; more for models that think aloud.
        token_field: "max_tokens", or "max_completion_tokens" for servers that insist on it.
        default_unit: unit that a bare number is in; None counts it as unparsable.
        camera_in_words: tell the model the field of view and focal length.
        extra: further fields of the request, e.g. {"reasoning_effort": "low"}.

    Raises:
        ConfigError: a value is out of its range, or the URL holds a user name or password.
    """

    url: str
    model: str
    key_variable: str | None = None
    samples: int = 5
    temperature: float = 0.8
    sampling: str = "auto"
    logprobs: bool = False
    concurrency: int = 8
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 120.0
    retries: RetryPolicy = RetryPolicy()
    jpeg_quality: int = 90
    longest_side: int = 1024
    box_scale: str = "thousand"
    max_answer_tokens: int = 96
    token_field: str = "max_tokens"
    default_unit: str | None = None
    camera_in_words: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        check_own_types(self, "a remote model")
        object.__setattr__(self, "url", _checked_url(self.url))
        if not self.model:
            raise ConfigError("a remote model has no name", self.url, "Write openai:URL#model.")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} of a remote model must lie in {low}..{high}", value, "Change it.")
        for name, known in (("box_scale", BOX_SCALES), ("sampling", SAMPLING)):
            if getattr(self, name) not in known:
                raise ConfigError(f"unknown {name} of a remote model", getattr(self, name), f"Use {', '.join(known)}.")
        if self.default_unit is not None and self.default_unit not in UNITS:
            raise ConfigError(
                "unknown default_unit of a remote model", self.default_unit, f"Use one of {', '.join(UNITS)}."
            )

    @property
    def name(self) -> str:
        """The spec it is loaded by."""
        return f"{PREFIX}{self.url}#{self.model}"

    def address(self, path: str) -> str:
        """The URL of a ``path`` below the base; a query of the base stays behind it."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc, f"{parts.path}/{path}", parts.query, ""))

    def key(self) -> str | None:
        """The key from the environment, or None.

        Raises:
            ConfigError: the variable that was named is not set, or a key has characters that no header can hold.
        """
        variable = self.key_variable or DEFAULT_KEY_VARIABLE
        parts = urlsplit(self.url)
        if self.key_variable is None and parts.scheme != "https" and parts.hostname not in _LOCAL_HOSTS:
            return None
        value = os.environ.get(variable, "").strip()
        if self.key_variable is not None and not value:
            raise ConfigError("the environment variable for the server's key is not set", variable, "Export it.")
        if not (value.isascii() and value.isprintable()):  # never shown, not even here
            raise ConfigError("the key in this environment variable is no plain ASCII text", variable, "Copy it again.")
        return value or None

    def with_(self, **changes: object) -> RemoteConfig:
        """A copy with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("samples", 1, 256),
    ("temperature", 0.0, 2.0),
    ("concurrency", 1, 256),
    ("connect_timeout_s", 0.001, 3600.0),
    ("read_timeout_s", 0.001, 36_000.0),
    ("jpeg_quality", 1, 100),
    ("longest_side", 16, 16_384),
    ("max_answer_tokens", 1, 65_536),
)


# What changes the distribution of the answers; a calibration holds for one choice of these.
_ASKING = (
    "model",
    "samples",
    "temperature",
    "logprobs",
    "jpeg_quality",
    "longest_side",
    "box_scale",
    "default_unit",
    "camera_in_words",
)


def fingerprint(config: RemoteConfig) -> str:
    """16 hex digits of the model's name and the settings that shape its answers."""
    settings = [*(getattr(config, name) for name in _ASKING), sorted(config.extra.items())]
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def is_remote(spec: str) -> bool:
    """Whether a model's name means a server."""
    return spec.startswith(PREFIX)


def parse_remote(spec: str, **overrides: object) -> RemoteConfig:
    """``openai:http://localhost:8000/v1#model`` or ``...#model?samples=8&key_variable=MY_KEY`` as a `RemoteConfig`.

    A URL without a path gets "/v1".

    Args:
        spec: the name of the model.
        overrides: fields of `RemoteConfig`; they win over those in the spec.

    Raises:
        ConfigError: not of that form, or an unknown or unreadable option.
    """
    if not is_remote(spec):
        raise ConfigError("not a remote model", spec, f"Write {PREFIX}URL#model.")
    url, separator, rest = spec[len(PREFIX) :].partition("#")
    if not separator:
        raise ConfigError("a remote model has no name", _without_user(spec), f"Write {PREFIX}URL#model.")
    model, _, options = rest.partition("?")
    values: dict[str, Any] = {}
    for name, text in parse_qsl(options, keep_blank_values=True):
        values[name] = _option(name, text)
    unknown = sorted(set(overrides) - {f.name for f in fields(RemoteConfig)} | set(overrides) & {"url", "model"})
    if unknown:
        raise ConfigError("unknown option of a remote model", unknown[0], f"Known: {', '.join(_READERS)}.")
    values.update(overrides)
    return RemoteConfig(url, model, **values)


def _boolean(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]


_READERS: dict[str, Any] = {
    "key_variable": str,
    "samples": int,
    "temperature": float,
    "sampling": str,
    "logprobs": _boolean,
    "concurrency": int,
    "connect_timeout_s": float,
    "read_timeout_s": float,
    "jpeg_quality": int,
    "longest_side": int,
    "box_scale": str,
    "max_answer_tokens": int,
    "token_field": str,
    "default_unit": str,
    "camera_in_words": _boolean,
}


def _option(name: str, text: str) -> Any:
    if name not in _READERS:
        raise ConfigError("unknown option of a remote model", name, f"Known: {', '.join(_READERS)}.")
    try:
        return _READERS[name](text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"the option {name} of a remote model cannot be read", text, "Change it.") from error


def _checked_url(url: str) -> str:
    remedy = "Write http://host:port/v1 or https://host/v1."
    try:
        parts = urlsplit(url)
        port_is_known = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ConfigError("the URL of a server cannot be read", _without_user(url), remedy) from error
    if parts.username or parts.password:
        raise ConfigError(
            "the URL of a server holds a user name or password",
            _without_user(url),
            f"Put the key into {DEFAULT_KEY_VARIABLE} or a variable named by key_variable.",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_known:
        raise ConfigError("the URL of a server cannot be read", url, remedy)
    path = parts.path.rstrip("/") or "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _without_user(text: str) -> str:
    """The text without anything that may be a user name or password."""
    return f"...@{text.rpartition('@')[2]}" if "@" in text else text
