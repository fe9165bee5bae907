"""The subscriptions of one camera: they follow the publishers' QoS and end in one synchroniser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu

from spatialvlm_ros.ros.observations import CameraMessages, nanoseconds
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.profiles import profile_of
from spatialvlm_ros.ros.qos_events import QUIET_SUBSCRIPTION
from spatialvlm_ros.ros.reliability import Reliability, unheard, wanted_reliability
from spatialvlm_ros.ros.silence import SilentTopic
from spatialvlm_ros.ros.synchroniser import Slot, SlotCounts, Synchroniser, limits_of
from spatialvlm_ros.ros.topics import INTERFACES

_FOLLOW_EVERY_S = 0.5
_FLUSH_EVERY_S = 0.05
_SAID_ONCE = ("camera_info", "depth_camera_info")  # by some drivers, and by recordings of them
_QUIET_S = 0.25  # without a picture for so long, what waits for its depth goes without


@dataclass
class _Input:
    """One subscription."""

    slot: str
    topic: str
    type: Any
    qos: Callable[[Reliability], QoSProfile]
    group: CallbackGroup
    silent: SilentTopic
    subscription: Any = None
    reliability: Reliability | None = None
    latched: bool = False
    unheard: int = 0
    restarts: int = 0


class CameraInputs:
    """Subscribes to the topics of a camera and gives complete sets of messages on.

    Args:
        node: owner of the subscriptions.
        settings: of the node.
        camera: prefix of the topics, "" for the only camera.
        give: called with each `CameraMessages`, in a callback of the node: it must return soon.
        imu: called with each Imu message.
        jumped: called when the stamps of this camera have started again (its driver has).
        group: callback group of the timers. Each subscription has one of its own, so that the executor takes what is
            there of all topics at once instead of one message of the first topic again and again.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        camera: str,
        give: Callable[[CameraMessages], None],
        imu: Callable[[Any], None],
        jumped: Callable[[], None],
        group: CallbackGroup,
    ) -> None:
        self._jumped, self._jumps = jumped, 0
        self._node, self._settings, self._group, self._give, self._on_imu = node, settings, group, give, imu
        names = _picture_names(settings)
        inputs = [_input("image", names["image"], camera), _input("camera_info", "camera_info", camera)]
        slots = [Slot("image", required=True), Slot("camera_info", "image")]
        if settings.use_depth:
            inputs += [
                _input("depth", names["depth"], camera),
                _input("depth_camera_info", "depth_camera_info", camera),
            ]
            slots += [Slot("depth"), Slot("depth_camera_info", "depth")]
        self._names = [slot.name for slot in slots]
        self._inputs = inputs
        self._in_order = threading.Lock()
        self._following, self._closed = threading.Lock(), False
        self._synchroniser = Synchroniser(slots, limits_of(settings.slop_s, settings.depth_wait_s))
        self._last_image, self._opened = 0.0, time.monotonic()
        self._follow()
        self._timers = [
            steady_timer(node, _FOLLOW_EVERY_S, self._follow, group),
            steady_timer(node, _FLUSH_EVERY_S, self._flush, group),
        ]
        self._imu = None
        if settings.use_imu:
            name, profile = INTERFACES["imu"].topic(camera), profile_of(INTERFACES["imu"])
            self._imu = node.create_subscription(
                Imu, name, self._on_imu, profile, callback_group=group, **QUIET_SUBSCRIPTION
            )

    # ---- what the rest of the node asks ----

    def counts(self) -> dict[str, SlotCounts]:
        """What became of the messages, by slot."""
        return self._synchroniser.counts()

    def unheard(self) -> dict[str, int]:
        """Publishers that are not heard because of their QoS, by resolved topic."""
        return {str(self._node.resolve_topic_name(i.topic)): i.unheard for i in self._inputs if i.unheard}

    def reliabilities(self) -> dict[str, str]:
        """What each input is subscribed with."""
        return {i.slot: str(i.reliability) for i in self._inputs}

    def seconds_without_image(self) -> float:
        """Since the last picture arrived; since the start if none has."""
        return time.monotonic() - self._last_image

    def silences(self, quiet_s: float) -> dict[str, str]:
        """Slot -> why nothing comes there, and what to do: of pictures where there is none for ``quiet_s`` seconds; of
        the others where pictures come and there never was one."""
        counts, slots = self.counts(), set[str]()
        if self.seconds_without_image() > quiet_s:
            slots = {"image"}
        elif time.monotonic() - self._opened > quiet_s:
            slots = {slot for slot in ("camera_info", "depth") if slot in counts and not counts[slot].received}
        return {e.slot: self._why_silent(e) for e in self._inputs if e.slot in slots and not e.unheard}

    def _why_silent(self, entry: _Input) -> str:
        topic = str(self._node.resolve_topic_name(entry.topic))
        offered = [str(p.topic_type) for p in self._node.get_publishers_info_by_topic(topic)]
        own = self._node.get_fully_qualified_name() + "/"
        taken = {str(self._node.resolve_topic_name(i.topic)) for i in self._inputs}
        graph = {
            name: types
            for name, types in ([] if offered else self._node.get_topic_names_and_types())
            if name not in taken and not name.startswith(own) and self._node.count_publishers(name)
        }
        return replace(entry.silent, topic=topic).why(offered, graph)

    def clear(self) -> None:
        """Forget what waits, after a jump of the clock."""
        self._synchroniser.clear()

    def close(self) -> None:
        """Ends all subscriptions."""
        for timer in self._timers:
            self._node.destroy_timer(timer)
        with self._following:  # the timer may be subscribing in another thread
            self._closed = True
            for entry in self._inputs:
                if entry.subscription is not None:
                    self._node.destroy_subscription(entry.subscription)
                    entry.subscription = None
        if self._imu is not None:
            self._node.destroy_subscription(self._imu)

    # ---- QoS ----

    def _follow(self) -> None:
        """Subscribes, or subscribes again where the publishers have changed their QoS."""
        self._last_image = self._last_image or time.monotonic()
        with self._following:
            for entry in () if self._closed else self._inputs:
                self._follow_publishers_of(entry)

    def _follow_publishers_of(self, entry: _Input) -> None:
        found = self._profiles_of_publishers(entry)
        offered = [_reliability_of(profile) for profile in found]
        wanted = wanted_reliability(self._settings.reliability, offered)
        latched = entry.slot in _SAID_ONCE and _are_latched(found)
        if entry.reliability is None or (offered and (wanted, latched) != (entry.reliability, entry.latched)):
            self._subscribe(entry, wanted, latched)
        before, entry.unheard = entry.unheard, unheard(entry.reliability or wanted, offered)
        if entry.unheard > before:
            self._node.get_logger().warning(
                f"{entry.unheard} best-effort publisher(s) of {entry.topic} are not heard: set reliability to auto"
            )

    def _profiles_of_publishers(self, entry: _Input) -> list[QoSProfile]:
        name = self._node.resolve_topic_name(entry.topic)
        return [p.qos_profile for p in self._node.get_publishers_info_by_topic(name)]

    def _subscribe(self, entry: _Input, reliability: Reliability, latched: bool) -> None:
        old, profile = entry.subscription, entry.qos(reliability)
        if latched:
            profile.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
        entry.subscription = self._node.create_subscription(
            entry.type,
            entry.topic,
            lambda m, slot=entry.slot: self._take(slot, m),
            profile,
            callback_group=entry.group,
            **QUIET_SUBSCRIPTION,
        )
        entry.restarts += old is not None
        entry.reliability, entry.latched = reliability, latched
        if old is not None:
            self._node.destroy_subscription(old)

    # ---- messages ----

    def _take(self, slot: str, message: Any) -> None:
        now = time.monotonic()
        if slot == "image":
            self._last_image = now
        stamp, clock = nanoseconds(message.header.stamp), int(self._node.get_clock().now().nanoseconds)
        with self._in_order:
            self._pass_on(self._synchroniser.add(slot, stamp, message, clock), now)

    def _flush(self) -> None:
        """When pictures stop, or depth stops, no stamp moves time on: what waits too long goes without."""
        if time.monotonic() - self._last_image > _QUIET_S:
            with self._in_order:
                self._pass_on(self._synchroniser.flush(), time.monotonic())

    def _pass_on(self, parts: tuple[Any, ...] | None, now: float) -> None:
        if self._synchroniser.jumps_back != self._jumps:
            self._jumps = self._synchroniser.jumps_back
            self._jumped()
        if parts is not None:
            found = dict(zip(self._names, parts, strict=True))
            self._give(
                CameraMessages(
                    found["image"], found["camera_info"], found.get("depth"), found.get("depth_camera_info"), now
                )
            )


