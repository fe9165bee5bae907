"""Our node with transitions that fail as long as its parameter ``stumble`` says so."""

from __future__ import annotations

from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.ros import autostart
from spatialvlm_ros.ros.node import SpatialVLMNode
from spatialvlm_ros.ros.running import run_until_signal


class StumblingNode(SpatialVLMNode):
    """``stumble``: "configuring raises", "activating is refused", "activating raises", or "" for none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.declare_parameter("stumble", "configuring raises")

    def _stumble(self, *what: str) -> None:
        now = self.get_parameter("stumble").value
        if now in what:
            raise (RuntimeError if now.endswith("raises") else ConfigError)(f"a stone: {now}")

    def _made(self, *args: Any) -> Any:
        made = super()._made(*args)
        self._stumble("configuring raises")
        return made

    def _open(self, *args: Any) -> None:
        super()._open(*args)
        self._stumble("activating is refused", "activating raises")


if __name__ == "__main__":
    autostart.RETRY_S = 2.0
    run_until_signal(StumblingNode, StumblingNode.stop_work, None, 8)
