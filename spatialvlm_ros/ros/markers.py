"""`marker_shapes` as ``visualization_msgs/MarkerArray``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from numpy.typing import ArrayLike
from visualization_msgs.msg import Marker, MarkerArray

from spatialvlm_ros.models.estimate import Estimate, LocatedObject
from spatialvlm_ros.ros.marker_shapes import Shape, shapes

LIFETIME_S = 2.0


def marker_array(
    header: Any,
    located: Sequence[LocatedObject],
    ids: Sequence[int],
    estimates: Sequence[Estimate],
    rotation: ArrayLike,
    lifetime_s: float = LIFETIME_S,
) -> Any:
    """What RViz shows of one picture.

    The first marker deletes all earlier ones, so that what vanished does not stay; RViz does this and the rest in one
    step, without flicker. If no more pictures come, the markers go by themselves.

    Args:
        header: std_msgs/Header: stamp of the picture, frame of the positions.
        located: objects with positions in that frame.
        ids: of the objects over time, in their order; -1 or missing: none.
        estimates: standing queries.
        rotation: (3, 3), its columns are forward, left and up of ``<camera_frame>_spatial`` in that frame.
        lifetime_s: seconds until a marker goes by itself; 0 for never.

    Raises:
        GeometryError: not a rotation.
    """
    seconds, part = divmod(round(lifetime_s * 1e9), 1_000_000_000)
    lifetime = Duration(sec=int(seconds), nanosec=int(part))
    everything = Marker(header=header, action=Marker.DELETEALL)
    found = shapes(located, ids, estimates, rotation)
    return MarkerArray(markers=[everything, *(_marker(shape, header, lifetime) for shape in found)])


def _marker(shape: Shape, header: Any, lifetime: Any) -> Any:
    marker = Marker(header=header, ns=shape.layer, id=shape.number, action=Marker.ADD, lifetime=lifetime)
    marker.type = getattr(Marker, shape.form.value)
    place, turn = marker.pose.position, marker.pose.orientation
    place.x, place.y, place.z = map(float, shape.position)
    turn.x, turn.y, turn.z, turn.w = shape.quaternion
    marker.scale.x, marker.scale.y, marker.scale.z = map(float, shape.scale)
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = shape.colour
    marker.text = shape.text
    if shape.points is not None:
        marker.points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in shape.points]
    return marker
