"""Hears the whole graph: hands every message to the recorder, and keeps what the view shows."""

from __future__ import annotations

import importlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import deserialize_message

from spatialvlm_ros.bags.images import rgb_from_image
from spatialvlm_ros.errors import TransformError
from spatialvlm_ros.models.estimate import LocatedObject
from spatialvlm_ros.ros.demo.opening import Opening
from spatialvlm_ros.ros.demo.recorder import Recorder, header_stamp_ns
from spatialvlm_ros.ros.demo.state import Rewarded, Row, Speed
from spatialvlm_ros.ros.demo.topics import (
    COLOUR,
    DIAGNOSTICS,
    DISTANCES,
    FILTERED,
    OBJECTS,
    REWARD,
    TRUTH,
    Topic,
    demo_topics,
)
from spatialvlm_ros.ros.demo.truth import TrueScene
from spatialvlm_ros.ros.from_messages import PictureEstimates, estimates_from, located_from, stamp_from
from spatialvlm_ros.ros.qos_events import QUIET_SUBSCRIPTION
from spatialvlm_ros.ros.sim_scene import OPTICAL_FRAME
from spatialvlm_ros.ros.sim_world import TOOL_FRAME
from spatialvlm_ros.ros.transform_store import TransformStore

Value = TypeVar("Value")

_MOMENTS_KEPT = 200
_PICTURES_KEPT = 30  # of 1 MB
_MODEL, _CAMERA = ": model", ": camera"
_BAD = (1, 2)  # WARN, ERROR; STALE is a camera that is not opened yet


@dataclass(frozen=True)
class AnsweredPicture:
    """A picture with all that was said of it.

    Attributes:
        rgb: (H, W, 3) uint8.
        rows: its standing queries, unfiltered.
        objects: located in it, with ids that last.
    """

    rgb: np.ndarray
    rows: tuple[Row, ...]
    objects: tuple[LocatedObject, ...]
    ids: tuple[int, ...]


