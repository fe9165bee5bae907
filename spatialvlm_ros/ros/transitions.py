"""Transitions of a lifecycle node that say what went wrong in them."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Protocol, TypeVar

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn


class Failing(Protocol):
    """A node that is told what went wrong."""

    def fail(self, why: str, more: str = "") -> None:
        """``why`` for its diagnostics, and ``more`` for its log."""
        ...


N = TypeVar("N", bound=Failing)
Transition = Callable[[N, LifecycleState], TransitionCallbackReturn]


def reported(transition: Transition[N]) -> Transition[N]:
    """A transition that tells its node what it raised, and ends with ERROR: rclpy by itself drops it without a word."""

    @functools.wraps(transition)
    def run(self: N, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except Exception as error:  # noqa: BLE001
            self.fail(f"{transition.__name__} failed: {type(error).__name__}: {error}", traceback.format_exc())
            return TransitionCallbackReturn.ERROR

    return run
