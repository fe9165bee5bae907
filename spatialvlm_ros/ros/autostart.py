"""Brings the node up without a lifecycle manager: configure, wait for the weights, activate; again after a failure.

No rclpy in here: the node says what it is, and is told what to do.
"""

from __future__ import annotations

from enum import Enum

from spatialvlm_ros.ros.worker import ModelState

RETRY_S = 5.0


class Step(str, Enum):
    """What to do now."""

    CONFIGURE = "configure"
    ACTIVATE = "activate"
    CLEAN_UP = "cleanup"
    WAIT = "wait"
    WARN = "warn"
    DONE = "done"

    def __str__(self) -> str:
        return self.value


class Autostart:
    """Decides the next step.

    Args:
        wait_s: so long weights may take before it says so; it goes on waiting, and says so again.

    Once the node was active it is left alone: whoever deactivates it has a reason.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._asked_at: float | None = None
        self._not_before = 0.0
        self._done = False

    def next(self, state: str, model: ModelState | None, now: float) -> Step:
        """The next step.

        Args:
            state: label of the lifecycle state: "unconfigured", "inactive", "active", ...
            model: of the worker, None while there is none.
            now: monotonic seconds.
        """
        if self._done or state == "finalized":
            return Step.DONE
        if state == "active":
            self._done = True
            return Step.DONE
        if now < self._not_before:
            return Step.WAIT
        if state == "unconfigured":
            self._asked_at, self._not_before = now, now + RETRY_S
            return Step.CONFIGURE
        if state != "inactive" or model is None:
            return Step.WAIT
        return self._of_model(model, now)

    def configured(self) -> None:
        """Configuring went well: no need to wait before the next step."""
        self._not_before = 0.0

    def _of_model(self, model: ModelState, now: float) -> Step:
        if model is ModelState.READY:
            self._not_before = now + RETRY_S
            return Step.ACTIVATE
        if model is ModelState.LOADING:
            if self._asked_at is not None and now - self._asked_at > self._wait_s:
                self._asked_at = now
                return Step.WARN
            return Step.WAIT
        self._not_before = now + RETRY_S
        return Step.CLEAN_UP
