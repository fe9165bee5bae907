"""The annotated picture: what is drawn where, and nothing else; found again by comparing with the text's own mask."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from spatialvlm_ros.datasets.preview import palette
from spatialvlm_ros.errors import ObservationError
from spatialvlm_ros.models.estimate import Estimate, LocatedObject, Reason
from spatialvlm_ros.ros.drawing import annotated
from spatialvlm_ros.ros.text_drawing import TextStyle, text_mask
from spatialvlm_ros.scenes.relations import Relation

UInt8 = NDArray[np.uint8]
SIZES = [(480, 640), (720, 1280)]


def picture(height: int = 480, width: int = 640) -> UInt8:
    """A gradient with noise: no two places look alike, and none is as bright as text."""
    rows, columns = np.mgrid[0:height, 0:width]
    base = np.stack([rows / height, columns / width, 0.5 + 0 * rows], -1) * 120
    return (base + np.random.default_rng(0).uniform(0, 40, base.shape)).astype(np.uint8)


def thing(name: str, *box: float, valid: bool = True) -> LocatedObject:
    reason = Reason.OK if valid else Reason.NOT_VISIBLE
    return LocatedObject(name, valid, reason, np.array(box or [np.nan] * 4, float), score=0.9)


def length(subject: str, reference: str = "", value: float = 0.42, relation: Relation = Relation.DISTANCE) -> Estimate:
    return Estimate(relation, subject, reference, value, 0.05, (0.3, 0.5), valid=True, reason=Reason.OK)


def found(picture: UInt8, text: str) -> tuple[float, tuple[float, float]]:
    """How alike the picture is to a white text at the best place, 1 at most, and the middle of that place (x, y)."""
    scale = min(picture.shape[1] / 640, picture.shape[0] / 480)
    mask = text_mask(text, TextStyle(round(0.45 * scale, 3), max(1, int(scale / 1.5))))
    wanted = (255 * mask.fill[..., 0]).astype(np.uint8)
    _, score, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(picture.min(axis=2), wanted, cv2.TM_CCOEFF_NORMED))
    return score, (x + mask.width / 2, y + mask.height / 2)


def colour_share(picture: UInt8, colour: UInt8, box: tuple[int, int, int, int]) -> float:
    x0, y0, x1, y1 = box
    return float((picture[y0:y1, x0:x1] == colour).all(axis=2).mean())


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_names_stand_at_their_boxes_and_the_length_at_the_middle_of_the_line(height: int, width: int) -> None:
    mug, bowl = thing("red mug", 60, 300, 160, 400), thing("bowl", 420, 100, 560, 180)
    drawn = annotated(picture(height, width), [mug, bowl], [length("red mug", "bowl")])
    for text, middle in (("0.42 m ±0.05", (300, 245)), ("red mug", (60, 300)), ("bowl", (420, 100))):
        score, place = found(drawn, text)
        assert score > 0.9, text
        assert np.abs(np.subtract(place, middle)).max() < 60, (text, place)
    assert found(drawn, "0.83 m ±0.05")[0] < 0.9  # the measure tells numbers apart


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_only_boxes_lines_and_labels_change(height: int, width: int) -> None:
    plain = picture(height, width)
    drawn = annotated(plain, [thing("mug", 100, 200, 200, 330)], [length("mug", relation=Relation.HEIGHT)])
    changed = (drawn != plain).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert 130 < rows.min() < 200 and 330 <= rows.max() < 340  # the label is above, the box ends at 330
    assert 90 < columns.min() <= 100 and 200 <= columns.max() < 360
    assert not changed[210:320, 110:190].any()
    red = palette.rgb(0)
    for box in ((99, 220, 102, 320), (199, 220, 202, 320), (120, 329, 180, 332)):
        assert colour_share(drawn, red, box) > 0.6, box


def test_the_input_is_not_touched_and_may_be_any_view_of_memory() -> None:
    plain = picture()
    plain.flags.writeable = False
    args = ([thing("mug", 100, 200, 200, 300)], [length("mug", "unicorn").refused(Reason.UNKNOWN_NAME)], "reward 0.1")
    expected = annotated(plain, *args)
    assert np.array_equal(plain, picture())
    assert expected.shape == plain.shape and expected.dtype == np.uint8 and expected.flags.c_contiguous
    assert np.array_equal(annotated(np.asfortranarray(plain), *args), expected)
    assert np.array_equal(annotated(plain[..., ::-1].copy()[..., ::-1], *args), expected)


def test_nothing_to_say_leaves_the_picture() -> None:
    assert np.array_equal(annotated(picture(), [], []), picture())


def test_what_is_invalid_is_listed_in_grey_with_its_reason() -> None:
    estimates = [
        length("mug", "unicorn").refused(Reason.UNKNOWN_NAME),
        length("mug", relation=Relation.ELEVATION).refused(Reason.NO_FRAME),
    ]
    drawn = annotated(picture(), [thing("mug", 300, 100, 380, 160), thing("spoon", valid=False)], estimates)
    for text in ("distance mug - unicorn: unknown name", "elevation mug: no frame", "spoon: not visible"):
        score, (x, y) = found(drawn, text)
        assert score > 0.9 and x < 320 and y > 400, (text, score, x, y)
    corner = drawn[420:, :150].astype(int)
    letters = corner[corner.min(axis=2) > 190]
    assert len(letters) > 100 and np.ptp(letters, axis=1).max() <= 6 and letters.max() <= 206  # grey, not white


def test_an_answer_about_something_without_a_box_is_listed_too() -> None:
    gap = length("gripper", "mug", relation=Relation.GAP)
    drawn = annotated(picture(), [thing("mug", 300, 100, 380, 160)], [gap])
    score, (x, y) = found(drawn, "gap gripper - mug: 0.42 m ±0.05")
    assert score > 0.9 and x < 320 and y > 400


def test_the_distance_to_the_camera_stands_at_the_object() -> None:
    drawn = annotated(picture(), [thing("mug", 300, 200, 380, 260)], [length("camera", "mug")])
    score, (x, y) = found(drawn, "to camera 0.42 m ±0.05")
    assert score > 0.9 and 250 < x < 450 and 140 < y < 200


def test_a_long_list_is_cut_and_says_so() -> None:
    estimates = [length(f"thing {k}", "mug").refused(Reason.NOT_VISIBLE) for k in range(20)]
    drawn = annotated(picture(), [], estimates)
    assert found(drawn, "and 15 more")[0] > 0.9
    changed = (drawn != picture()).any(axis=2)
    assert changed.any(axis=1).sum() < 150


def test_the_reward_stands_at_the_top_left() -> None:
    score, (x, y) = found(annotated(picture(), [], [], "reward +0.031"), "reward +0.031")
    assert score > 0.9 and x < 150 and y < 30


def test_no_label_is_written_over_another() -> None:
    names = [f"thing {k}" for k in range(5)]
    located = [thing(name, 200 + 12 * k, 200 + 9 * k, 330 + 12 * k, 300 + 9 * k) for k, name in enumerate(names)]
    pairs = list(zip(names, names[1:], strict=False))
    estimates = [length(a, b, 0.11 + 0.11 * k) for k, (a, b) in enumerate(pairs)]
    drawn = annotated(picture(), located, estimates, "reward +0.5")
    for text in [*names, *(f"{e.value:.2f} m ±0.05" for e in estimates), "reward +0.5"]:
        assert found(drawn, text)[0] > 0.85, text


def test_ids_choose_the_colours_whatever_the_order() -> None:
    boxes = {"a": (50, 200, 120, 260), "b": (300, 200, 360, 260)}
    for order in (["a", "b"], ["b", "a"]):
        ids = [{"a": 7, "b": 4}[name] for name in order]
        drawn = annotated(picture(), [thing(name, *boxes[name]) for name in order], [], ids=ids)
        for name, number in (("a", 7), ("b", 4)):
            x0, y0, _, y1 = boxes[name]
            assert colour_share(drawn, palette.rgb(number), (x0 - 1, y0 + 5, x0 + 2, y1 - 5)) > 0.6
        assert found(drawn, "a #7")[0] > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (30, 400), (120, 160), (2160, 3840)])
def test_any_size_of_picture_will_do(shape: tuple[int, int]) -> None:
    located = [thing("a large red mug with a handle", -20, -5, 5000, 5000), thing("b", 2, 2, 3, 3)]
    estimates = [length(located[0].name, "b"), length("b", "c").refused(Reason.NOT_VISIBLE)]
    drawn = annotated(np.zeros((*shape, 3), np.uint8), located, estimates, "reward 1")
    assert drawn.shape == (*shape, 3) and drawn.any()


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_other_arrays_are_refused(wrong: NDArray[np.generic]) -> None:
    with pytest.raises(ObservationError, match="colour picture"):
        annotated(wrong, [], [])  # type: ignore[arg-type]
