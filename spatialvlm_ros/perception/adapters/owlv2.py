"""Open-vocabulary detection with OWLv2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.loading import (
    ModelSource,
    device_guard,
    load_image_processor,
    load_model,
    load_tokenizer,
)
from spatialvlm_ros.perception.protocols import Proposals


class Owlv2Detector:
    """Finds what the queries name (`Detector`).

    Args:
        model, image_processor, tokenizer: of OWLv2.
        queries: what to look for, e.g. ("chair", "mug"); the box gets the words of its best query.
        threshold: least score, 0..1.
        template: put around each query.
    """

    def __init__(
        self,
        model: Any,
        image_processor: Any,
        tokenizer: Any,
        queries: Sequence[str],
        threshold: float = 0.1,
        template: str = "a photo of a {}",
    ) -> None:
        if not queries:
            raise ConfigError("a detector needs queries", list(queries), 'Give words, e.g. ["chair", "mug"].')
        self._model, self._image_processor = model, image_processor
        self._queries, self._threshold = tuple(queries), threshold
        self._text = tokenizer(
            [template.format(query) for query in queries],
            padding="max_length",
            truncation=True,
            max_length=int(model.config.text_config.max_position_embeddings),
            return_tensors="pt",
        ).to(model.device)

    @classmethod
    def load(cls, source: ModelSource, **options: Any) -> Owlv2Detector:
        """E.g. google/owlv2-base-patch16-ensemble."""
        return cls(
            load_model(source, "Owlv2ForObjectDetection"),
            load_image_processor(source),
            load_tokenizer(source),
            **options,
        )

    def detect(self, captures: Sequence[Capture]) -> list[Proposals]:
        pixels = self._image_processor([c.rgb for c in captures], return_tensors="pt")["pixel_values"]
        with device_guard():
            # The model expects the queries of picture 1, then those of picture 2, ...
            output = self._model(
                pixel_values=pixels.to(self._model.device, self._model.dtype),
                input_ids=self._text["input_ids"].repeat(len(captures), 1),
                attention_mask=self._text["attention_mask"].repeat(len(captures), 1),
            )
            scores = output.logits.float().sigmoid().cpu().numpy()  # (B, boxes, queries)
            boxes = output.pred_boxes.float().cpu().numpy()  # (B, boxes, 4) centre and size, 0..1 of the padded square
        return [self._proposals(c, b, s) for c, b, s in zip(captures, boxes, scores, strict=True)]

    def _proposals(self, capture: Capture, boxes: np.ndarray, scores: np.ndarray) -> Proposals:
        best = scores.argmax(axis=1)
        score = scores[np.arange(len(best)), best]
        kept = np.flatnonzero(score > self._threshold)
        # Pictures are padded to a square at the right and at the bottom: both axes scale with the longer side.
        side = max(capture.width, capture.height)
        centre, half = boxes[kept, :2] * side, boxes[kept, 2:] * side / 2
        corners = np.concatenate([centre - half, centre + half], axis=1).astype(np.float64)
        return Proposals(corners, score[kept].astype(np.float64), tuple(self._queries[i] for i in best[kept]))
