"""Boxes around what a rough box holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.rewards.following.outlining import outlined

TRUE = np.array([90.0, 60.0, 122.0, 108.0])


def table(*things, noise=4, shape=(180, 240)):
    """A brown ground with noise and a fall of light, and things: (box, colour)."""
    rng = np.random.default_rng(0)
    rgb = np.empty((*shape, 3))
    rgb[:] = (130, 100, 70)
    rgb *= np.linspace(0.8, 1.1, shape[1])[None, :, None]
    for (x0, y0, x1, y1), colour in things:
        rgb[int(y0) : int(y1), int(x0) : int(x1)] = colour
    return np.clip(rgb + rng.normal(0, noise, rgb.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("rough", [(8, -6, 12, 4), (-14, 5, -10, 9), (-6, -8, 7, 10), (5, 6, -5, -8)])
def test_a_rough_box_is_drawn_to_the_edges(rough):
    rgb = table((TRUE, (40, 90, 200)))
    np.testing.assert_allclose(outlined(rgb, TRUE + np.array(rough)).box, TRUE, atol=1)


def test_the_same_picture_gives_the_same_box():
    rgb = table((TRUE, (150, 90, 80)), noise=25)
    rough = TRUE + np.array([6.0, -4.0, 9.0, 5.0])
    np.testing.assert_array_equal(outlined(rgb, rough).box, outlined(rgb.copy(), rough.copy()).box)


def test_another_thing_beside_it_is_left_out():
    other = (130.0, 60.0, 150.0, 108.0)
    rgb = table((TRUE, (40, 90, 200)), (other, (200, 60, 40)))
    np.testing.assert_allclose(outlined(rgb, TRUE + np.array([3.0, -3.0, 2.0, 4.0])).box, TRUE, atol=1)


@pytest.mark.parametrize("rough", [(100, 70, 101, 90), (-40, 20, -10, 60), (0, 0, 240, 180), (230, 170, 300, 260)])
def test_a_box_that_holds_nothing_to_tell_apart_stays(rough):
    rough = np.array(rough, dtype=float)
    found = outlined(table(noise=0), rough).box
    assert np.isfinite(found).all() and (found[2:] > found[:2]).all()
    if not (rough[2:] - rough[:2] > 20).all() or rough[0] <= 0:
        np.testing.assert_array_equal(found, rough)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-300, 500), min_size=4, max_size=4))
def test_any_box_gives_a_box(edges):
    rough = np.concatenate([np.minimum(edges[:2], edges[2:]), np.maximum(edges[:2], edges[2:])])
    found = outlined(table((TRUE, (40, 90, 200))), rough).box
    assert found.shape == (4,) and np.isfinite(found).all()


def test_the_mask_is_the_thing_and_not_its_box():
    rgb = table()
    y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
    disc = (x - 105.5) ** 2 + (y - 83.5) ** 2 < 20**2
    rgb[disc] = (40, 90, 200)
    found = outlined(rgb, np.array([80.0, 66.0, 130.0, 106.0]))
    assert found.told_apart and (found.mask ^ disc).sum() < 0.05 * disc.sum()
    nothing = outlined(np.full_like(rgb, 90), TRUE)
    assert not nothing.told_apart and nothing.mask.sum() == 32 * 48


def test_a_large_picture_is_worked_on_smaller():
    """Within two pixels of what it is made smaller by, and the mask has its size."""
    true = TRUE * 6
    rgb = table((true, (40, 90, 200)), shape=(1080, 1440))
    found = outlined(rgb, true + np.array([48.0, -36.0, 72.0, 24.0]))
    assert found.told_apart and found.mask.shape == (1080, 1440)
    np.testing.assert_allclose(found.box, true, atol=6)
    rows, columns = slice(int(true[1]), int(true[3])), slice(int(true[0]), int(true[2]))
    assert found.mask[rows, columns].mean() > 0.97 and found.mask.sum() < 1.06 * found.mask[rows, columns].sum()
