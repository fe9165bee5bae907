"""A tool centre point that the robot knows: geometry alone, whatever the model reads from the picture."""

import numpy as np
import pytest
from oracle import Noise, Oracle, make_scene

from spatialvlm_ros.models.estimate import Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

# The oracle knows no gripper: whatever it is asked of it, it says about 0.3 m, and is sure of it.
SURE = Noise(shared=0.001, own=0.001, size=0.001, center=0.1, direct=0.01)


def measured(relation, away):
    scene = make_scene(3)
    target = scene.objects[0]
    up = scene.frame.up
    point = target.box3d.centers[0] + up * (target.box3d.extent_along(up)[0] / 2 + away)
    view = SpatialVLM(Oracle({3: scene}, SURE)).look(scene.observation, gripper=point)
    return view.measure_many([Query("gripper", target.label, relation)])[0]


@pytest.mark.parametrize("away", [0.02, 0.08, 1.2])
def test_the_gap_to_the_tool_centre_point_is_that_of_the_geometry(away):
    found = measured("gap", away)
    assert found.valid and found.value == pytest.approx(away, rel=0.1, abs=0.008)
    assert Source.TF in found.sources


@pytest.mark.parametrize("away", [-0.01, 0.25])
def test_a_touch_follows_the_same_geometry(away):
    assert (measured("touching", away).value > 0.5) == (away < 0)


def test_objects_without_the_gripper_are_read_both_ways_as_before():
    scene = make_scene(3)
    names = [o.label for o in scene.objects[:2]]
    for gripper in (None, np.array([0.0, 0.0, 0.5])):
        readouts = SpatialVLM(Oracle({3: scene})).look(scene.observation, gripper=gripper).readouts([Query(*names)])
        assert 0.05 < readouts.direct_weight[0] < 0.95
