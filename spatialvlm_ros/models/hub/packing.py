"""All branches of a prompt in one row: tokens that see the prompt and their own ancestors, and nothing else.

The prompt's keys are then read once for all of its branches instead of once for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.caches import select_rows
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.optional import require

if TYPE_CHECKING:
    from spatialvlm_ros.models.hub.continuation import PromptBatch

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_ATTENTION = ("sdpa", "eager")


def can_pack(config: Any) -> bool:
    """Whether a model's attention takes a mask of any shape in every layer (no windows, no recurrent layers)."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ())
    plain = kinds <= {"full_attention"} and (bool(kinds) or getattr(text, "sliding_window", None) is None)
    return plain and getattr(text, "_attn_implementation", None) in _ATTENTION


@dataclass(frozen=True)
class Packing:
    """Paths behind m prompts as trees, one row each.

    Attributes:
        rows: (m,) the prompts.
        tokens: (m, L), 0 beyond a row's tree.
        depths: (m, L) how many tokens after the prompt's end each stands.
        sees: (m, L, L) whether a token is another's ancestor, or itself.
        row_of: (M,) the row of each path, as an index into ``rows``.
        places: (M, T) where the tokens of each path are in its row; the last one is repeated beyond its end.
        lengths: (M,) of the paths.
    """

    rows: Int
    tokens: Int
    depths: Int
    sees: NDArray[np.bool_]
    row_of: Int
    places: Int
    lengths: Int

    @staticmethod
    def of(owners: Int, paths: Sequence[Int]) -> Packing:
        """Trees of paths; what two paths of a prompt begin with is there once.

        Args:
            owners: (M,) the prompt of each path.
            paths: M sequences of at least one token.
        """
        rows, row_of = np.unique(owners, return_inverse=True)
        trees: list[dict[tuple[int, ...], int]] = [{} for _ in rows]
        lengths = np.asarray([len(path) for path in paths])
        places = np.zeros((len(paths), lengths.max()), dtype=np.int64)
        for k, path in enumerate(paths):
            tree, key = trees[row_of[k]], tuple(path.tolist())
            found = [tree.setdefault(key[:end], len(tree)) for end in range(1, len(key) + 1)]
            places[k] = found + found[-1:] * (places.shape[1] - len(found))
        width = max(len(tree) for tree in trees)
        tokens, depths = (np.zeros((len(rows), width), dtype=np.int64) for _ in range(2))
        sees = np.repeat(np.eye(width, dtype=bool)[None], len(rows), axis=0)
        for r, tree in enumerate(trees):
            for key, place in tree.items():
                tokens[r, place], depths[r, place] = key[-1], len(key) - 1
                if len(key) > 1:
                    sees[r, place] |= sees[r, tree[key[:-1]]]
        return Packing(rows, tokens, depths, sees, row_of, places, lengths)


def packed_scores(
    model: Any, batch: PromptBatch, owners: Int, paths: Sequence[Int], wanted: Int
) -> tuple[Float, Float]:
    """Log probabilities of paths behind their first tokens, and of tokens after them, in one forward pass.

    Args:
        model: that read the batch.
        batch: with explicit positions.
        owners: (M,) the prompt of each path.
        paths: M sequences of at least one token.
        wanted: (M, W) tokens that may follow.

    Returns:
        (M,) and (M, W).
    """
    torch = require("torch", EXTRA)
    packing, device = Packing.of(owners, paths), batch.mask.device
    rows, tokens, depths, sees, row_of, places, lengths, following = (
        torch.as_tensor(a, device=device)
        for a in (
            packing.rows,
            packing.tokens,
            packing.depths,
            packing.sees,
            packing.row_of,
            packing.places,
            packing.lengths,
            wanted,
        )
    )
    prompt = batch.mask[rows].bool()[:, None].expand(-1, tokens.shape[1], -1)
    visible = torch.cat([prompt, sees], dim=2)[:, None]
    dtype = model.dtype
    hidden = torch.zeros(visible.shape, dtype=dtype, device=device).masked_fill(~visible, torch.finfo(dtype).min)
    assert batch.positions is not None
    logits = model(
        input_ids=tokens,
        attention_mask=hidden,
        position_ids=batch.positions[rows][:, None] + depths,
        past_key_values=select_rows(batch.cache, rows),
        use_cache=True,
        return_dict=True,
    ).logits.float()
    norms = logits.logsumexp(dim=-1)
    before, after = places[:, :-1], places[:, 1:]
    spelled = tokens[row_of[:, None], after]
    steps = logits[row_of[:, None], before, spelled] - norms[row_of[:, None], before]
    inside = torch.arange(1, places.shape[1], device=device)[None] < lengths[:, None]
    reached = torch.where(inside, steps.double(), 0.0).sum(dim=1)
    ends = places[:, -1]
    found = logits[row_of[:, None], ends[:, None], following] - norms[row_of, ends][:, None]
    return reached.cpu().numpy(), found.double().cpu().numpy()
