"""Folders of pictures as people have them, and as they should not be."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from spatialvlm_ros.datasets.sources import captures as reasons
from spatialvlm_ros.datasets.sources.picture_files import PictureFile, read_picture
from spatialvlm_ros.datasets.sources.pictures import PictureFolder
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import CameraModelError, ConfigError, DatasetError, SourceError
from spatialvlm_ros.perception.capture import Capture

HEIGHT, WIDTH = 60, 100


def picture() -> np.ndarray:
    """(60, 100, 3): red in the upper left corner, green upper right, blue lower left; the rest is grey."""
    rgb = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    rgb[:20, :30] = (250, 10, 10)
    rgb[:20, -30:] = (10, 250, 10)
    rgb[-20:, :30] = (10, 10, 250)
    return rgb


def save(path: Path, image: Image.Image, exif: dict[int, object] | None = None, **options: object) -> Path:
    tags, given = image.getexif(), dict(exif or {})
    if 0x0112 in given:
        tags[0x0112] = given.pop(0x0112)
    if given:
        tags[0x8769] = given
    image.save(path, exif=tags, **options)
    return path


def corner_colours(rgb: np.ndarray) -> list[int]:
    """Which channel is the strongest in the upper left, upper right and lower left corner."""
    return [int(rgb[y, x].argmax()) for y, x in ((5, 5), (5, -5), (-5, 5))]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "P", "LA", "1"])
def test_every_colour_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = ".jpg" if mode in ("RGB", "L", "CMYK") else ".png"
    path = save(tmp_path / f"x{suffix}", Image.fromarray(picture()).convert(mode))
    read = read_picture(path)
    assert isinstance(read, PictureFile)
    assert read.rgb.shape == (HEIGHT, WIDTH, 3) and read.rgb.dtype == np.uint8
    if mode in ("RGB", "CMYK", "RGBA", "P"):
        assert corner_colours(read.rgb) == [0, 1, 2]


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, WIDTH).astype(np.uint16)[None].repeat(HEIGHT, 0)
    cv2.imwrite(str(tmp_path / "x.png"), ramp)
    read = read_picture(tmp_path / "x.png")
    np.testing.assert_allclose(read.rgb[10, :, 1], np.linspace(0, 255, WIDTH), atol=1.5)


def test_exif_turns_the_picture_and_keeps_the_focal_length(tmp_path: Path) -> None:
    # Orientation 6: the stored picture has to be turned by 90 degrees clockwise to be upright.
    stored = Image.fromarray(np.rot90(picture(), 1))  # counter-clockwise
    path = save(tmp_path / "x.jpg", stored, {0x0112: 6, 0xA405: 28})
    read = read_picture(path)
    assert read.rgb.shape == (HEIGHT, WIDTH, 3)
    assert corner_colours(read.rgb) == [0, 1, 2]
    assert read.focal == pytest.approx(28 / math.hypot(36, 24) * math.hypot(WIDTH, HEIGHT), rel=1e-6)


def test_focal_length_from_the_sensor(tmp_path: Path) -> None:
    # 4.2 mm, 300 pixels per millimetre, recorded 200 pixels wide but stored 100: 630 pixels.
    exif = {0x920A: 4.2, 0xA20E: 3000.0, 0xA210: 3, 0xA002: 200}
    read = read_picture(save(tmp_path / "x.jpg", Image.fromarray(picture()), exif))
    assert read.focal == pytest.approx(4.2 * 300 * 0.5, rel=1e-3)
    nonsense = {0x920A: 4.2, 0xA20E: 0.0}
    assert read_picture(save(tmp_path / "y.jpg", Image.fromarray(picture()), nonsense)).focal is None
    telescope = {0xA405: 60000}
    assert read_picture(save(tmp_path / "z.jpg", Image.fromarray(picture()), telescope)).focal is None


def test_shrinking_keeps_the_field_of_view(tmp_path: Path) -> None:
    big = Image.fromarray(picture()).resize((4000, 2400))
    path = save(tmp_path / "x.jpg", big, {0xA405: 28})
    whole, small = read_picture(path), read_picture(path, max_side=500)
    assert small.rgb.shape == (300, 500, 3)
    assert small.camera().hfov() == pytest.approx(whole.camera().hfov(), rel=1e-3)
    assert corner_colours(small.rgb) == [0, 1, 2]


def test_unusable_files_have_a_reason(tmp_path: Path) -> None:
    good = save(tmp_path / "good.jpg", Image.fromarray(picture())).read_bytes()
    cases = {
        "empty.jpg": (b"", reasons.EMPTY_FILE),
        "cut.jpg": (good[: len(good) // 2], reasons.UNREADABLE_PICTURE),
        "head.jpg": (good[:30], reasons.UNREADABLE_PICTURE),
        "text.png": (b"not a picture", reasons.UNREADABLE_PICTURE),
        "zeros.png": (bytes(500), reasons.UNREADABLE_PICTURE),
    }
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        assert read_picture(tmp_path / name) == reason, name
    assert read_picture(tmp_path / "good.jpg", max_megapixels=0.005) == reasons.PICTURE_TOO_LARGE
    assert read_picture(save(tmp_path / "s.png", Image.new("RGB", (90, 4)))) == reasons.PICTURE_TOO_SMALL
    assert read_picture(tmp_path / "missing.png") == reasons.UNREADABLE_PICTURE


@pytest.mark.parametrize("seed", range(30))
def test_damaged_bytes_never_raise(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(save(tmp_path / "x.jpg", Image.fromarray(picture()), {0xA405: 28}).read_bytes())
    place = rng.integers(0, len(content) - 20)
    content[place : place + 20] = rng.integers(0, 256, 20, dtype=np.uint8).tobytes()
    (tmp_path / "x.jpg").write_bytes(content)
    read = read_picture(tmp_path / "x.jpg")
    assert isinstance(read, (str, PictureFile))


def test_folder_gives_captures_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    save(tmp_path / "b.jpg", Image.fromarray(picture()), {0xA405: 28})
    save(tmp_path / "sub" / "a.PNG", Image.fromarray(picture()), format="PNG")
    save(tmp_path / ".hidden" / "c.png", Image.fromarray(picture()))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "a.jpg").write_bytes(b"")
    folder = PictureFolder(tmp_path, hfov_deg=70)
    items = [folder.capture(i) for i in range(len(folder))]
    assert items[0] == SkippedView("a.jpg", reasons.EMPTY_FILE)
    assert [item.name for item in items[1:]] == ["b.jpg", "sub/a.PNG"]
    # EXIF wins over the assumed angle.
    assert math.degrees(items[1].camera.hfov()) != pytest.approx(70, abs=1)
    assert math.degrees(items[2].camera.hfov()) == pytest.approx(70)
    assert PictureFolder(tmp_path).capture(2).camera is None


def test_the_assumed_angle_is_that_of_the_longer_side(tmp_path: Path) -> None:
    save(tmp_path / "tall.png", Image.fromarray(np.rot90(picture()).copy()))
    capture = PictureFolder(tmp_path, hfov_deg=70).capture(0)
    assert isinstance(capture, Capture)
    assert math.degrees(capture.camera.vfov()) == pytest.approx(70)


def test_folders_without_pictures_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file to read"):
        len(PictureFolder(tmp_path))
    with pytest.raises(SourceError, match="no such folder"):
        len(PictureFolder(tmp_path / "nowhere"))
    with pytest.raises(CameraModelError, match="field of view"):
        PictureFolder(tmp_path, hfov_deg=200)
    with pytest.raises(CameraModelError, match="not radians"):
        PictureFolder(tmp_path, hfov_deg=1.2)
    with pytest.raises(ConfigError, match="max_side"):
        PictureFolder(tmp_path, max_side=0)


def marked_folder(tmp_path: Path) -> Path:
    """Three colour pictures with two of depth, a camera model, and a box drawn in two of them."""
    for name in ("rgb", "depth"):
        (tmp_path / name).mkdir()
    (tmp_path / "camera.yaml").write_text("{width: 160, height: 120, fx: 150, fy: 150, cx: 79.5, cy: 59.5}")
    rgb = np.full((120, 160, 3), (120, 130, 110), np.uint8)
    rgb += np.random.default_rng(0).integers(0, 12, rgb.shape, dtype=np.uint8)
    rgb[40:80, 60:110] = (220, 30, 30)
    depth = np.full((120, 160), 3000, np.uint16)
    depth[40:80, 60:110] = 2000
    for index in range(3):
        cv2.imwrite(str(tmp_path / "rgb" / f"{index}.png"), rgb[..., ::-1])
        cv2.imwrite(str(tmp_path / "depth" / f"{index}.png"), depth)
    (tmp_path / "depth" / "1.png").unlink()
    labels = {"pictures": {f"rgb/{i}.png": [{"label": "A red box.", "box": [55, 35, 115, 85]}] for i in (0, 1)}}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    return tmp_path


def test_labels_beside_pictures_make_views_without_any_weights(tmp_path: Path) -> None:
    """From files on disk to views: hand-drawn boxes, a camera model and a depth picture."""
    import pickle

    from spatialvlm_ros.datasets.source_registry import SourceRequest
    from spatialvlm_ros.datasets.sources.factories import rgbd
    from spatialvlm_ros.datasets.views import SceneView

    marked_folder(tmp_path)
    request = SourceRequest("train", 0, 10, (tmp_path,), {"depth_factor": 1000, "licence": "CC0-1.0"})
    source = pickle.loads(pickle.dumps(rgbd(request).source))
    assert len(source) == 1
    views = list(source.views(0))
    first, second, third = views
    assert isinstance(first, SceneView)
    assert (first.view_id, first.split, first.source, first.licence) == (
        "rgbd/train/rgb/0.png",
        "train",
        "rgbd",
        "CC0-1.0",
    )
    item = first.scene.objects[0]
    assert item.label == "red box"
    assert item.mask.sum() == pytest.approx(40 * 50, rel=0.03)
    assert np.median(item.points[:, 2]) == pytest.approx(2.0, abs=0.01)
    assert (first.instances == item.instance_id).sum() == item.mask.sum()
    assert second == SkippedView("rgbd/train/rgb/1.png", reasons.NO_DEPTH)
    assert third == SkippedView("rgbd/train/rgb/2.png", "detector: nothing found")
    again = list(pickle.loads(pickle.dumps(source)).views(0))
    np.testing.assert_array_equal(again[0].instances, first.instances)


def test_labels_beside_pictures_without_depth_ask_for_a_depth_model(tmp_path: Path) -> None:
    from spatialvlm_ros.datasets.source_registry import SourceRequest
    from spatialvlm_ros.datasets.sources.factories import pictures

    save(tmp_path / "a.png", Image.fromarray(picture()))
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"pictures": {"a.png": [{"label": "box", "box": [1, 2, 30, 40]}]}}))
    with pytest.raises(ConfigError, match="nothing estimates the depth.*detector, segmenter.*--set pipeline"):
        pictures(SourceRequest("train", 0, 10, (tmp_path,)))
    named = {"detector": {"expert": "sidecar", "labels": str(labels)}, "depth": {"expert": "zoedepth", "model": "x"}}
    assert len(pictures(SourceRequest("train", 0, 10, (tmp_path,), {"pipeline": named})).source) == 1


def test_a_model_that_cannot_be_loaded_stops_the_run_and_says_why(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from spatialvlm_ros.datasets.sources.perceived_views import PerceivedViews

    save(tmp_path / "a.png", Image.fromarray(picture()))
    missing = {"expert": "owlv2", "model": str(tmp_path / "no-such-model"), "queries": ["x"], "local_files_only": True}
    with pytest.raises(ConfigError, match="download the model elsewhere"):
        list(PerceivedViews(PictureFolder(tmp_path), {"detector": missing}).views(0))


def test_depth_whose_numbers_nobody_explains_is_refused(tmp_path: Path) -> None:
    from spatialvlm_ros.datasets.source_registry import SourceRequest
    from spatialvlm_ros.datasets.sources.factories import rgbd

    with pytest.raises(ConfigError, match="--set depth_factor=1000"):
        rgbd(SourceRequest("train", 0, 1, (tmp_path,), {}))


def make_rgbd(folder: Path, out: Path, **options: object) -> None:
    """What `spatialvlm generate --source rgbd` does."""
    from spatialvlm_ros.datasets.settings import GenerateSettings, generate_dataset

    settings = GenerateSettings.load(source="rgbd", workers=0, per_view=2)
    settings = settings.with_source_options({"depth_factor": 1000, **options})
    generate_dataset(settings, out, (folder,), show_progress=False)


def test_labels_or_a_camera_that_somebody_mended_are_not_taken_for_the_old_ones(tmp_path: Path) -> None:
    folder, out = marked_folder(tmp_path), tmp_path / "out"
    make_rgbd(folder, out)
    make_rgbd(folder, out)  # nothing has changed: resumed
    for name, old, new in (("labels.json", "red box", "red toolbox"), ("camera.yaml", "fx: 150", "fx: 140")):
        path, content = folder / name, (folder / name).read_text()
        assert old in content
        path.write_text(content.replace(old, new))
        with pytest.raises(DatasetError, match=f"another configuration: .*{name}"):
            make_rgbd(folder, out)
        path.write_text(content)
    make_rgbd(folder, out)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("labels.json", '{"pictures": {"rgb/0.png": [{"label": "mug"}]}}', "rgb/0.png"),
        ("labels.json", "{", "cannot be read"),
        ("camera.yaml", "{width: 160, height: 120, fx: 4.2, fy: 4.2, cx: 79.5, cy: 59.5}", "not in millimetres"),
        ("camera.yaml", "{width: 160, height: 120}", "incomplete"),
    ],
)
def test_a_damaged_file_beside_the_pictures_stops_the_run_and_says_why(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (marked_folder(tmp_path) / name).write_text(content)
    with pytest.raises((ConfigError, CameraModelError), match=words):
        make_rgbd(tmp_path, tmp_path / "out")


def test_what_is_missing_beside_the_pictures_is_named_before_anything_is_made(tmp_path: Path) -> None:
    folder, out = marked_folder(tmp_path), tmp_path / "out"
    with pytest.raises(SourceError, match="nowhere.json"):
        make_rgbd(folder, out, labels=str(tmp_path / "nowhere.json"))
    with pytest.raises(ConfigError, match="both a pipeline and labels"):
        make_rgbd(folder, out, labels="labels.json", pipeline="config/open_world.yaml")
    for wrong in ({"every": 1.5}, {"licence": 3}, {"pipeline": [1]}, {"labels": 3}, {"depth_factor": "1e3"}):
        with pytest.raises(ConfigError):
            make_rgbd(folder, out, **wrong)
    (folder / "camera.yaml").unlink()
    with pytest.raises(SourceError, match="no camera model"):
        make_rgbd(folder, out)
    assert not out.exists()
