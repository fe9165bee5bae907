"""Open-vocabulary detection with Grounding DINO."""

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


class GroundingDinoDetector:
    """Finds what the queries name (`Detector`).

    Args:
        model, image_processor, tokenizer: of Grounding DINO.
        queries: what to look for; together they must fit the model's text length (256 tokens).
        threshold: least score, 0..1.
    """

    def __init__(
        self, model: Any, image_processor: Any, tokenizer: Any, queries: Sequence[str], threshold: float = 0.25
    ) -> None:
        if not queries:
            raise ConfigError("a detector needs queries", list(queries), 'Give words, e.g. ["chair", "mug"].')
        self._model, self._image_processor = model, image_processor
        self._queries, self._threshold = tuple(queries), threshold
        # The model was trained on "chair. mug. table."
        prompt = " ".join(f"{query.lower().strip(' .')}." for query in queries)
        encoded = tokenizer(prompt, return_tensors="pt", return_offsets_mapping=True)
        longest = int(getattr(model.config, "max_text_len", 256))
        if encoded["input_ids"].shape[1] > longest:
            raise ConfigError(
                f"the queries have more than {longest} tokens", len(queries), "Use fewer, or several detectors."
            )
        self._tokens_of_query = _tokens_of_queries(prompt, self._queries, encoded.pop("offset_mapping")[0].numpy())
        self._text = encoded.to(model.device)

    @classmethod
    def load(cls, source: ModelSource, **options: Any) -> GroundingDinoDetector:
        """E.g. IDEA-Research/grounding-dino-tiny."""
        return cls(
            load_model(source, "GroundingDinoForObjectDetection"),
            load_image_processor(source),
            load_tokenizer(source),
            **options,
        )

    def detect(self, captures: Sequence[Capture]) -> list[Proposals]:
        inputs = self._image_processor([c.rgb for c in captures], return_tensors="pt").to(self._model.device)
        with device_guard():
            output = self._model(
                pixel_values=inputs["pixel_values"].to(self._model.dtype),
                pixel_mask=inputs["pixel_mask"],
                **{name: value.repeat(len(captures), 1) for name, value in self._text.items()},
            )
            scores = output.logits.float().sigmoid().cpu().numpy()  # (B, boxes, tokens), 0 for tokens beyond the text
            boxes = output.pred_boxes.float().cpu().numpy()  # (B, boxes, 4) centre and size, 0..1 of the picture
        return [self._proposals(c, b, s) for c, b, s in zip(captures, boxes, scores, strict=True)]

    def _proposals(self, capture: Capture, boxes: np.ndarray, scores: np.ndarray) -> Proposals:
        # A query scores what its best word scores.
        by_query = np.stack([scores[:, tokens].max(axis=1) for tokens in self._tokens_of_query], axis=1)
        best = by_query.argmax(axis=1)
        score = by_query[np.arange(len(best)), best]
        kept = np.flatnonzero(score > self._threshold)
        size = np.array([capture.width, capture.height])
        centre, half = boxes[kept, :2] * size, boxes[kept, 2:] * size / 2
        corners = np.concatenate([centre - half, centre + half], axis=1).astype(np.float64)
        return Proposals(corners, score[kept].astype(np.float64), tuple(self._queries[i] for i in best[kept]))


def _tokens_of_queries(prompt: str, queries: Sequence[str], offsets: np.ndarray) -> list[np.ndarray]:
    """Indices of the tokens of each query; ``offsets`` (T, 2) are character positions of each token."""
    found, start = [], 0
    for query in queries:
        stop = prompt.index(".", start)
        inside = (offsets[:, 0] < stop) & (offsets[:, 1] > start) & (offsets[:, 1] > offsets[:, 0])
        if not inside.any():
            raise ConfigError("a query has no token", query, "Give words.")
        found.append(np.flatnonzero(inside))
        start = stop + 1
    return found
