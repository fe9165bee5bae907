"""Pictures on their way to a server: scaled, marked, JPEG, data URL."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import Region
from spatialvlm_ros.scenes.observation import Observation

_COLOURS = {"red": (255, 0, 0), "blue": (0, 80, 255)}


@dataclass(frozen=True)
class SentPicture:
    """A picture as a server gets it.

    Attributes:
        rgb: (h, w, 3) uint8, scaled to the longest side that was asked for.
        camera: of the scaled picture.
        original: camera of the observation.
        quality: of the JPEG.
        url: the data URL of the picture without marks.
    """

    rgb: NDArray[np.uint8]
    camera: Camera
    original: Camera
    quality: int
    url: str

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the observation per pixel of the sent picture, along x and y."""
        return self.original.width / self.camera.width, self.original.height / self.camera.height

    def marked_url(self, marks: Sequence[tuple[str, Region]]) -> str:
        """The data URL with a coloured box or dot for each region (in pixels of the observation)."""
        if not marks:
            return self.url
        from PIL import Image, ImageDraw

        image = Image.fromarray(self.rgb)
        draw = ImageDraw.Draw(image)
        line = max(2, round(max(image.size) / 256))
        for colour, region in marks:
            self._mark(draw, _COLOURS[colour], region, line)
        return _data_url(image, self.quality)

    def _mark(self, draw: Any, colour: tuple[int, int, int], region: Region, line: int) -> None:
        sx, sy = self.scale
        pixels = [p / (sx, sy)[i % 2] for i, p in enumerate(region.pixels)]
        if region.is_point:
            (u, v), radius = pixels, 2 * line
            draw.ellipse((u - radius, v - radius, u + radius, v + radius), fill=colour, outline=(255, 255, 255))
        else:
            x0, y0, x1, y1 = pixels
            draw.rectangle((x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)), outline=colour, width=line)


def prepare(observation: Observation, longest_side: int, quality: int) -> SentPicture:
    """Scale an observation's picture down where it is larger than ``longest_side`` pixels, and encode it."""
    from PIL import Image

    image = Image.fromarray(observation.rgb)
    camera = observation.camera
    factor = longest_side / max(image.size)
    if factor < 1:
        size = (max(1, round(camera.width * factor)), max(1, round(camera.height * factor)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        camera = camera.resized(*size)
    return SentPicture(np.asarray(image), camera, observation.camera, quality, _data_url(image, quality))


def _data_url(image: Any, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=0 if quality >= 90 else -1)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
