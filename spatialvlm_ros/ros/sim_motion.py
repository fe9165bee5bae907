"""How the tool centre point travels: up, across, down, with bounded speed and acceleration."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

SPEED_M_S = 0.25
ACCELERATION_M_S2 = 0.8
_ARRIVED_M = 0.001
_PASSED_M = 0.02  # corners are cut by this much
_LEVEL_M = 0.02  # so near, seen from above, the hand need not rise first


class ToolMotion:
    """A point that follows goals.

    Args:
        speed: most metres per second.
        acceleration: most metres per second squared, along the way.
    """

    def __init__(self, speed: float = SPEED_M_S, acceleration: float = ACCELERATION_M_S2) -> None:
        self._speed, self._acceleration = speed, acceleration
        self._waypoints: deque[Float] = deque()
        self._velocity = np.zeros(3)

    @property
    def goal(self) -> Float | None:
        """(3,) where the way ends; None at rest."""
        return self._waypoints[-1] if self._waypoints else None

    def go(self, start: Float, goal: Float, cruise_height: float) -> None:
        """Set a way from ``start`` (3,) to ``goal`` (3,), metres, which crosses over things at ``cruise_height``."""
        high = max(cruise_height, float(goal[2]))
        way = []
        if np.linalg.norm(goal[:2] - start[:2]) > _LEVEL_M:
            if start[2] < high:
                way.append(np.array([start[0], start[1], high]))
            way.append(np.array([goal[0], goal[1], high]))
        self._waypoints = deque([*way, np.array(goal, dtype=np.float64)])

    def stop(self) -> None:
        """Stay where it is."""
        self._waypoints.clear()
        self._velocity = np.zeros(3)

    def move(self, position: Float, dt: float) -> Float:
        """(3,) metres from ``position`` (3,) in the next ``dt`` seconds; zeros at rest."""
        while self._waypoints and self._reached(position):
            self._waypoints.popleft()
        if not self._waypoints:
            self.stop()
            return np.zeros(3)
        way = self._waypoints[0] - position
        distance = float(np.linalg.norm(way))
        # So fast that it can still halt at the next corner, and never past it.
        speed = min(self._speed, float(np.sqrt(self._acceleration * distance)), distance / dt)
        change = way / max(distance, 1e-9) * speed - self._velocity
        most = self._acceleration * dt
        self._velocity = self._velocity + change * min(1.0, most / max(float(np.linalg.norm(change)), 1e-9))
        return self._velocity * dt

    def _reached(self, position: Float) -> bool:
        near = _ARRIVED_M if len(self._waypoints) == 1 else _PASSED_M
        return float(np.linalg.norm(self._waypoints[0] - position)) <= near
