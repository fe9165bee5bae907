"""What a recorded source gives: captures by number, or the reason why one is unusable."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.perception.capture import Capture

# Reasons, counted by their text in the manifest.
EMPTY_FILE = "empty file"
UNREADABLE_PICTURE = "unreadable picture"
PICTURE_TOO_LARGE = "picture too large"
PICTURE_TOO_SMALL = "picture too small"
NO_DEPTH = "no depth of that time"
UNREADABLE_DEPTH = "unreadable depth"
DEPTH_NOT_REGISTERED = "depth_not_registered"
NO_PARTNER = "no picture of the other eye"
DIFFERENT_SIZES = "pictures of the two eyes differ in size"
WRONG_CAMERA_SIZE = "camera model of another picture size"
NO_CAMERA = "no camera model"
UNREADABLE_MESSAGE = "unreadable message"


@runtime_checkable
class CaptureSource(Protocol):
    """Recorded pictures. Picklable; ``capture(i)`` depends on the configuration and ``i`` only."""

    @property
    def name(self) -> str:
        """Kind of source, e.g. "pictures"."""
        ...

    @property
    def licence(self) -> str:
        """Of the pictures, an SPDX expression where there is one."""
        ...

    def __len__(self) -> int:
        """Number of captures, unusable ones included."""
        ...

    def capture(self, index: int) -> Capture | SkippedView:
        """One capture, or why it is unusable (the view_id of a skip is the capture's name)."""
        ...
