"""The model as it is trained: the vision-language model, its dense heads, and one forward pass to all losses."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from spatialvlm_ros.models.embedded.architecture import STRIDE, ModelShape
from spatialvlm_ros.models.embedded.position_code import add_position_code
from spatialvlm_ros.models.embedded.vocabulary import Vocabulary
from spatialvlm_ros.training.config import LossWeights
from spatialvlm_ros.training.dense import DenseHeads, DenseTargets, dense_losses
from spatialvlm_ros.training.looking import AttentionTap, Looks
from spatialvlm_ros.training.losses import Batch, answer_losses


class TrainedModel(nn.Module):
    """Wraps the vision-language model.

    Args:
        vlm: ``FastVlmForConditionalGeneration``.
        heads: dense heads on its picture tokens.
        shape: of the model.
        weights: of the losses.
    """

    def __init__(self, vlm: Any, heads: DenseHeads, shape: ModelShape, weights: LossWeights) -> None:
        super().__init__()
        self.vlm, self.heads = vlm, heads
        self.weights = weights
        self.rows, self.columns = shape.height // STRIDE, shape.width // STRIDE
        self.vocabulary = Vocabulary()
        self._tap = AttentionTap(vlm)
        add_position_code(vlm, shape)

    def train(self, mode: bool = True) -> TrainedModel:
        """Statistics of batch normalisation stay as they are: a process sees too few pictures at a time for its own."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(
        self, pixels: Tensor, batch: Batch | None, dense: DenseTargets | None, looks: Looks | None = None
    ) -> tuple[Tensor, dict[str, Tensor], Tensor | None]:
        """One step.

        Args:
            pixels: (B, 5, H, W).
            batch: questions, or None for dense supervision alone.
            dense: truth of the cells, or None.
            looks: where tokens should look, or None.

        Returns:
            The weighted loss, the single losses (detached), and the decoder's last states (B, S, D) or None.
        """
        losses: dict[str, Tensor] = {}
        hidden = None
        if batch is None:
            tokens = self._picture_tokens(pixels)
        else:
            out = self.vlm.model(
                input_ids=batch.ids,
                pixel_values=pixels,
                attention_mask=batch.mask,
                position_ids=batch.positions,
                use_cache=False,
            )
            hidden = out.last_hidden_state
            tokens = out.image_hidden_states.view(len(pixels), self.rows * self.columns, -1)
            embedding = self.vlm.get_input_embeddings().weight
            losses |= answer_losses(hidden, embedding, batch, self.vocabulary)
            if looks is not None:
                losses["look"] = self._tap.loss(looks)
        of_cells = dense_losses(self.heads(tokens, self.rows, self.columns), dense) if dense is not None else {}
        total = sum((getattr(self.weights, name) * value for name, value in losses.items()), tokens.new_zeros(()))
        share = 1.0 if batch is None else self.weights.dense
        total = total + share * sum(
            (getattr(self.weights, name) * value for name, value in of_cells.items()), tokens.new_zeros(())
        )
        return total, {k: v.detach() for k, v in (losses | of_cells).items()}, hidden

    def _picture_tokens(self, pixels: Tensor) -> Tensor:
        model = self.vlm.model
        features = model.vision_tower(pixels).last_hidden_state
        return model.multi_modal_projector(features.flatten(2).permute(0, 2, 1))
