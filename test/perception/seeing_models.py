"""Stand-ins for networks that answer by looking at the pixels they are given.

They sit behind the real preprocessing and before the real mapping back, so a test sees every swap of axes, forgotten
padding and wrong scale between the picture and the answer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from spatialvlm_ros.perception.capture import Capture

# Wide and tall, and an object that is off-centre, not square and not symmetric to either axis.
WIDE = (60, 100)
TALL = (110, 50)


def picture_with_square(size: tuple[int, int], box: tuple[int, int, int, int]) -> Capture:
    """A mid-grey picture of (H, W) with a white rectangle x0, y0, x1, y1."""
    rgb = np.full((*size, 3), 120, np.uint8)
    rgb[box[1] : box[3], box[0] : box[2]] = 255
    return Capture(rgb, f"{size}")


class SeeingModel:
    """Base: has what adapters ask of a model."""

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, config: Any = None) -> None:
        self.config = config
        self.batches: list[int] = []

    def white_box(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 4) x0, y0, x1, y1 of the brightest region of each input (B, 3, h, w), in pixels of the input."""
        self.batches.append(len(pixels))
        boxes = []
        for grey in pixels.mean(1):
            bright = grey > (grey.max() + grey[2, 2]) / 2  # half way from the background at the corner to white
            rows, columns = torch.nonzero(bright.any(1)).flatten(), torch.nonzero(bright.any(0)).flatten()
            boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        return torch.tensor(boxes, dtype=torch.float32)


class SeeingDetector(SeeingModel):
    """OWLv2 and Grounding DINO: one box round the white rectangle, normalised as those models do."""

    def __init__(self, tokens: int, config: Any = None) -> None:
        super().__init__(config)
        self._tokens = tokens

    def __call__(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None = None, **text: Any) -> Any:
        boxes = self.white_box(pixel_values)
        size = torch.tensor([[pixel_values.shape[3], pixel_values.shape[2]]] * len(boxes), dtype=torch.float32)
        if pixel_mask is not None:  # DETR: shares of the picture without its padding
            size = torch.stack([pixel_mask[:, 0, :].sum(1), pixel_mask[:, :, 0].sum(1)], dim=1).float()
        low, high = boxes[:, :2] / size, boxes[:, 2:] / size
        logits = torch.full((len(boxes), 1, self._tokens), -9.0)
        logits[..., 1] = 2.0
        return SimpleNamespace(pred_boxes=torch.cat([(low + high) / 2, high - low], 1)[:, None], logits=logits)


class SeeingSegmenter(SeeingModel):
    """SAM: fills the white rectangle, and keeps the prompts it was given."""

    prompts: torch.Tensor

    def __call__(self, pixel_values: torch.Tensor, input_boxes: torch.Tensor, multimask_output: bool) -> Any:
        self.prompts = input_boxes[0]
        seen = (pixel_values.mean(1) > pixel_values.mean(1).max() * 0.6).float()
        logits = seen * 2 - 1
        quarter = torch.nn.functional.interpolate(logits[:, None], scale_factor=0.5, mode="bilinear")
        return SimpleNamespace(pred_masks=quarter[:, None].repeat(1, input_boxes.shape[1], 1, 1, 1))


class SeeingDepth(SeeingModel):
    """Depth = brightness of the input, through ``curve``; half the input's size, as many networks give."""

    def __init__(self, curve: Any, config: Any = None, degrees: float | None = None) -> None:
        super().__init__(config)
        self._curve, self._degrees = curve, degrees

    def __call__(self, pixel_values: torch.Tensor) -> Any:
        self.batches.append(len(pixel_values))
        grey = torch.nn.functional.avg_pool2d(pixel_values.mean(1, keepdim=True), 2)[:, 0]
        angles = None if self._degrees is None else torch.full((len(grey),), self._degrees)
        return SimpleNamespace(predicted_depth=self._curve(grey), field_of_view=angles)
