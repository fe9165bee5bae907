"""What a validation says: how many read-outs lie near the truth, slot by slot and relation by relation."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from spatialvlm_ros.models.embedded.vocabulary import LENGTHS, PREDICATES, Vocabulary, special_tokens
from spatialvlm_ros.models.quantities import N_BINS, ZERO_BIN, bin_values
from spatialvlm_ros.scenes.relations import RELATIONS
from spatialvlm_ros.training.losses import Batch, answer_tokens, read_logits
from spatialvlm_ros.training.packing import Target

_SIGNED = {f"<{r}>" for r in LENGTHS if RELATIONS[r].signed}


class Validation:
    """Collects hits over batches; `shares` gives one number per slot and relation."""

    def __init__(self) -> None:
        self._hits: dict[str, list[float]] = defaultdict(list)
        self._names = special_tokens()
        self._values = np.nan_to_num(bin_values(), nan=1e3)
        self.vocabulary = Vocabulary()

    def add(self, hidden: Tensor, embedding: Tensor, batch: Batch) -> None:
        """Counts one batch."""
        for target in (Target.PLACE, Target.LENGTH, Target.PRESENCE, Target.YES_NO):
            at = batch.targets == target
            if not bool(at.any()):
                continue
            logits = read_logits(hidden[at], embedding, answer_tokens(self.vocabulary, target))
            truth = batch.values[at].cpu().numpy()
            tokens = batch.ids[at].cpu().numpy()
            hits = self._hit(target, logits, truth, tokens)
            for token, hit in zip(tokens.tolist(), hits.tolist(), strict=True):
                self._hits[self._names[token]].append(hit)

    def shares(self) -> dict[str, float]:
        """Per token: share within 25% (lengths; signed ones within 5 cm or 25%), within 2 bins (places), right
        (classes), and the mean over all relations as "relations" and "predicates"."""
        shares = {name: float(np.mean(hits)) for name, hits in sorted(self._hits.items())}
        relations = [shares[f"<{r}>"] for r in LENGTHS if f"<{r}>" in shares]
        predicates = [shares[f"<{r}>"] for r in PREDICATES[:6] if f"<{r}>" in shares]
        return {
            "relations": float(np.mean(relations)) if relations else 0.0,
            "predicates": float(np.mean(predicates)) if predicates else 0.0,
            **shares,
        }

    def _hit(self, target: Target, logits: Tensor, truth: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        if target in (Target.PRESENCE, Target.YES_NO):
            return logits.argmax(dim=1).cpu().numpy() == truth
        probabilities = torch.softmax(logits, dim=1)
        if target is Target.PLACE:
            middles = torch.arange(logits.shape[1], device=logits.device) + 0.5
            return np.abs((probabilities @ middles).cpu().numpy() - truth) <= 4.0
        signed = np.array([self._names[t] in _SIGNED for t in tokens.tolist()])
        p = probabilities.cpu().numpy()
        p[~signed, :ZERO_BIN] = 0.0
        p[:, N_BINS - 1] = 0.0
        p /= p.sum(axis=1, keepdims=True)
        median = self._values[(p.cumsum(axis=1) < 0.5).sum(axis=1)]
        true = self._values[np.clip(truth.astype(np.int64), 0, N_BINS - 2)]
        error = np.abs(median - true)
        return (error <= 0.25 * np.abs(true)) | (signed & (error <= 0.05)) | (np.abs(true) < 0.001) & (error < 0.02)
