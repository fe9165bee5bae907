"""What corrects the scale that all monocular lengths of a view share, against closed forms."""

import numpy as np
import pytest

from spatialvlm_ros.models.shared_scale import scale_posterior

NOTHING = (np.full(2, np.nan), np.full(2, np.nan))
UNKNOWN = (float("nan"), float("nan"))


def posterior(measured=NOTHING, sized=NOTHING, height=UNKNOWN, stds=(0.25, 0.25)):
    return scale_posterior(np.array(stds), 0.25, 0.2, measured, sized, height)


def test_without_measurements_the_prior_stays():
    p = posterior()
    assert p.shared_mean == 0 and p.shared_std == pytest.approx(0.2)
    np.testing.assert_allclose(p.range_stds(), 0.25)
    np.testing.assert_allclose(p.shared_share(), 1.0)


def test_a_known_camera_height_moves_all_ranges_alike():
    own = 0.25**2 - 0.2**2
    p = posterior(height=(0.3, 0.001))
    gain = 0.2**2 / (0.2**2 + own + 1e-6)
    assert p.shared_mean == pytest.approx(0.3 * gain, rel=1e-6)
    np.testing.assert_allclose(p.range_corrections(), p.shared_mean)
    assert p.shared_std == pytest.approx(0.2 * np.sqrt(1 - gain), rel=1e-6)
    np.testing.assert_allclose(p.range_stds(), np.hypot(p.shared_std, np.sqrt(own)), rtol=1e-6)


def test_a_measured_object_is_corrected_fully_and_tells_something_of_the_other():
    p = posterior(measured=(np.array([0.3, np.nan]), np.array([0.005, np.nan])))
    measured, other = p.range_corrections()
    assert measured == pytest.approx(0.3, abs=1e-3)
    assert other == pytest.approx(0.3 * 0.2**2 / 0.25**2, rel=1e-2)
    assert p.range_stds()[0] < 0.006 < 0.15 < p.range_stds()[1] < 0.25
    assert p.shared_share()[0] < 0.01 and p.shared_share()[1] == pytest.approx(1.0, abs=0.01)


def test_many_measured_objects_tell_the_scale():
    n = 30
    rng = np.random.default_rng(0)
    values = 0.25 + 0.15 * rng.standard_normal(n)
    nothing = (np.full(n, np.nan), np.full(n, np.nan))
    p = scale_posterior(np.full(n, 0.25), 0.25, 0.2, (values, np.full(n, 0.001)), nothing, UNKNOWN)
    assert p.shared_mean == pytest.approx(values.mean(), abs=0.02)
    assert p.shared_std < 0.04


def test_an_object_without_a_said_range_takes_the_measured_one():
    p = scale_posterior(
        np.array([np.nan]), float("nan"), 0.2, (np.array([0.9]), np.array([0.01])), (NOTHING[0][:1],) * 2, UNKNOWN
    )
    assert p.range_corrections()[0] == pytest.approx(0.9, abs=0.01)
    assert abs(p.shared_mean) < 0.01  # nothing is learnt of the scale
