"""QoS profiles as the table of topics says, so that the documentation is of what runs."""

from __future__ import annotations

import re

from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.ros.reliability import Reliability
from spatialvlm_ros.ros.topics import Interface

_POLICY = {
    Reliability.RELIABLE: QoSReliabilityPolicy.RELIABLE,
    Reliability.BEST_EFFORT: QoSReliabilityPolicy.BEST_EFFORT,
}


def profile_of(entry: Interface, reliability: Reliability | None = None) -> QoSProfile:
    """What an entry is published or subscribed with.

    Args:
        entry: its ``qos`` is read.
        reliability: for entries that follow their publishers; the others say theirs.

    Raises:
        ConfigError: the words of ``qos`` do not say the depth.
    """
    depth = re.search(r"\bdepth (\d+)\b", entry.qos)
    if depth is None:
        raise ConfigError(f"the QoS of {entry.name} has no depth", entry.qos, "Write '..., depth 10'.")
    own = Reliability.BEST_EFFORT if "best effort" in entry.qos else Reliability.RELIABLE
    durability = QoSDurabilityPolicy
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=int(depth[1]),
        reliability=_POLICY[reliability or own],
        durability=durability.TRANSIENT_LOCAL if "transient local" in entry.qos else durability.VOLATILE,
    )
