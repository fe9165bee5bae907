"""Tokens for lengths in a hub model's vocabulary: what fine-tuning may add, and how they are found again.

They are spelled like those of the embedded model, one a bin of the grid of quantities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.quantities import N_BINS, ZERO_BIN, bin_index


def quantity_tokens() -> tuple[str, ...]:
    """The N_BINS tokens, in the order of the bins."""
    return tuple(f"<length {k}>" for k in range(N_BINS))


def quantity_token(value: float) -> str:
    """The token of a length in metres."""
    return f"<length {int(bin_index(value))}>"


def quantity_ids(tokenizer: Any) -> NDArray[np.int64] | None:
    """(N_BINS,) ids of the tokens; None where a tokenizer lacks one."""
    vocabulary = tokenizer.get_vocab()
    found = [vocabulary.get(token) for token in quantity_tokens()]
    return None if None in found else np.asarray(found, dtype=np.int64)


def length_probabilities(log_probs: NDArray[np.float64], signed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N, N_BINS) probabilities from log probabilities of the tokens; the negative half is masked where not signed."""
    allowed = signed[:, None] | (np.arange(N_BINS) >= ZERO_BIN)[None]
    masked = np.where(allowed, log_probs, -np.inf)
    weights = np.exp(masked - masked.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
