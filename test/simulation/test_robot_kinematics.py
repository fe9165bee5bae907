"""The MuJoCo arm against the manufacturer's published kinematics."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.robot import kinematics
from spatialvlm_ros.simulation.robot.panda import add_panda

pytest.importorskip("mujoco")

mujoco = require_mujoco()  # with the OpenGL backend chosen, for the tests that draw


def build(degrees: bool = True, **placing):
    spec = mujoco.MjSpec()
    spec.compiler.degree = degrees
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    panda = add_panda(spec, **placing)
    model = spec.compile()
    return panda, model, mujoco.MjData(model)


@pytest.fixture(scope="module")
def arm():
    return build()


def test_the_flange_is_where_the_data_sheet_puts_it():
    # All joints at 0: the arm is stretched up, the wrist is 88 mm forward and the flange hangs 107 mm down.
    pose = kinematics.flange_pose(np.zeros(7))
    np.testing.assert_allclose(pose[:3, 3], [0.088, 0.0, 0.333 + 0.316 + 0.384 - 0.107], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 2], [0, 0, -1], atol=1e-12)  # it looks down
    # The ready pose of the manufacturer's examples: flange at about (0.307, 0, 0.59), looking down.
    ready = kinematics.flange_pose(kinematics.READY)
    np.testing.assert_allclose(ready[:3, 3], [0.3069, 0.0, 0.5903], atol=2e-4)
    np.testing.assert_allclose(ready[:3, 2], [0, 0, -1], atol=1e-9)


def test_one_joint_turns_the_flange_about_the_base():
    turned = np.array([0.5, *kinematics.READY[1:]])
    c, s = np.cos(0.5), np.sin(0.5)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    expected = about_z @ kinematics.flange_pose(kinematics.READY)[:3, 3]
    np.testing.assert_allclose(kinematics.flange_pose(turned)[:3, 3], expected, atol=1e-12)


def test_the_model_agrees_with_the_published_parameters(arm):
    panda, model, data = arm
    rng = np.random.default_rng(4)
    for _ in range(20):
        q = rng.uniform(kinematics.JOINT_LOWER, kinematics.JOINT_UPPER)
        panda.set_configuration(model, data, q, opening=0.03)
        mujoco.mj_forward(model, data)
        expected = kinematics.tcp_pose(q)
        np.testing.assert_allclose(panda.tcp(model, data), expected[:3, 3], atol=1e-9)
        rotation = data.site_xmat[model.site(panda.tcp_site).id].reshape(3, 3)
        np.testing.assert_allclose(rotation, expected[:3, :3], atol=1e-9)
        assert panda.opening(model, data) == pytest.approx(0.03)


def test_the_pads_are_as_far_apart_as_the_opening_says(arm):
    panda, model, data = arm
    panda.set_configuration(model, data, panda.home, opening=0.05)
    mujoco.mj_forward(model, data)
    left, right = (model.geom(name).id for name in panda.pad_geoms)
    between = mujoco.mj_geomDistance(model, data, left, right, 1.0, None)
    assert between == pytest.approx(0.05, abs=1e-6)
    middle = (data.geom_xpos[left] + data.geom_xpos[right]) / 2
    assert np.linalg.norm(middle - panda.tcp(model, data)) < 0.001
    hand_y = data.site_xmat[model.site(panda.tcp_site).id].reshape(3, 3)[:, 1]
    apart = data.geom_xpos[left] - data.geom_xpos[right]
    assert abs(hand_y @ apart) / np.linalg.norm(apart) > 0.999


@pytest.mark.parametrize("degrees", [True, False])
def test_joint_limits_hold_in_either_angle_unit_of_the_model(degrees):
    panda, model, _ = build(degrees)
    ranges = np.array([model.joint(name).range for name in panda.joints])
    np.testing.assert_allclose(ranges[:, 0], kinematics.JOINT_LOWER, atol=1e-6)
    np.testing.assert_allclose(ranges[:, 1], kinematics.JOINT_UPPER, atol=1e-6)


def test_servos_hold_the_arm_against_gravity(arm):
    panda, model, data = arm
    mujoco.mj_resetData(model, data)
    panda.set_configuration(model, data, panda.home)
    mujoco.mj_forward(model, data)
    start = panda.tcp(model, data)
    mujoco.mj_step(model, data, 500)
    np.testing.assert_allclose(panda.tcp(model, data), start, atol=1e-4)


def test_a_base_that_is_moved_and_turned_carries_the_hand_along():
    half = 0.7 / 2
    panda, model, data = build(pos=(0.2, -0.3, 0.8), quat=(0, 0, np.sin(half), np.cos(half)))
    panda.set_configuration(model, data, panda.home)
    mujoco.mj_forward(model, data)
    c, s = np.cos(0.7), np.sin(0.7)
    local = kinematics.tcp_pose(kinematics.READY)[:3, 3]
    expected = np.array([0.2, -0.3, 0.8]) + np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ local
    np.testing.assert_allclose(panda.tcp(model, data), expected, atol=1e-9)


def test_two_arms_in_one_model_do_not_mix():
    spec = mujoco.MjSpec()
    one, two = add_panda(spec), add_panda(spec, pos=(0, 1, 0), prefix="second/")
    model = spec.compile()
    assert not set(one.geom_ids(model)) & set(two.geom_ids(model))
    assert len(one.geom_ids(model)) == len(two.geom_ids(model)) > 20
    assert set(one.gripper_geom_ids(model)) < set(one.geom_ids(model))


def test_inverse_kinematics_comes_back_to_the_asked_pose(arm):
    panda, model, data = arm
    rng = np.random.default_rng(0)
    scratch = mujoco.MjData(model)
    for _ in range(25):
        position = rng.uniform([0.3, -0.35, 0.02], [0.62, 0.35, 0.4])
        yaw = float(rng.uniform(-1.5, 1.5))
        found = panda.inverse_kinematics(model, position, yaw, scratch=scratch)
        assert found.reached
        pose = kinematics.tcp_pose(found.q)  # checked with the published parameters, not with the model
        np.testing.assert_allclose(pose[:3, 3], position, atol=2e-4)
        np.testing.assert_allclose(pose[:3, 2], [0, 0, -1], atol=2e-3)
        np.testing.assert_allclose(pose[:3, 1], [np.sin(yaw), -np.cos(yaw), 0], atol=2e-3)
        assert (found.q >= kinematics.JOINT_LOWER).all() and (found.q <= kinematics.JOINT_UPPER).all()


def test_inverse_kinematics_stays_near_its_start(arm):
    panda, model, _ = arm
    first = panda.inverse_kinematics(model, (0.5, 0.0, 0.2), 0.0)
    second = panda.inverse_kinematics(model, (0.52, 0.0, 0.2), 0.0, q0=first.q)
    assert np.abs(second.q - first.q).max() < 0.15


def test_a_point_out_of_reach_is_reported_and_within_the_limits(arm):
    panda, model, _ = arm
    found = panda.inverse_kinematics(model, (1.4, 0.0, 0.5))
    assert not found.reached and found.position_error > 0.3
    assert (found.q >= kinematics.JOINT_LOWER).all() and (found.q <= kinematics.JOINT_UPPER).all()


def test_bad_configurations_are_refused(arm):
    panda, model, data = arm
    with pytest.raises(SimulationError, match="limits"):
        panda.set_configuration(model, data, [0, 0, 0, 0.5, 0, 0, 0])  # joint 4 cannot be positive
    with pytest.raises(SimulationError, match="open"):
        panda.set_configuration(model, data, panda.home, opening=0.2)
    with pytest.raises(SimulationError, match="quaternion"):
        add_panda(mujoco.MjSpec(), quat=(0, 0, 0, 2))
