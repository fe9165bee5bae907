"""Masks from boxes with SAM and SAM 2: the picture is encoded once, all its boxes are asked together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.loading import (
    ModelSource,
    device_guard,
    load_image_processor,
    load_model,
    load_preprocessor_settings,
)
from spatialvlm_ros.perception.preprocess import SquashedInput, resize_map


class SamSegmenter:
    """SAM (`Segmenter`). Pictures keep their aspect ratio and are padded at the right and at the bottom.

    Args:
        model, image_processor: of SAM.
    """

    def __init__(self, model: Any, image_processor: Any) -> None:
        self._model, self._image_processor = model, image_processor

    @classmethod
    def load(cls, source: ModelSource) -> SamSegmenter:
        """E.g. facebook/sam-vit-base."""
        return cls(load_model(source, "SamModel"), load_image_processor(source))

    def segment(self, capture: Capture, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        import torch

        inputs = self._image_processor([capture.rgb], return_tensors="pt")
        used_height, used_width = (int(v) for v in inputs["reshaped_input_sizes"][0])
        scale = np.array([used_width / capture.width, used_height / capture.height] * 2)
        with device_guard():
            prompts = torch.as_tensor(boxes * scale, device=self._model.device, dtype=self._model.dtype)
            output = self._model(
                pixel_values=inputs["pixel_values"].to(self._model.device, self._model.dtype),
                input_boxes=prompts[None],
                multimask_output=False,
            )
            # Each (h, w) logit map covers the padded input; cut the padding off before resizing.
            padded = self._image_processor.pad_size
            masks = [
                resize_map(
                    resize_map(logits[0], padded["height"], padded["width"])[:used_height, :used_width],
                    capture.height,
                    capture.width,
                )
                > 0
                for logits in output.pred_masks[0]
            ]
            return torch.stack(masks).cpu().numpy()


class Sam2Segmenter:
    """SAM 2 (`Segmenter`). Pictures are squashed to a square.

    Args:
        model: of SAM 2.
        squash: from picture to input tensor.
    """

    def __init__(self, model: Any, squash: SquashedInput) -> None:
        self._model, self._squash = model, squash

    @classmethod
    def load(cls, source: ModelSource) -> Sam2Segmenter:
        """E.g. facebook/sam2.1-hiera-small."""
        settings = load_preprocessor_settings(source)
        return cls(load_model(source, "Sam2Model"), SquashedInput.from_settings(settings, antialias=True))

    def segment(self, capture: Capture, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        import torch

        scale = np.array([self._squash.width / capture.width, self._squash.height / capture.height] * 2)
        with device_guard():
            prompts = torch.as_tensor(boxes * scale, device=self._model.device, dtype=self._model.dtype)
            output = self._model(
                pixel_values=self._squash([capture.rgb]).to(self._model.device, self._model.dtype),
                input_boxes=prompts[None],
                multimask_output=False,
            )
            masks = [resize_map(logits[0], capture.height, capture.width) > 0 for logits in output.pred_masks[0]]
            return torch.stack(masks).cpu().numpy()
