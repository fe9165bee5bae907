"""An action client that loses no response."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.action import ActionClient


class PatientActionClient(ActionClient):
    """An `ActionClient` for goals that are sent from another thread than the one that spins.

    rclpy sends a request first and notes afterwards who waits for its response. A response that the spinning thread
    takes in between is dropped, and the future is never done: seen on a busy machine, where the sending thread had lost
    the processor there. Here responses are handled once the requests under way are noted.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        self._sending = threading.RLock()
        super().__init__(*given, **named)

    def send_goal_async(self, *given: Any, **named: Any) -> Any:
        """As in `ActionClient`."""
        with self._sending:
            return super().send_goal_async(*given, **named)

    def _get_result_async(self, goal_handle: Any) -> Any:
        with self._sending:
            return super()._get_result_async(goal_handle)

    def _cancel_goal_async(self, goal_handle: Any) -> Any:
        with self._sending:
            return super()._cancel_goal_async(goal_handle)

    async def execute(self, taken_data: Any) -> None:
        """Handles what was taken; called by the executor."""
        with self._sending:
            pass  # waits for requests that are being sent
        await super().execute(taken_data)
