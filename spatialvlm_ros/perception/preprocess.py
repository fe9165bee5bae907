"""From pictures to the tensor a model wants, for models whose image processor in `transformers` needs torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import PerceptionError
from spatialvlm_ros.optional import require
from spatialvlm_ros.perception.loading import EXTRA


@dataclass(frozen=True)
class SquashedInput:
    """Pictures resized to one fixed size without keeping their aspect ratio, then normalised (SAM 2, Depth Pro).

    Attributes:
        width, height: of the model's input, pixels.
        mean, std: per channel, of values 0..1.
        antialias: low-pass before shrinking.
    """

    width: int
    height: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    antialias: bool = True

    @staticmethod
    def from_settings(settings: dict[str, Any], antialias: bool) -> SquashedInput:
        """From the content of a preprocessor_config.json."""
        size = settings.get("size") or {}
        if "height" not in size or "width" not in size:
            raise PerceptionError(
                "an image processor without a fixed height and width",
                size,
                "Its preprocessor_config.json is of another model.",
            )
        mean, std = settings.get("image_mean"), settings.get("image_std")
        if mean is None or std is None or min(std) <= 0:
            raise PerceptionError(
                "an image processor without mean and std", (mean, std), "Check preprocessor_config.json."
            )
        return SquashedInput(int(size["width"]), int(size["height"]), tuple(mean), tuple(std), antialias)

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> Any:
        """(N, 3, height, width) float32 tensor of N pictures (H, W, 3) of any sizes."""
        torch = require("torch", EXTRA)
        return torch.cat([self._one(torch, picture) for picture in pictures])

    def _one(self, torch: Any, picture: NDArray[np.uint8]) -> Any:
        values = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
        values = torch.nn.functional.interpolate(
            values, (self.height, self.width), mode="bilinear", align_corners=False, antialias=self.antialias
        )
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return (values - mean) / std


def resize_map(values: Any, height: int, width: int) -> Any:
    """(h, w) tensor to (height, width), bilinear; the values themselves (metres, logits) are not scaled."""
    torch = require("torch", EXTRA)
    return torch.nn.functional.interpolate(
        values[None, None].float(), (height, width), mode="bilinear", align_corners=False
    )[0, 0]
