"""What the demo listens to: every topic of the simulation, the node and the planner, from their own tables."""

from __future__ import annotations

from dataclasses import dataclass

from spatialvlm_ros.ros.sim_settings import SIM_INTERFACES
from spatialvlm_ros.ros.topics import INTERFACES, Kind

SERVER = "/spatialvlm"
PLANNER = "/spatialvlm_planner"
COLOUR, TRUTH = SIM_INTERFACES["color"].name, f"/{SIM_INTERFACES['truth'].name}"
DISTANCES, FILTERED, OBJECTS = (f"{SERVER}/{name}" for name in ("distances", "distances_filtered", "objects"))
REWARD = f"{SERVER}/reward"
SENTENCE = f"{PLANNER}/sentence"
DIAGNOSTICS = "/diagnostics"


@dataclass(frozen=True)
class Topic:
    """One topic.

    Attributes:
        name: absolute.
        type: "package/msg/Name".
        latched: transient local.
        best_effort: its publisher is.
    """

    name: str
    type: str
    latched: bool = False
    best_effort: bool = False


def demo_topics() -> tuple[Topic, ...]:
    """All of them, each once."""
    found: dict[str, Topic] = {}
    entries = [
        *((f"/{e.name.lstrip('/')}", e) for e in SIM_INTERFACES.values() if e.kind is not Kind.SERVICE),
        *((e.topic().replace("~", SERVER, 1), e) for e in INTERFACES.values() if e.kind is Kind.OUTPUT),
    ]
    for name, entry in entries:
        topic = Topic(name, entry.type, "transient local" in entry.qos, "best effort" in entry.qos)
        found.setdefault(name, topic)
    found[SENTENCE] = Topic(SENTENCE, "std_msgs/msg/String")
    return tuple(found.values())
