"""Image filter by zero-shot classification with CLIP or SigLIP (paper, section 3.1, stage 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from spatialvlm_ros.perception.protocols import FilterVerdict

# The paper's prompts, by a short name that is counted. Their wording removes wide-angle pictures on purpose.
KEEP_PROMPTS: Mapping[str, str] = {
    "indoor scene": "an iphone photo of an indoor scene",
    "outdoor scene": "an iphone photo of an outdoor scene",
}
DROP_PROMPTS: Mapping[str, str] = {
    "close-up": "a close up shot of a single object",
    "product": "a product displayed in front of a white background",
    "artwork": "an artwork",
    "painting": "a painting",
    "screenshot": "a screenshot of graphics user interface",
    "text": "a piece of text",
    "sketch": "a sketch",
}


class ContrastiveFilter:
    """Keeps a picture if the prompts of scenes together are likelier than the threshold (`ImageFilter`).

    Args:
        model, image_processor, tokenizer: of CLIP or SigLIP.
        keep, drop: short name -> prompt.
        threshold: least share of the probability that the keep prompts must get, 0..1. The paper gives none;
            0.5 means "more likely a scene than anything else".
        padding: of the tokenizer; SigLIP was trained with full-length padding.
    """

    def __init__(
        self,
        model: Any,
        image_processor: Any,
        tokenizer: Any,
        keep: Mapping[str, str] = KEEP_PROMPTS,
        drop: Mapping[str, str] = DROP_PROMPTS,
        threshold: float = 0.5,
        padding: str = "longest",
    ) -> None:
        if not keep or not 0 <= threshold <= 1:
            raise ConfigError(
                "an image filter needs keep prompts and a threshold from 0 to 1", (dict(keep), threshold), ""
            )
        self._model, self._image_processor = model, image_processor
        self._threshold = threshold
        self._names = (*keep, *drop)
        self._kept = len(keep)
        self._text = tokenizer(
            [*keep.values(), *drop.values()],
            padding=padding,
            truncation=True,
            max_length=min(tokenizer.model_max_length, _positions(model)),
            return_tensors="pt",
        ).to(model.device)

    @classmethod
    def clip(cls, source: ModelSource, **options: Any) -> ContrastiveFilter:
        """Any CLIP, e.g. openai/clip-vit-large-patch14."""
        return cls(load_model(source, "CLIPModel"), load_image_processor(source), load_tokenizer(source), **options)

    @classmethod
    def siglip(cls, source: ModelSource, **options: Any) -> ContrastiveFilter:
        """Any SigLIP, e.g. google/siglip-so400m-patch14-384."""
        options = {"padding": "max_length", **options}
        return cls(load_model(source, "SiglipModel"), load_image_processor(source), load_tokenizer(source), **options)

    def judge(self, captures: Sequence[Capture]) -> list[FilterVerdict]:
        pixels = self._image_processor([c.rgb for c in captures], return_tensors="pt")["pixel_values"]
        with device_guard():
            names = [name for name in ("input_ids", "attention_mask") if name in self._text]
            output = self._model(
                pixel_values=pixels.to(self._model.device, self._model.dtype), **{n: self._text[n] for n in names}
            )
            shares = output.logits_per_image.float().softmax(dim=1).cpu().numpy()
        return [self._verdict(row) for row in shares]

    def _verdict(self, shares: np.ndarray) -> FilterVerdict:
        score = float(shares[: self._kept].sum())
        keep = score >= self._threshold
        # A dropped picture is named by what it was taken for, even if one keep prompt alone came first.
        best = int(np.argmax(shares[: self._kept])) if keep else self._kept + int(np.argmax(shares[self._kept :]))
        return FilterVerdict(keep, self._names[best], score)


def _positions(model: Any) -> int:
    return int(model.config.text_config.max_position_embeddings)
