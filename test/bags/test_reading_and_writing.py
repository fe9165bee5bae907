"""Recordings: what is written is read back, and damaged ones give what is left."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.bags import messages
from spatialvlm_ros.bags.camera_info import camera_from_info
from spatialvlm_ros.bags.images import depth_from_compressed, depth_from_image, rgb_from_compressed, rgb_from_image
from spatialvlm_ros.bags.reader import IndexedBag, SalvagedBag, mcap_files, open_bag
from spatialvlm_ros.bags.salvage import McapSalvage
from spatialvlm_ros.bags.writer import BagWriter
from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.geometry.cameras import Camera

CAMERA = Camera(96, 64, 80.0, 82.0, 50.0, 30.0)
FRAMES = 40


def rgb(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 255, (64, 96, 3), dtype=np.uint8)


def write(path: Path, compressed: bool) -> Path:
    with BagWriter(path, compressed) as bag:
        bag.transform("map", "camera", (0, 0, 0, 1), (1, 2, 3), 0, static=True)
        for index in range(FRAMES):
            stamp = 1_000_000_000 + index * 100_000_000
            bag.image("/color", rgb(index), "rgb8", stamp, "camera")
            bag.image("/depth", np.full((64, 96), 1000 + index, np.uint16), "16UC1", stamp, "camera")
            bag.camera_info("/info", CAMERA, stamp, "camera")
    return path


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "zstd"])
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("bag") / "run", request.param)


def test_every_kind_of_message_comes_back(tmp_path: Path) -> None:
    millimetres = (np.arange(64 * 96).reshape(64, 96) % 5000).astype(np.uint16)
    with BagWriter(tmp_path / "bag") as bag:
        bag.image("/color", rgb(1), "rgb8", 5_000_000_007, "camera", log_ns=6_000_000_000)
        bag.compressed_image("/jpeg", np.full((64, 96, 3), (200, 60, 20), np.uint8), 1, "camera")
        bag.compressed_image("/cd", millimetres, 2, "camera", "compressedDepth")
        bag.camera_info("/info", CAMERA, 3, "camera")
        bag.transform("map", "base", (0, 0, 0.6, 0.8), (1, 2, 3), 4)
        bag.imu("/imu", (0, 0, 9.8), 5, "imu")
        bag.imu("/imu_with_orientation", (0, 0, 9.8), 5, "imu", orientation=(0, 0, 0.6, 0.8))
    reader = open_bag(tmp_path / "bag")
    assert isinstance(reader, IndexedBag)
    got = {item.topic: item for item in reader.messages(reader.topics)}
    assert got["/color"].log_ns == 6_000_000_000
    assert messages.stamp_ns(got["/color"].message) == 5_000_000_007
    assert got["/color"].message.header.frame_id == "camera"
    np.testing.assert_array_equal(rgb_from_image(got["/color"].message), rgb(1))
    assert np.abs(rgb_from_compressed(got["/jpeg"].message).astype(int) - (200, 60, 20)).max() < 6
    np.testing.assert_allclose(
        depth_from_compressed(got["/cd"].message), np.where(millimetres, millimetres / 1000, np.nan), rtol=1e-6
    )
    assert camera_from_info(got["/info"].message) == CAMERA
    link = got["/tf"].message.transforms[0]
    assert (link.header.frame_id, link.child_frame_id, link.transform.rotation.z) == ("map", "base", 0.6)
    assert got["/imu"].message.orientation_covariance[0] == -1
    assert got["/imu_with_orientation"].message.orientation.w == 0.8


def test_time_range_is_half_open(recording: Path) -> None:
    for reader in (open_bag(recording), open_bag(recording, salvage=True)):
        list(reader.messages(reader.topics))  # the salvaging reader passes over chunks from its second pass on
        got = list(reader.messages(["/depth"], 1_300_000_000, 1_600_000_000))
        assert [item.log_ns for item in got] == [1_300_000_000, 1_400_000_000, 1_500_000_000]
        assert depth_from_image(got[0].message)[0, 0] == pytest.approx(1.003)


def test_a_whole_file_reads_the_same_with_and_without_its_index(recording: Path) -> None:
    indexed, salvaged = open_bag(recording), open_bag(recording, salvage=True)
    assert isinstance(salvaged, SalvagedBag)
    assert indexed.topics == salvaged.topics
    for a, b in zip(indexed.messages(["/color"]), salvaged.messages(["/color"]), strict=True):
        assert (a.log_ns, messages.stamp_ns(a.message)) == (b.log_ns, messages.stamp_ns(b.message))
        np.testing.assert_array_equal(a.message.data, b.message.data)
    assert not salvaged.problems


def test_a_single_file_opens_without_its_folder(recording: Path) -> None:
    reader = open_bag(mcap_files(recording)[0])
    assert sum(1 for _ in reader.messages(["/color"])) == FRAMES


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 1))
@pytest.mark.parametrize("compressed", [False, True])
def test_a_cut_recording_gives_a_prefix(
    compressed: bool, share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = _cached(compressed, tmp_path_factory)
    data = mcap_files(whole)[0].read_bytes()
    cut = tmp_path_factory.mktemp("cut") / "cut.mcap"
    cut.write_bytes(data[: int(share * (len(data) - 1))])
    try:
        reader = open_bag(cut)
    except SourceError as error:
        assert "not an MCAP" in str(error)
        assert cut.stat().st_size < 8
        return
    got = list(reader.messages(["/color"]))
    assert sum(reader.problems.values()) >= 1
    for index, item in enumerate(got):
        np.testing.assert_array_equal(rgb_from_image(item.message), rgb(index))
    # Uncompressed, every message that lies whole before the cut is there: 3 topics, 18.4 + 12.3 + 0.4 kB a frame.
    if not compressed:
        assert len(got) >= int(share * len(data) / 31_500) - 1


_CACHE: dict[bool, Path] = {}


def _cached(compressed: bool, factory: pytest.TempPathFactory) -> Path:
    if compressed not in _CACHE:
        _CACHE[compressed] = write(factory.mktemp("whole") / "run", compressed)
    return _CACHE[compressed]


@settings(max_examples=25, deadline=None)
@given(position=st.floats(0, 1), value=st.integers(0, 255))
def test_flipped_bytes_never_crash_the_reader(
    position: float, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(mcap_files(_cached(True, tmp_path_factory))[0].read_bytes())
    place = int(position * (len(data) - 64))
    data[place : place + 64] = bytes([value]) * 64
    damaged = tmp_path_factory.mktemp("flip") / "flip.mcap"
    damaged.write_bytes(data)
    for salvage in (None, True):
        try:
            reader = open_bag(damaged, salvage)
            for item in reader.messages(reader.topics):
                assert item.log_ns >= 0
        except SourceError as error:
            assert "flip.mcap" in str(error)


def test_what_is_not_a_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no recording"):
        open_bag(tmp_path / "nothing")
    with pytest.raises(SourceError):
        open_bag(tmp_path)  # an empty folder
    (tmp_path / "empty.mcap").write_bytes(b"")
    with pytest.raises(SourceError, match="not an MCAP"):
        open_bag(tmp_path / "empty.mcap")
    (tmp_path / "text.db3").write_text("hello")
    with pytest.raises(SourceError):
        open_bag(tmp_path / "text.db3")


def test_writing_refuses_existing_folders_and_mixed_topics(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be written"):
        BagWriter(tmp_path)
    with BagWriter(tmp_path / "bag") as bag:
        bag.camera_info("/topic", CAMERA, 0, "camera")
        with pytest.raises(SourceError, match="another type"):
            bag.image("/topic", rgb(0), "rgb8", 0, "camera")
        with pytest.raises(SourceError, match="unknown compression"):
            bag.compressed_image("/x", rgb(0), 0, "camera", "webm")
        with pytest.raises(SourceError, match="uint16"):
            bag.compressed_image("/x", rgb(0), 0, "camera", "compressedDepth")


def without_chunks(data: bytes) -> bytes:
    """The records of an MCAP file without chunks and index, as a recorder set to write fast leaves them."""
    records, place = bytearray(data[:8]), 8
    while place < len(data) - 8:
        opcode, size = struct.unpack_from("<BQ", data, place)
        content = data[place + 9 : place + 9 + size]
        if opcode == 0x06:
            (name_length,) = struct.unpack_from("<I", content, 28)
            records += content[32 + name_length + 8 :]
        elif opcode in (0x01, 0x03, 0x04, 0x05):
            records += data[place : place + 9 + size]
        place += 9 + size
    return bytes(records)


class CountingFile(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        CountingFile.count += len(found)
        return found


def test_one_message_of_a_cut_recording_is_found_without_reading_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cut.mcap"
    path.write_bytes(without_chunks(mcap_files(write(tmp_path / "run", False))[0].read_bytes()))
    reader = open_bag(path, salvage=True)
    assert len(list(reader.messages(["/color"]))) == FRAMES and sum(reader.problems.values()) == 1
    monkeypatch.setattr(McapSalvage, "_open", lambda file: CountingFile(file.path.read_bytes()))
    monkeypatch.setattr(CountingFile, "count", 0)
    log_ns = 1_000_000_000 + 30 * 100_000_000
    (found,) = reader.messages(["/color"], log_ns, log_ns + 1)
    np.testing.assert_array_equal(rgb_from_image(found.message), rgb(30))
    assert CountingFile.count < 50_000 < path.stat().st_size / 20  # one frame of three topics has 31 kB
