"""Encoded pictures to arrays, and a cheap look at whether they can be."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import EvaluationError


def decode_picture(data: bytes, name: str) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, turned upright.

    Raises:
        EvaluationError: it is damaged, cut off or too large.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise EvaluationError(
            "a picture of a benchmark cannot be decoded", name, f"Download it again. {error}"
        ) from error


def is_picture(data: bytes) -> bool:
    """Whether the header is that of a picture; nothing is decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return min(image.size) > 0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
