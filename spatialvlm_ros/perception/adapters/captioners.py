"""Names for boxes: Florence-2 (regions of the whole picture) and BLIP (cut-outs)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.geometry.boxes2d import clip_boxes
from spatialvlm_ros.optional import require
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.loading import (
    EXTRA,
    ModelSource,
    device_guard,
    load_image_processor,
    load_model,
    load_tokenizer,
)

_LOCATION_BINS = 1000  # Florence-2 writes coordinates as <loc_0> .. <loc_999>


class Florence2Captioner:
    """Describes regions of the picture, seeing all of it (`Captioner`).

    Args:
        model, processor: of Florence-2.
        task: "<REGION_TO_DESCRIPTION>" or "<REGION_TO_CATEGORY>" (shorter).
        max_new_tokens: longest answer.
        batch_size: boxes asked at a time.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        task: str = "<REGION_TO_CATEGORY>",
        max_new_tokens: int = 20,
        batch_size: int = 8,
    ) -> None:
        if task not in ("<REGION_TO_DESCRIPTION>", "<REGION_TO_CATEGORY>"):
            raise ConfigError("not a task about regions", task, "Use <REGION_TO_DESCRIPTION> or <REGION_TO_CATEGORY>.")
        self._model, self._processor = model, processor
        self._task, self._max_new_tokens, self._batch_size = task, max_new_tokens, batch_size

    @classmethod
    def load(cls, source: ModelSource, **options: Any) -> Florence2Captioner:
        """E.g. florence-community/Florence-2-base (the port without remote code)."""
        model = load_model(source, "Florence2ForConditionalGeneration")
        processor_class = require("transformers", EXTRA).Florence2Processor
        return cls(model, processor_class(load_image_processor(source), load_tokenizer(source)), **options)

    def caption(self, capture: Capture, boxes: NDArray[np.float64]) -> list[str]:
        captions: list[str] = []
        for start in range(0, len(boxes), self._batch_size):
            captions += self._some(capture, boxes[start : start + self._batch_size])
        return captions

    def _some(self, capture: Capture, boxes: NDArray[np.float64]) -> list[str]:
        prompts = [self._task + location_tokens(box, capture.width, capture.height) for box in boxes]
        inputs = self._processor(
            images=[capture.rgb] * len(prompts), text=prompts, return_tensors="pt", padding=True
        ).to(self._model.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
        with device_guard():
            tokens = self._model.generate(**inputs, max_new_tokens=self._max_new_tokens, num_beams=1, do_sample=False)
        return self._processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)


def location_tokens(box: NDArray[np.float64], width: int, height: int) -> str:
    """A box in pixels as Florence-2 writes it: x0, y0, x1, y1 in thousandths of the picture's own width and height."""
    shares = np.asarray(box) / [width, height, width, height]
    bins = np.clip(np.floor(shares * _LOCATION_BINS), 0, _LOCATION_BINS - 1).astype(int)
    return "".join(f"<loc_{b}>" for b in bins)


class BlipCaptioner:
    """Describes cut-outs (`Captioner`).

    Args:
        model, image_processor, tokenizer: of BLIP.
        margin: added around each box, as a share of its size, so that the object is seen in its surroundings.
        max_new_tokens: longest answer.
        batch_size: boxes asked at a time.
    """

    def __init__(
        self,
        model: Any,
        image_processor: Any,
        tokenizer: Any,
        margin: float = 0.1,
        max_new_tokens: int = 16,
        batch_size: int = 8,
    ) -> None:
        self._model, self._image_processor, self._tokenizer = model, image_processor, tokenizer
        self._margin, self._max_new_tokens, self._batch_size = margin, max_new_tokens, batch_size

    @classmethod
    def load(cls, source: ModelSource, **options: Any) -> BlipCaptioner:
        """E.g. Salesforce/blip-image-captioning-base."""
        return cls(
            load_model(source, "BlipForConditionalGeneration"),
            load_image_processor(source),
            load_tokenizer(source),
            **options,
        )

    def caption(self, capture: Capture, boxes: NDArray[np.float64]) -> list[str]:
        crops = [cut_out(capture.rgb, box, self._margin) for box in boxes]
        captions: list[str] = []
        for start in range(0, len(crops), self._batch_size):
            pixels = self._image_processor(crops[start : start + self._batch_size], return_tensors="pt")["pixel_values"]
            with device_guard():
                tokens = self._model.generate(
                    pixel_values=pixels.to(self._model.device, self._model.dtype),
                    max_new_tokens=self._max_new_tokens,
                    num_beams=1,
                    do_sample=False,
                )
            captions += self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return captions


def cut_out(rgb: NDArray[np.uint8], box: NDArray[np.float64], margin: float) -> NDArray[np.uint8]:
    """The part of a picture (H, W, 3) inside a box x0, y0, x1, y1, with a margin, at least one pixel."""
    grow = margin * (box[2:] - box[:2])
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = clip_boxes(np.concatenate([box[:2] - grow, box[2:] + grow]), width, height)[0]
    left, top = min(int(x0), width - 1), min(int(y0), height - 1)
    return rgb[top : max(int(np.ceil(y1)), top + 1), left : max(int(np.ceil(x1)), left + 1)]
