"""Pictures and videos beside a benchmark's tables: in folders, in zip files, or inside the table."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.readers.decoding import decode_picture

_FOLDERS = ("", "images", "image", "img", "imgs", "videos")


@dataclass(frozen=True)
class Picture:
    """A picture that is decoded when it is asked for.

    Attributes:
        name: as the benchmark calls it.
        path: of the file, or of the zip file that holds it; None for pictures inside a table.
        member: name inside the zip file, else None.
        data: the encoded picture, where it came inside a table.
    """

    name: str
    path: Path | None = None
    member: str | None = None
    data: bytes | None = field(default=None, repr=False)

    def encoded(self) -> bytes:
        """The bytes of the file.

        Raises:
            EvaluationError: it cannot be read.
        """
        if self.data is not None:
            return self.data
        assert self.path is not None
        try:
            if self.member is None:
                return self.path.read_bytes()
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self.member)
        except (OSError, KeyError, zipfile.BadZipFile, RuntimeError) as error:
            raise EvaluationError("a picture of a benchmark cannot be read", self.name, str(error)) from error

    def load(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, turned upright.

        Raises:
            EvaluationError: it cannot be read or decoded.
        """
        return decode_picture(self.encoded(), self.name)


@dataclass(frozen=True)
class Video:
    """A video that is decoded when it is asked for. Attributes as of `Picture`."""

    name: str
    path: Path
    member: str | None = None

    def frames(self, count: int) -> list[NDArray[np.uint8]]:
        """At most ``count`` frames (H, W, 3) uint8, evenly spaced from the first to the last.

        Raises:
            EvaluationError: it cannot be read or decoded.
        """
        if count < 1:
            raise EvaluationError("a number of frames must be positive", count, "Ask for one or more.")
        if self.member is None:
            return _frames(self.path, self.name, count)
        with tempfile.TemporaryDirectory() as folder:
            unpacked = Path(folder) / f"video{PurePosixPath(self.member).suffix}"
            try:
                with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as packed:
                    with unpacked.open("wb") as out:
                        shutil.copyfileobj(packed, out)
            except (OSError, KeyError, zipfile.BadZipFile, RuntimeError) as error:
                raise EvaluationError("a video of a benchmark cannot be read", self.name, str(error)) from error
            return _frames(unpacked, self.name, count)


def _frames(path: Path, name: str, count: int) -> list[NDArray[np.uint8]]:
    import cv2

    capture: Any = cv2.VideoCapture(str(path))
    try:
        length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        wanted = set(np.linspace(0, max(length - 1, 0), min(count, max(length, 1))).round().astype(int).tolist())
        frames: list[NDArray[np.uint8]] = []
        for index in range(length):
            if not capture.grab():
                break
            if index in wanted:
                good, frame = capture.retrieve()
                if good:
                    frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
    if not frames:
        raise EvaluationError("a video of a benchmark cannot be decoded", name, "Download it again.")
    return frames


class MediaRoot:
    """Finds files by the names that a table gives: below a folder, in its picture folders, or in its zip files.

    Names that lead out of the folder are not followed. Without a folder nothing is found.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = None if root is None else root.resolve()
        self._members: dict[str, tuple[Path, str]] | None = None

    def find(self, name: str) -> tuple[Path, str | None] | None:
        """(file, None), (zip file, member), or None where there is no such file."""
        relative = PurePosixPath(name.replace("\\", "/"))
        parts = [p for p in relative.parts if p not in ("/", ".")]
        if self._root is None or not parts or ".." in parts:
            return None
        for folder in _FOLDERS:
            path = (self._root / folder).joinpath(*parts)
            if path.is_file() and path.resolve().is_relative_to(self._root):
                return path, None
        return self._zipped(parts)

    def picture(self, name: str) -> Picture | None:
        """The picture of that name, or None."""
        found = self.find(name)
        return None if found is None else Picture(name, *found)

    def video(self, name: str) -> Video | None:
        """The video of that name, or None."""
        found = self.find(name)
        return None if found is None else Video(name, *found)

    def _zipped(self, parts: list[str]) -> tuple[Path, str] | None:
        assert self._root is not None
        if self._members is None:
            self._members = {}
            for archive in sorted(self._root.glob("*.zip")):
                self._index(archive)
        return self._members.get("/".join(parts)) or self._members.get("/".join(parts[-2:]))

    def _index(self, archive: Path) -> None:
        """Members by their whole name, and by their last two parts (archives often hold one more folder)."""
        assert self._members is not None
        try:
            with zipfile.ZipFile(archive) as opened:
                names = [n for n in opened.namelist() if not n.endswith("/")]
        except (OSError, zipfile.BadZipFile):
            return
        for name in names:
            self._members.setdefault(name, (archive, name))
            self._members.setdefault("/".join(PurePosixPath(name).parts[-2:]), (archive, name))


def embedded_picture(value: object, name: str) -> Picture | None:
    """A picture inside a table: {"bytes", "path"} as parquet files hold it, bytes, or a PIL image as `datasets` gives
    it; None where there is none."""
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, (bytes, bytearray)) and value:
        return Picture(name, data=bytes(value))
    save = getattr(value, "save", None)
    if save is None:
        return None
    buffer = io.BytesIO()
    save(buffer, "PNG")
    return Picture(name, data=buffer.getvalue())
