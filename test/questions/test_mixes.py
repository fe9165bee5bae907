from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES
from spatialvlm_ros.questions.mixes import get_mix, load_mixes, parse_mix

QUALITATIVE = np.array([f.qualitative for f in FAMILIES.values()])


def test_paper_weights_add_up_to_the_plotted_totals():
    weights = get_mix("paper").weights
    assert weights[0].sum() == 48 and weights[2].sum() == 81
    # 16.7% and 22.2% numeric are the paper's own figures.
    assert weights[0][~QUALITATIVE].sum() / 48 == pytest.approx(1 / 6)
    assert weights[2][~QUALITATIVE].sum() / 81 == pytest.approx(2 / 9)


def test_paper_mix_without_a_frame_drops_big_and_small_and_renormalises():
    p = dict(zip(FAMILY_NAMES, get_mix("paper").probabilities(0), strict=True))
    assert all(v == 0 for n, v in p.items() if n.startswith(("big", "small")))
    assert sum(p.values()) == pytest.approx(1)
    assert p["distance"] / p["left_diff"] == pytest.approx(4)
    assert p["distance"] == pytest.approx(4 / 43)  # 5 of 48 are dropped


def test_paper_mix_with_up_but_no_plane_only_loses_elevation():
    p1, p2 = (dict(zip(FAMILY_NAMES, get_mix("paper").probabilities(k), strict=True)) for k in (1, 2))
    assert p1["elevation"] == 0 and p2["elevation"] == pytest.approx(1 / 81)
    assert {n for n in FAMILY_NAMES if p1[n] == 0} == {"elevation"}


@pytest.mark.parametrize("name", ["balanced", "paper"])
@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("objects", [0, 1, 2])
def test_probabilities_respect_level_and_objects(name, level, objects):
    p = get_mix(name).probabilities(level, objects)
    for f, value in zip(FAMILIES.values(), p, strict=True):
        if value > 0:
            assert f.min_level <= level and (f.objects <= objects or f.camera and objects == 1)
    assert p.sum() == pytest.approx(1 if objects else 0)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_balanced_is_half_numeric_at_every_level(level):
    p = get_mix("balanced").probabilities(level)
    assert p[QUALITATIVE].sum() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"levels": {0: "even", 1: "even"}}, "each frame level"),
        ({"levels": {0: "even", 1: "even", 2: "odd"}}, "tables it does not have"),
        ({"tables": {"even": {"lefty": 1}}}, "lefty"),
        ({"tables": {"even": {"gap": -1}}}, "bad weight"),
        ({"tables": {"even": {"all": 0}}}, "bad weight"),
        ({"shares": {"qualitative": 0.7, "numeric": 0.7}}, "do not add up"),
        ({"shares": {"qualitative": 1.0}}, "incomplete"),
        ({"extra": 1}, "levels and tables"),
    ],
)
def test_bad_mixes_are_refused_by_name(change, match):
    good = {"levels": {0: "even", 1: "even", 2: "even"}, "tables": {"even": {"all": 1}}}
    parse_mix("mine", good)
    with pytest.raises(ConfigError, match=match):
        parse_mix("mine", {**good, **change})


def test_unknown_mix_and_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="balanced"):
        get_mix("even")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_mixes(tmp_path / "none.yaml")
