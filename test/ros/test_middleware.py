"""The profile for Fast DDS: set unless the user has set one, under the name that the version reads."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from spatialvlm_ros.ros.middleware import NEW, OLD, make_room_for_pictures, profile_variable


@pytest.mark.parametrize(
    ("version", "name"), [("3.3.16", OLD), ("7.1.4", OLD), ("9.1.1", NEW), ("10.0.0", NEW), ("unknown", NEW)]
)
def test_jazzy_and_before_read_the_old_variable(version, name):
    assert profile_variable(version) == name


def test_our_profile_is_set_once_and_exists():
    environment: dict[str, str] = {}
    assert make_room_for_pictures(environment) and not make_room_for_pictures(environment)
    (path,) = environment.values()
    assert Path(path).is_file() and set(environment) <= {OLD, NEW}


@pytest.mark.parametrize(
    ("name", "value"),
    [(OLD, "/mine.xml"), (NEW, "/mine.xml"), ("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4"), ("ROS2_EASY_MODE", "10.0.0.1")],
)
def test_what_the_user_has_chosen_stays(name, value):
    """A profile would win over the transports of the environment."""
    environment = {name: value}
    assert not make_room_for_pictures(environment)
    assert environment == {name: value}


def test_a_segment_holds_two_pictures_of_full_size():
    environment: dict[str, str] = {}
    make_room_for_pictures(environment)
    root = ElementTree.parse(next(iter(environment.values()))).getroot()
    size = next(e for e in root.iter() if e.tag.endswith("segment_size"))
    assert int(size.text) >= 2 * 1920 * 1080 * 3
