"""Pictures of videos by their time: the right ones, and none where a decoder only made one up."""

import numpy as np
import pytest
from ruler import picture
from samples import FPS, write_video

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.rewards.recordings.videos import packets_between, pictures_at

COUNT, STEP = 40, 1.5  # centimetres from one picture to the next
TIMES = [k / FPS for k in range(COUNT)]


@pytest.fixture(scope="module")
def true():
    """Pictures with noise in them, so that they are large in the file and damage hits one."""
    rng = np.random.default_rng(3)
    result = []
    for k in range(COUNT):
        one = picture(60 - STEP * k, 128, 96)
        one[20:60, 30:90, 1:] = rng.integers(0, 255, (40, 60, 2))
        result.append(one)
    return result


@pytest.fixture(scope="module", params=["libx264", "libsvtav1"])
def video(request, true, tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    write_video(path, true, request.param)
    return path


def level(one):
    return float(one[70:, :, 0].mean()) / 4  # below the noise


def numbers(pictures):
    """Which picture each of them is, by its level."""
    return [None if one is None else round((60 - level(one)) / STEP) for one in pictures]


def test_every_time_gives_its_picture(video):
    assert numbers(pictures_at(video, TIMES, 0.05)) == list(range(COUNT))


def test_reading_starts_anywhere(video):
    for start in (1, 7, 20, 39):
        assert numbers(pictures_at(video, TIMES[start:], 0.05)) == list(range(start, COUNT))


def test_the_nearest_picture_is_taken(video):
    assert numbers(pictures_at(video, [0.04, 0.06, 0.349, 1.0004], 0.05)) == [0, 1, 3, 10]


def test_times_without_a_picture_give_none(video):
    assert numbers(pictures_at(video, [3.9, 4.0, 4.1, 50.0], 0.05)) == [39, None, None, None]
    assert numbers(pictures_at(video, [0.02], 0.01)) == [None]


def test_no_times_need_no_file(tmp_path):
    assert list(pictures_at(tmp_path / "none.mp4", [], 0.05)) == []


@pytest.mark.parametrize("where", [0.3, 0.5, 0.7])
def test_damaged_pictures_are_left_out_and_the_others_are_right(video, tmp_path, where):
    content = bytearray(video.read_bytes())
    place = int(len(content) * where)
    content[place : place + 300] = bytes(300)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(bytes(content))
    found = numbers(pictures_at(damaged, TIMES, 0.05))
    assert 1 <= found.count(None) <= 4
    assert all(number in (None, k) for k, number in enumerate(found))


BOXES = [b"stsd", b"avcC", b"av1C", b"stts", b"stsz", b"stco", b"stsc", b"stss", b"mdhd", b"mvhd", b"tkhd", b"hdlr"]


@pytest.mark.parametrize("value", [0, 255, 127])
@pytest.mark.parametrize("box", BOXES)
def test_a_damaged_table_costs_pictures_or_names_the_video(video, tmp_path, box, value):
    """The tables of a video say what its codec is, and where and when its pictures are."""
    content = bytearray(video.read_bytes())
    if box not in content:
        pytest.skip("the video has no such table")
    place = content.rindex(box) + 4
    content[place : place + 24] = bytes([value]) * 24
    (tmp_path / "x.mp4").write_bytes(bytes(content))
    for start in (0, 20):
        try:
            found = numbers(pictures_at(tmp_path / "x.mp4", TIMES[start:], 0.05))
            list(packets_between(tmp_path / "x.mp4", TIMES[start], TIMES[-1]))
        except SourceError as error:
            assert "x.mp4" in str(error)
        else:
            assert len(found) == COUNT - start


def test_a_video_of_no_known_codec_is_named(video, tmp_path):
    content = video.read_bytes().replace(b"avc1", b"zzzz").replace(b"av01", b"zzzz")
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(SourceError, match="codec.*x.mp4"):
        list(pictures_at(tmp_path / "x.mp4", TIMES, 0.05))


@pytest.mark.parametrize("content", [b"", b"hello" * 50])
def test_a_file_that_is_no_video_is_named(tmp_path, content):
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(SourceError, match="x.mp4"):
        list(pictures_at(tmp_path / "x.mp4", [0.0], 0.05))


def test_a_video_that_was_cut_off_is_named(video, tmp_path):
    (tmp_path / "x.mp4").write_bytes(video.read_bytes()[:-2000])  # the table of its pictures is at its end
    with pytest.raises(SourceError, match="x.mp4"):
        list(pictures_at(tmp_path / "x.mp4", TIMES, 0.05))
