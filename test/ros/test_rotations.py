"""Quaternions of messages: x, y, z, w, whichever library makes them."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from spatialvlm_ros.errors import MissingDependencyError
from spatialvlm_ros.ros import rotations

pytest.importorskip("transforms3d")


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_the_quaternion_is_that_of_the_rotation(vector):
    rotation = Rotation.from_rotvec(vector).as_matrix()
    found = rotations.quaternion_of(rotation)
    assert found[3] >= 0
    np.testing.assert_allclose(Rotation.from_quat(found).as_matrix(), rotation, atol=1e-9)


def test_tf_transformations_is_used_where_it_is_installed(monkeypatch):
    asked = []

    def quaternion_from_matrix(matrix):
        asked.append(matrix.shape)
        return Rotation.from_matrix(matrix[:3, :3]).as_quat()

    module = types.ModuleType("tf_transformations")
    module.quaternion_from_matrix = quaternion_from_matrix
    monkeypatch.setitem(sys.modules, "tf_transformations", module)
    rotations._convert.cache_clear()
    turn = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    np.testing.assert_allclose(rotations.quaternion_of(turn), [0, 0, 0.5**0.5, 0.5**0.5], atol=1e-9)
    assert asked == [(4, 4)]
    rotations._convert.cache_clear()


def test_without_either_it_says_what_to_install(monkeypatch):
    for name in ("tf_transformations", "transforms3d", "transforms3d.quaternions"):
        monkeypatch.setitem(sys.modules, name, None)
    rotations._convert.cache_clear()
    with pytest.raises(MissingDependencyError, match="transforms3d"):
        rotations.quaternion_of(np.eye(3))
    rotations._convert.cache_clear()
