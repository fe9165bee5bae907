"""Room for pictures in the shared memory of Fast DDS, the usual middleware of ROS 2.

Its default segment is smaller than a picture of 640x480: a publisher of pictures waits for its readers in the middle of
one, and messages of all its topics come late or not at all (docs/ros.md, "Keeping up with the camera").
"""

from __future__ import annotations

import logging
import os
from collections.abc import MutableMapping
from importlib.metadata import PackageNotFoundError, version

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.shared_files import shared_file

_log = logging.getLogger(__name__)

PROFILE = "config/ros/fastdds.xml"
# The variables that name a profile. Either is read by some versions only, and the old one is warned of by the new.
OLD, NEW = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
# A user who sets these has chosen the transports, which a profile would take away again.
TRANSPORTS = ("FASTDDS_BUILTIN_TRANSPORTS", "ROS2_EASY_MODE")
_FIRST_WITH_NEW = 8  # major version of rclpy: 7 is Jazzy's, 9 Kilted's


def profile_variable(rclpy_version: str | None = None) -> str:
    """The environment variable that names a profile of Fast DDS.

    Args:
        rclpy_version: e.g. "7.1.4"; None for the one that is installed (none of either: that of new versions).
    """
    try:
        major = (rclpy_version or version("rclpy")).split(".")[0]
    except PackageNotFoundError:
        return NEW
    return OLD if major.isdigit() and int(major) < _FIRST_WITH_NEW else NEW


def make_room_for_pictures(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Has Fast DDS take our profile; call it before ``rclpy.init``. What the user has set stays.

    Returns:
        Whether it was set.
    """
    if any(environment.get(name) for name in (OLD, NEW, *TRANSPORTS)):
        return False
    try:
        profile = shared_file(PROFILE)
    except ConfigError as error:  # pictures may be late then, and everything works
        _log.warning("%s", error)
        return False
    environment[profile_variable()] = str(profile)
    return True
