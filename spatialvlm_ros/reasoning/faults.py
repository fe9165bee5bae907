"""What a chain of thought can raise, beside the errors of the models that it uses."""

from __future__ import annotations

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.models.estimate import Reason


class ReasoningError(SpatialVLMError):
    """A chain of thought cannot be set up or led as asked for."""


class ExpressionError(ReasoningError):
    """A sum is not one that may or can be calculated."""


class ReplyError(ReasoningError):
    """A language model's words are not in the form that was agreed."""


class UnsupportedError(ReplyError):
    """A language model's answer says what nobody told it."""


class Stopped(Exception):
    """Ends a chain of thought without an answer; whoever leads one catches it.

    Args:
        reason: what the answer says.
        detail: one sentence for people.
        cancelled: whether the one who asked wanted it so.
    """

    def __init__(self, reason: Reason, detail: str, cancelled: bool = False) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.cancelled = reason, detail, cancelled
