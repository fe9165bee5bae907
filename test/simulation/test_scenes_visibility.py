"""Visible fractions against analytic ones."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.cameras import Camera

mujoco = pytest.importorskip("mujoco")

from spatialvlm_ros.simulation.gaps import Posed  # noqa: E402
from spatialvlm_ros.simulation.rendering import CameraPose, Renderer  # noqa: E402
from spatialvlm_ros.simulation.solids import Solid  # noqa: E402
from spatialvlm_ros.simulation.truth import Thing  # noqa: E402
from spatialvlm_ros.simulation.views import instance_picture  # noqa: E402
from spatialvlm_ros.simulation.visibility import amodal_window, visible_fractions  # noqa: E402

# Looking along +y at upright plates 1 m and 2 m away; x is to the right.
POSE = CameraPose.look_at(np.zeros(3), np.array([0.0, 1.0, 0.0]))
CAMERA = Camera.from_hfov(160, 120, np.radians(60))


def _fractions(plates: list[tuple[tuple[float, float, float], tuple[float, float, float]]]) -> np.ndarray:
    """Of boxes given as centre and full size."""
    spec = mujoco.MjSpec()
    things = []
    for k, (center, size) in enumerate(plates):
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=np.array(size) / 2, pos=center)
        solid = Solid.of_boxes(np.zeros((1, 3)), np.array([size]))
        posed = Posed(solid, np.eye(3), np.array(center))
        things.append(Thing("plate", "plate", (), "", posed, np.array([k]), "floor", solid.center, solid.size))
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with Renderer(model, 160, 160) as renderer:
        picture = renderer.render(data, POSE, CAMERA, rgb=False)
        instances = instance_picture(picture.geom_ids, tuple(things), model.ngeom)
        pixels = np.bincount(instances.ravel(), minlength=len(things) + 1)[1:]
        windows = np.stack([amodal_window(t, POSE) for t in things])
        nothing = np.zeros((len(things), len(things)), bool)
        return visible_fractions(things, pixels, windows, nothing, data, POSE, CAMERA, renderer)


def test_a_plate_half_hidden_by_another() -> None:
    # The near one (1 m) covers x / z from -0.2 to 0.0, the far one reaches from -0.1 to 0.1.
    found = _fractions([((0, 2, 0), (0.4, 0.001, 0.5)), ((-0.1, 1, 0), (0.2, 0.001, 0.6))])
    assert found[0] == pytest.approx(0.5, abs=0.03)
    assert found[1] == pytest.approx(1, abs=0.02)


def test_a_quarter_hidden_from_above() -> None:
    found = _fractions([((0, 2, 0), (0.4, 0.001, 0.8)), ((0, 1, 0.15), (0.3, 0.001, 0.1))])
    assert found[0] == pytest.approx(0.75, abs=0.03)


def test_a_plate_cut_off_by_the_border() -> None:
    edge = np.tan(np.radians(30)) * 2  # right border at 2 m
    found = _fractions([((edge + 0.1, 2, 0), (0.6, 0.001, 0.4)), ((-0.5, 2, 0), (0.3, 0.001, 0.3))])
    assert found[0] == pytest.approx(0.2 / 0.6, abs=0.03)
    assert found[1] == 1.0


def test_hidden_wholly_is_zero() -> None:
    found = _fractions([((0, 2, 0), (0.2, 0.001, 0.2)), ((0, 1, 0), (0.3, 0.001, 0.3))])
    assert found.tolist() == [0.0, 1.0]


def test_what_reaches_behind_the_camera_is_seen_in_part() -> None:
    found = _fractions([((0.6, 1, -0.5), (0.4, 4, 0.1)), ((-0.3, 2, 0), (0.2, 0.001, 0.2))])
    assert 0 < found[0] < 0.8
    assert found[1] == 1.0
