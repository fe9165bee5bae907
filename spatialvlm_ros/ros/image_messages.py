"""Pictures as messages. Needs ROS messages when it is called, not when it is imported."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags.images import image_fields


def image_message(pixels: NDArray[Any], encoding: str, header: Any = None) -> Any:
    """sensor_msgs/Image.

    Args:
        pixels: (H, W) or (H, W, C) of the type that ``encoding`` names.
        encoding: as ROS names it, e.g. "rgb8", "16UC1".
        header: std_msgs/Header; an empty one by default.
    """
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    fields = image_fields(pixels, encoding)
    # Bytes would be checked one by one; an array is taken as it is.
    data = array.array("B", np.ascontiguousarray(fields.pop("data")).tobytes())
    return Image(header=header or Header(), data=data, **fields)
