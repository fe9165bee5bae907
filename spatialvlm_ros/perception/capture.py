"""A picture as a source delivers it: perhaps without a camera model, perhaps without depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ObservationError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.scenes.observation import Observation


@dataclass(frozen=True)
class Capture:
    """What is known of one picture before any expert has seen it. Fields as in `Observation`.

    Attributes:
        rgb: (H, W, 3) uint8.
        name: unique within its source, e.g. the file name; sidecar labels are looked up by it.
        camera: None where neither calibration nor EXIF says anything.
        depth: (H, W) float32 metres measured by a sensor, NaN invalid; None without one.
        up: (3,) against gravity in the optical frame, or None.
        camera_height: metres above the support plane, or None.
        stamp_ns, frame_id: time of exposure and name of the optical frame.
    """

    rgb: NDArray[np.uint8]
    name: str = ""
    camera: Camera | None = None
    depth: NDArray[np.float32] | None = None
    up: NDArray[np.float64] | None = None
    camera_height: float | None = None
    stamp_ns: int = 0
    frame_id: str = "camera_optical_frame"

    @property
    def width(self) -> int:
        """Pixels."""
        return self.rgb.shape[1]

    @property
    def height(self) -> int:
        """Pixels."""
        return self.rgb.shape[0]

    def observation(self, camera: Camera | None = None, depth: NDArray[np.float32] | None = None) -> Observation:
        """The camera frame; ``camera`` and ``depth`` (estimates) fill only what was not measured.

        Raises:
            ObservationError: no camera is known, or the parts do not fit together.
        """
        camera = self.camera or camera
        if camera is None:
            raise ObservationError(
                f"no camera model is known for {self.name or 'this picture'}",
                remedy="Give a calibration or a field of view, or use a field-of-view estimator.",
            )
        return Observation(
            rgb=self.rgb,
            camera=camera,
            depth=depth if self.depth is None else self.depth,
            up=self.up,
            camera_height=self.camera_height,
            stamp_ns=self.stamp_ns,
            frame_id=self.frame_id,
        )
