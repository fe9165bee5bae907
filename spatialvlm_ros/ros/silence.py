"""Why nothing comes from a topic, in a sentence that names the remedy. No rclpy in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MOST_NAMED = 5  # topics
_COMPRESSED = ("/compressed", "/compressedDepth")  # how the names of such topics end
_RAW = "sensor_msgs/msg/Image"


@dataclass(frozen=True)
class SilentTopic:
    """A topic that is listened to and says nothing.

    Attributes:
        name: before remapping, as it is given to ``-r``.
        topic: resolved.
        type: of the messages that are listened to.
        argument: of the launch files that gives its topic, "" for none.
        transport: parameter that chooses raw or compressed pictures, "" for what is no picture.
    """

    name: str
    topic: str
    type: str
    argument: str = ""
    transport: str = ""

    def why(self, offered: Sequence[str], graph: Mapping[str, Sequence[str]]) -> str:
        """What is wrong, and what to do.

        Args:
            offered: types of the topic's publishers, one for each.
            graph: topics that somebody publishes -> their types.
        """
        if self.type in offered:
            return f"the {len(offered)} publisher(s) of {self.topic} say nothing: is the camera running?"
        if offered:
            remedy = f"set {self.transport}" if self.transport else f"remap {self.name}"
            return f"{self.topic} is of {' and '.join(sorted(set(offered)))} and not of {self.type}: {remedy}"
        nobody = f"nobody publishes {self.topic}"
        other = self._in_another_transport(graph)
        if other:
            return f"{nobody}, but {other}: set {self.transport}"
        of_depth = "depth" in self.name
        found = [topic for topic, types in graph.items() if self.type in types]
        found.sort(key=lambda topic: (("depth" in topic) != of_depth, topic))
        if not found:
            return f"{nobody}, and there is no other topic of {self.type}: start the camera, or check ROS_DOMAIN_ID"
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        argument = f" ({self.argument}:=... of the launch files)" if self.argument else ""
        named = ", ".join(found[:_MOST_NAMED])
        return f"{nobody}: remap {self.name}{argument}, e.g. to {named}{more}"

    def _in_another_transport(self, graph: Mapping[str, Sequence[str]]) -> str:
        """The same pictures, compressed or not."""
        if not self.transport:
            return ""
        if self.type == _RAW:
            return next((self.topic + end for end in _COMPRESSED if self.topic + end in graph), "")
        raw = next((self.topic.removesuffix(end) for end in _COMPRESSED if self.topic.endswith(end)), "")
        return raw if raw in graph else ""
