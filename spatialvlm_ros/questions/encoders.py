"""Text encoders that say how alike two object names are."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError


class TextEncoder(Protocol):
    """Anything that turns texts into unit vectors whose dot product is a similarity, such as CLIP's text tower."""

    def encode(self, texts: list[str]) -> NDArray[np.floating]:
        """(n, d) unit vectors for n texts."""
        ...


class StringEncoder:
    """Similarity of spelling: hashed words and character trigrams, no weights to download.

    Each word adds 1 to one of ``dimensions`` cells (chosen by CRC-32, the same in every process), its trigrams
    (with word borders) share another 1 between them, and the vector is scaled to length 1. "mug" and "mugs" are
    0.9 alike, "red mug" and "blue mug" 0.5, "mug" and "bowl" 0. It knows no synonyms ("sofa" and "couch" are 0):
    pass CLIP's text tower for those.
    """

    def __init__(self, dimensions: int = 512) -> None:
        if dimensions < 16:
            raise ConfigError("the string encoder needs more cells", dimensions, "Use 256 or more.")
        self.dimensions = dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dimensions) float32 unit vectors; an empty text is the zero vector."""
        out = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(out, texts, strict=True):
            for word in text.lower().split():
                stem = word[:-1] if word.endswith("s") and len(word) > 3 and not word.endswith("ss") else word
                row[self._cell("w" + stem)] += 1.0
                bordered = f"^{word}$"
                trigrams = [bordered[i : i + 3] for i in range(len(bordered) - 2)]
                for trigram in trigrams:
                    row[self._cell(trigram)] += 1.0 / len(trigrams)
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        return (out / np.where(norms > 0, norms, 1)).astype(np.float32)

    def _cell(self, feature: str) -> int:
        return zlib.crc32(feature.encode()) % self.dimensions