class Listener:
    """Subscribes to everything.

    Args:
        node: that spins in another thread.
        recorders: are given every message.
    """

    def __init__(self, node: Node, *recorders: Recorder | Opening) -> None:
        self._recorders = recorders
        self._lock = threading.Lock()
        self._frames = TransformStore()
        self._speed = Speed()
        self._rewarded: Rewarded | None = None
        self._first_answer: float | None = None
        self._filtered = PictureEstimates()
        self._truths: OrderedDict[int, Any] = OrderedDict()
        self._colours: OrderedDict[int, bytes] = OrderedDict()
        self._distances: OrderedDict[int, PictureEstimates] = OrderedDict()
        self._answered: tuple[int, bytes, PictureEstimates, Any] | None = None
        handlers: dict[str, Callable[[Any], None]] = {
            "/tf": self._frames.take,
            "/tf_static": lambda message: self._frames.take(message, static=True),
            TRUTH: self._on_truth,
            DISTANCES: self._on_distances,
            FILTERED: self._on_filtered,
            OBJECTS: self._on_objects,
            DIAGNOSTICS: self._on_diagnostics,
            REWARD: self._on_reward,
        }
        group = MutuallyExclusiveCallbackGroup()
        for topic in demo_topics():
            kind = _message_class(topic.type)
            if kind is None:
                continue
            take = self._taker(topic, kind, handlers.get(topic.name))
            node.create_subscription(
                kind, topic.name, take, _profile(topic), raw=True, callback_group=group, **QUIET_SUBSCRIPTION
            )

    # ---- what the others ask ----

    @property
    def speed(self) -> Speed:
        """What the node says of itself."""
        return self._speed

    @property
    def rewarded(self) -> Rewarded | None:
        """The newest reward; None before there is a task."""
        return self._rewarded

    @property
    def first_answer(self) -> float | None:
        """Monotonic seconds of the first answers to standing queries; None before them."""
        return self._first_answer

    def labels(self) -> tuple[str, ...]:
        """Names of the objects in the simulation; () while it has not published."""
        with self._lock:
            newest = next(reversed(self._truths.values()), None)
        return () if newest is None else tuple(str(thing.label) for thing in newest.objects)

    def rows(self) -> tuple[Row, ...]:
        """The newest filtered estimates, each with the truth at the moment of its picture."""
        with self._lock:
            picture = self._filtered
        return self._rows_of(picture)

    def scene(self, stamp_ns: int = 0) -> TrueScene | None:
        """What the simulation knows of a moment, 0 for the newest; None where it says nothing."""
        with self._lock:
            newest = next(reversed(self._truths), 0)
            message = self._truths.get(stamp_ns or newest)
        if message is None:
            return None
        stamp, frame = stamp_from(message.header.stamp), str(message.header.frame_id)
        try:
            to_optical = self._frames.lookup(OPTICAL_FRAME, frame, stamp)
        except TransformError:
            return None
        try:
            gripper = self._frames.lookup(frame, TOOL_FRAME, stamp).translation
        except TransformError:
            gripper = None
        things = [located_from(thing) for thing in message.objects]
        return TrueScene(
            tuple(thing.name for thing in things),
            np.array([thing.position for thing in things]).reshape(-1, 3),
            np.array([thing.size for thing in things]).reshape(-1, 3),
            to_optical,
            gripper,
        )

    def answered_picture(self) -> AnsweredPicture | None:
        """The newest picture of which all parts came; None before there is one."""
        with self._lock:
            found = self._answered
        if found is None:
            return None
        _, colour, picture, objects = found
        rgb = rgb_from_image(deserialize_message(colour, _message_class("sensor_msgs/msg/Image")))
        things = tuple(located_from(thing) for thing in objects.objects)
        return AnsweredPicture(rgb, self._rows_of(picture), things, tuple(int(t.id) for t in objects.objects))

    # ---- callbacks ----

    def _taker(self, topic: Topic, kind: Any, handle: Callable[[Any], None] | None) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            now_ns = time.time_ns()
            for recorder in self._recorders:
                recorder.take(topic.name, topic.type, data, now_ns, topic.latched)
            if topic.name == COLOUR:
                self._on_colour(data)
            elif handle is not None:
                handle(deserialize_message(data, kind))

        return take

    def _on_colour(self, data: bytes) -> None:
        with self._lock:
            _keep(self._colours, header_stamp_ns(data), data, _PICTURES_KEPT)

    def _on_truth(self, message: Any) -> None:
        with self._lock:
            _keep(self._truths, stamp_from(message.header.stamp), message, _MOMENTS_KEPT)

    def _on_distances(self, message: Any) -> None:
        picture = estimates_from(message)
        with self._lock:
            _keep(self._distances, picture.stamp_ns, picture, _PICTURES_KEPT)

    def _on_filtered(self, message: Any) -> None:
        picture = estimates_from(message)
        with self._lock:
            self._filtered = picture
            if self._first_answer is None and picture.estimates:
                self._first_answer = time.monotonic()

    def _on_objects(self, message: Any) -> None:
        stamp = stamp_from(message.header.stamp)
        with self._lock:
            colour, picture = self._colours.get(stamp), self._distances.get(stamp)
            if colour is not None and picture is not None and picture.estimates:
                self._answered = (stamp, colour, picture, message)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {entry.key: entry.value for entry in status.values}
            name, level = str(status.name), ord(status.level)
            with self._lock:
                if name.endswith(_MODEL):
                    self._speed = replace(self._speed, model=str(status.message))
                elif _CAMERA in name:
                    self._speed = self._speed.after(values, str(status.message) if level in _BAD else "")

    def _on_reward(self, message: Any) -> None:
        reason = "" if message.valid else str(message.reason)
        potential, reward = float(message.potential), float(message.reward)
        self._rewarded = Rewarded(str(message.task), str(message.phase), reward, potential, reason)

    # ---- parts ----

    def _rows_of(self, picture: PictureEstimates) -> tuple[Row, ...]:
        scene = self.scene(picture.stamp_ns) if picture.stamp_ns else None
        truths = [scene.value(e) if scene is not None else float("nan") for e in picture.estimates]
        return tuple(map(Row, picture.estimates, picture.rates, truths))


def _keep(kept: OrderedDict[int, Value], key: int, value: Value, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)


def _message_class(name: str) -> Any:
    """Of "package/msg/Kind"; None where the package is not installed, as tf2_msgs may be: no topic is of it then."""
    package, _, kind = name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), kind)
    except ModuleNotFoundError:
        return None


def _profile(topic: Topic) -> QoSProfile:
    return QoSProfile(
        depth=100 if topic.name.startswith("/tf") else 10,
        reliability=QoSReliabilityPolicy.BEST_EFFORT if topic.best_effort else QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if topic.latched else QoSDurabilityPolicy.VOLATILE,
    )
