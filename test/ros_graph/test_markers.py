"""Markers as real messages: what vanished goes, the rest is as its shape says, and all of it can be sent."""

from __future__ import annotations

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from spatialvlm_ros.models.estimate import Estimate, LocatedObject, Reason
from spatialvlm_ros.ros.marker_shapes import shapes
from spatialvlm_ros.ros.markers import marker_array
from spatialvlm_ros.scenes.relations import Relation

ROTATION = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


def located(name: str, *position: float) -> LocatedObject:
    box = np.array([1.0, 2.0, 30.0, 40.0])
    return LocatedObject(name, True, Reason.OK, box, 0.9, np.array(position), size=np.array([0.3, 0.2, 0.6]))


def header() -> Header:
    made = Header(frame_id="camera_optical")
    made.stamp.sec, made.stamp.nanosec = 12, 34
    return made


def test_messages_say_what_the_shapes_say() -> None:
    things = [located("mug", 0.1, 0.2, 1.0), located("bowl", 0.5, 0.2, 1.0)]
    answers = [Estimate(Relation.DISTANCE, "mug", "bowl", 0.4, 0.05, valid=True, reason=Reason.OK)]
    sent = marker_array(header(), things, [3, 4], answers, ROTATION, lifetime_s=1.25)
    clear, *markers = deserialize_message(serialize_message(sent), MarkerArray).markers
    assert clear.action == Marker.DELETEALL and clear.header == header()
    expected = shapes(things, [3, 4], answers, ROTATION)
    assert len(markers) == len(expected) == 6
    types = {"CUBE": Marker.CUBE, "TEXT_VIEW_FACING": Marker.TEXT_VIEW_FACING, "LINE_LIST": Marker.LINE_LIST}
    for marker, shape in zip(markers, expected, strict=True):
        assert marker.header == header() and marker.action == Marker.ADD
        assert (marker.ns, marker.id, marker.text) == (shape.layer, shape.number, shape.text)
        assert marker.type == types[str(shape.form)]
        place, scale, turn = marker.pose.position, marker.scale, marker.pose.orientation
        assert np.allclose([place.x, place.y, place.z], shape.position)
        assert np.allclose([scale.x, scale.y, scale.z], shape.scale)
        assert np.allclose([turn.x, turn.y, turn.z, turn.w], shape.quaternion)
        colour = marker.color
        assert np.allclose([colour.r, colour.g, colour.b, colour.a], shape.colour)
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (1, 250_000_000)
        ends = np.array([[p.x, p.y, p.z] for p in marker.points])
        assert ends.size == 0 if shape.points is None else np.allclose(ends, shape.points)
    assert "±" in markers[-1].text


def test_an_empty_picture_clears_what_was_shown() -> None:
    (only,) = marker_array(header(), [], [], [], ROTATION).markers
    assert only.action == Marker.DELETEALL
