"""A hub model with LoRA layers, and perhaps with tokens for lengths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.models.devices import EXTRA, pick_device
from spatialvlm_ros.models.hub.faults import loading
from spatialvlm_ros.models.hub.loading import TUNING_EXTRA, HubSource, check_tokenizer, load_model
from spatialvlm_ros.models.hub.processors import NoVideo, load_processor
from spatialvlm_ros.models.hub.quantity_tokens import quantity_tokens
from spatialvlm_ros.optional import require
from spatialvlm_ros.training.lora.settings import LoraSettings


@dataclass(frozen=True)
class AdaptedModel:
    """What is trained.

    Attributes:
        model: a `peft.PeftModel`; only its LoRA matrices and the embeddings of new tokens have gradients.
        processor: with the new tokens.
        image_token_id: the token that stands for the picture.
        new_tokens: ids of tokens whose embeddings are trained.
    """

    model: Any
    processor: Any
    image_token_id: int
    new_tokens: tuple[int, ...]

    def trained(self) -> dict[str, Any]:
        """Name -> parameter of all that has gradients."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def save(self, folder: Path) -> None:
        """The adapter (safetensors) and the processor, as `HubBackend.from_pretrained` loads them.

        Raises:
            TrainingError: it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
            self.model.get_base_model().config.save_pretrained(folder)  # says which processor belongs to it
            save_processor(self.processor, folder)
        except OSError as error:
            raise TrainingError(f"cannot write the adapter to {folder}", str(error), "Free some space.") from error


def adapt(source: HubSource, settings: LoraSettings) -> AdaptedModel:
    """A model of the hub, ready to be trained.

    Raises:
        ModelError: as `models.hub.loading.load`.
        MissingDependencyError: torch, transformers or peft is missing.
        TrainingError: none of the settings' modules is in the model.
    """
    torch = require("torch", EXTRA)
    peft = require("peft", TUNING_EXTRA)
    processor = load_processor(*source.located())
    model = load_model(source)
    torch.manual_seed(settings.seed)
    image_token_id = check_tokenizer(source.model, model, processor)
    new = _add_quantity_tokens(model, processor.tokenizer) if settings.quantity_tokens else ()
    wanted = _targets(model, settings.targets)
    with loading(source.model, "LoRA layers"):
        config = peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=wanted,
            trainable_token_indices=_embeddings(model, new) if new else None,
        )
        config.base_model_name_or_path = source.model
        adapted = peft.get_peft_model(model, config)
    if settings.gradient_checkpointing:
        adapted.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        adapted.enable_input_require_grads()
    adapted.to(pick_device(source.device))
    return AdaptedModel(adapted, processor, image_token_id, new)


def _targets(model: Any, names: tuple[str, ...]) -> list[str]:
    """Full names of the linear layers to adapt: of the language model where there are any, else of all."""
    torch = require("torch", EXTRA)
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.rpartition(".")[2] in names
    ]
    if not found:
        raise TrainingError("the model has none of the modules to adapt", names, "Set `targets` to names it has.")
    words = [name for name in found if "language_model" in name or "text_model" in name]
    return words or found


def _add_quantity_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Tokens for lengths, with embeddings of their own; tokens that are there already are kept."""
    names = list(quantity_tokens())
    known = tokenizer.get_vocab()
    tokenizer.add_tokens([name for name in names if name not in known], special_tokens=True)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer))
    return tuple(int(i) for i in tokenizer.convert_tokens_to_ids(names))


def _embeddings(model: Any, ids: tuple[int, ...]) -> dict[str, list[int]]:
    """The layers whose rows are trained: input embeddings, and the output's where they are not the same tensor."""
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    names = {id(module): name for name, module in model.named_modules()}
    layers = [inputs] if outputs is None or outputs.weight is inputs.weight else [inputs, outputs]
    return {names[id(layer)].rpartition(".")[2]: list(ids) for layer in layers}


def save_processor(processor: Any, folder: Path) -> None:
    """A processor as a folder; one without its video part is saved in parts."""
    if not any(isinstance(getattr(processor, part, None), NoVideo) for part in processor.get_attributes()):
        processor.save_pretrained(folder)
        return
    processor.tokenizer.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    template = getattr(processor, "chat_template", None)
    if isinstance(template, str):
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
