from __future__ import annotations

import numpy as np
import pytest
from scene_builders import level_scene, thing

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.questions.ambiguity import AmbiguityResolver
from spatialvlm_ros.questions.encoders import StringEncoder


def resolve(*objects, level=2, **options):
    return AmbiguityResolver(**options).resolve([level_scene(*objects, level=level)])[0]


def test_one_of_a_kind_keeps_its_name_without_article():
    assert resolve(thing("A red mug", (0, 0, 1)), thing("the blue bowl.", (1, 0, 1))) == ["red mug", "blue bowl"]


def test_two_alike_side_by_side():
    names = resolve(thing("mug", (0.5, 0, 1)), thing("bowl", (0.2, 0, 1)), thing("mug", (-0.1, 0, 1)))
    assert names == ["mug on the right", "bowl", "mug on the left"]


def test_two_alike_one_behind_the_other():
    names = resolve(thing("mug", (0, 0, 2)), thing("mug", (0.01, 0, 1)))
    assert names == ["mug further from the camera", "mug nearer to the camera"]


def test_two_alike_one_above_the_other():
    # The same distance from the camera, the same side; optical y points down.
    objects = [thing("box", (0, 0.3, 1)), thing("box", (0, -0.3, 1))]
    assert resolve(*objects) == ["box lower down", "box higher up"]
    assert resolve(*objects, level=0) == [None, None]  # without a vertical nothing tells them apart


def test_two_alike_at_one_place_are_dropped():
    assert resolve(thing("mug", (0, 0, 1)), thing("mug", (0.02, 0, 1)), thing("bowl", (1, 0, 1))) == [
        None,
        None,
        "bowl",
    ]


def test_three_alike_are_all_dropped():
    mugs = [thing("mug", (x, 0, 1)) for x in (-0.5, 0, 0.5)]
    assert resolve(*mugs, thing("bowl", (1, 0, 1))) == [None, None, None, "bowl"]


def test_a_chain_of_alikes_is_dropped():
    # "mug" fits both, although "red mug" and "blue mug" are not alike.
    names = resolve(thing("red mug", (-0.5, 0, 1)), thing("mug", (0, 0, 1)), thing("blue mug", (0.5, 0, 1)))
    assert names == [None, None, None]


def test_a_name_that_also_fits_the_other_is_alike():
    assert resolve(thing("red mug", (-0.5, 0, 1)), thing("mug", (0.5, 0, 1))) == [
        "red mug on the left",
        "mug on the right",
    ]


def test_a_word_in_common_is_not_enough():
    assert resolve(thing("table", (0, 0, 3)), thing("table lamp", (0.5, 0, 2))) == ["table", "table lamp"]
    assert resolve(thing("wall", (0, 0, 3)), thing("wall clock", (0.5, 0, 3))) == [None, "wall clock"]


def test_an_attribute_tells_apart():
    assert resolve(thing("red mug", (0, 0, 1)), thing("blue mug", (0.5, 0, 1))) == ["red mug", "blue mug"]


def test_background_is_dropped():
    labels = ["sky", "the cloudy sky", "Sun.", "sunglasses", "floor", "wall clock", "glass of water", ""]
    names = resolve(*(thing(label, (k, 0, 3)) for k, label in enumerate(labels)))
    assert names == [None, None, None, "sunglasses", None, "wall clock", "glass of water", None]


def test_what_nobody_sees_makes_nothing_ambiguous():
    assert resolve(thing("mug", (0, 0, 1)), thing("mug", (1, 0, 1), visible=0.0)) == ["mug", None]
    # One that is half hidden is still seen.
    assert resolve(thing("mug", (0, 0, 1)), thing("mug", (1, 0, 1), visible=0.3))[0] == "mug on the left"


def test_an_encoder_can_be_plugged_in_and_is_asked_once_per_label():
    class Synonyms:
        asked: list[str] = []

        def encode(self, texts):
            self.asked += texts
            return np.array([[1.0, 0] if t in ("sofa", "couch") else [0, 1.0] for t in texts])

    encoder = Synonyms()
    resolver = AmbiguityResolver(encoder, background=())
    scene = level_scene(thing("sofa", (-1, 0, 3)), thing("couch", (1, 0, 3)))
    expected = [["sofa on the left", "couch on the right"]]
    assert resolver.resolve([scene]) == expected == resolver.resolve([scene])
    assert encoder.asked == ["sofa", "couch"]
    assert AmbiguityResolver().resolve([scene]) == [["sofa", "couch"]]


def test_many_scenes_equal_each_alone_and_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("spatialvlm_ros.questions.ambiguity._MAX_LABELS", 12)
    rng = np.random.default_rng(0)
    nouns = ["mug", "bowl", "red mug", "plate", "fork", "big red mug", "knife", "spoon", "sky"]
    scenes = [
        level_scene(*(thing(rng.choice(nouns), rng.uniform([-1, -1, 1], [1, 1, 3])) for _ in range(rng.integers(0, 6))))
        for _ in range(60)
    ]
    scenes += [level_scene(*(thing(f"part{10 * k + m}", (m, 0, 2)) for m in range(5))) for k in range(4)]
    together = AmbiguityResolver().resolve(scenes)
    shared = AmbiguityResolver()
    assert together == [shared.resolve([s])[0] for s in scenes] == [AmbiguityResolver().resolve([s])[0] for s in scenes]
    assert sum(n is not None for names in together for n in names) > 60


def test_similarity_of_strings():
    def similarity(a, b):
        x, y = StringEncoder().encode([a, b])
        return float(x @ y)

    assert similarity("mug", "mug") == pytest.approx(1)
    assert similarity("mug", "mugs") > 0.8 > similarity("mug", "red mug") > similarity("red mug", "blue mug") > 0.3
    assert similarity("red mug", "mug red") == pytest.approx(1)
    assert similarity("sun", "sunglasses") < 0.3 and similarity("apple", "pineapple") < 0.3
    assert np.linalg.norm(StringEncoder().encode([""])) == 0


def test_bad_settings():
    with pytest.raises(ConfigError, match="threshold"):
        AmbiguityResolver(threshold=0)
    with pytest.raises(ConfigError, match="cells"):
        StringEncoder(4)