def input_topics(node: Node, settings: Settings, camera: str) -> dict[str, str]:
    """Resolved names of all inputs of a camera, pictures as they are transported, whether they are used or not.

    Returns:
        slot (image, camera_info, depth, depth_camera_info, imu) -> topic.
    """
    slots = ("image", "camera_info", "depth", "depth_camera_info", "imu")
    names = {slot: _picture_names(settings).get(slot, slot) for slot in slots}
    return {slot: str(node.resolve_topic_name(INTERFACES[name].topic(camera))) for slot, name in names.items()}


def picture_topics(node: Node, settings: Settings, camera: str) -> tuple[str, str]:
    """Resolved names of the colour and the depth pictures of a camera, as they are transported."""
    topics = input_topics(node, settings, camera)
    return topics["image"], topics["depth"]


def _picture_names(settings: Settings) -> dict[str, str]:
    """Slot -> entry of `INTERFACES`."""
    compressed, squeezed = settings.image_transport == "compressed", settings.depth_transport == "compressedDepth"
    return {
        "image": "image/compressed" if compressed else "image",
        "depth": "depth/compressedDepth" if squeezed else "depth",
    }


_TYPES: dict[str, Any] = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/CameraInfo": CameraInfo,
}


def _reliability_of(profile: QoSProfile) -> Reliability:
    best_effort = profile.reliability == QoSReliabilityPolicy.BEST_EFFORT
    return Reliability.BEST_EFFORT if best_effort else Reliability.RELIABLE


def _are_latched(offered: Sequence[QoSProfile]) -> bool:
    """Whether all publishers keep their last messages for those who come later."""
    return bool(offered) and all(p.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for p in offered)


def _input(slot: str, name: str, camera: str) -> _Input:
    entry = INTERFACES[name]
    qos, topic = partial(profile_of, entry), entry.topic(camera)
    argument = "" if camera else f"{slot}_topic"
    transport = {"image": "image_transport", "depth": "depth_transport"}.get(slot, "")
    silent = SilentTopic(topic, topic, entry.type, argument, transport)
    return _Input(slot, topic, _TYPES[entry.type], qos, MutuallyExclusiveCallbackGroup(), silent)


def steady_timer(node: Node, seconds: float, call: Callable[[], None], group: CallbackGroup) -> Any:
    """A timer that also runs while simulated time stands still."""
    return node.create_timer(seconds, call, callback_group=group, clock=Clock(clock_type=ClockType.STEADY_TIME))
