"""How far a chain of thought may go."""

from __future__ import annotations

from dataclasses import dataclass

from spatialvlm_ros.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """Bounds of one question. Whatever runs into one is refused and says so.

    Attributes:
        steps: of the trace, the answer included; a reply of a language model that adds none counts as one.
        tokens: of a language model, over all its replies.
        reply_tokens: of one reply.
        seconds: from the question to the answer.

    Raises:
        ConfigError: a bound that leaves no room for an answer.
    """

    steps: int = 24
    tokens: int = 4096
    reply_tokens: int = 384
    seconds: float = 120.0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("tokens", 1), ("reply_tokens", 1), ("seconds", 0.0)):
            value = getattr(self, name)
            if not value >= least or value != value:
                raise ConfigError(f"the limit of {name} leaves no room for an answer", value, f"At least {least}.")
