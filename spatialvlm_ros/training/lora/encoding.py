"""Conversations as tensors: the tokens of a model's own chat template, labels on answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spatialvlm_ros.errors import DatasetError, TrainingError
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.models.hub.processors import picture_marks
from spatialvlm_ros.models.hub.runner import last_place
from spatialvlm_ros.optional import require
from spatialvlm_ros.training.lora.records import ChatRecord

IGNORED = -100


@dataclass(frozen=True)
class ChatEncoder:
    """One processor's way from conversations to tensors.

    Attributes:
        processor: of the model.
        image_token_id: the token that stands for the picture.
        most_tokens: longer conversations are refused.
    """

    processor: Any
    image_token_id: int
    most_tokens: int = 4096

    def encode(self, record: ChatRecord) -> dict[str, Any]:
        """Tensors of a batch of one, ``labels`` (1, L) among them: the tokens of answers, `IGNORED` elsewhere.

        Raises:
            DatasetError: the picture is unreadable, or the conversation too long.
            TrainingError: the template cannot be split into questions and answers.
        """
        if getattr(self.processor, "chat_template", None):
            inputs = self._by_template(record)
        else:
            inputs = self._by_suffix(record)
        length = inputs["input_ids"].shape[1]
        if length > self.most_tokens:
            raise DatasetError("a conversation is too long", (record.record_id, length), "Raise most_tokens.")
        return inputs

    def _by_template(self, record: ChatRecord) -> dict[str, Any]:
        torch = require("torch", EXTRA)
        text, spans = self._rendered(record)
        tokenizer = self.processor.tokenizer
        begin = tokenizer.bos_token
        special = {"add_special_tokens": False} if begin and text.startswith(begin) else {}
        made = self.processor(text=[text], images=[[record.image()]], return_tensors="pt", **special)
        inputs = {name: value for name, value in dict(made).items() if value is not None}
        plain = tokenizer(text, return_offsets_mapping=True, **special)
        ids, offsets = list(plain["input_ids"]), plain["offset_mapping"]
        marks = picture_marks(self.processor, self.image_token_id)
        after = 1 + max((k for k, token in enumerate(ids) if token in marks), default=-1)
        tail, full = ids[after:], inputs["input_ids"][0].tolist()
        start = last_place(tail, full)
        if start < 1:
            raise TrainingError("the picture is not before the questions", record.record_id, "Use another processor.")
        labels = torch.full_like(inputs["input_ids"], IGNORED)
        for k, (low, high) in enumerate(offsets[after:]):
            if high > low and any(low >= first and high <= last for first, last in spans):
                labels[0, start + k] = tail[k]
        return {**inputs, "labels": labels}

    def _rendered(self, record: ChatRecord) -> tuple[str, list[tuple[int, int]]]:
        """The text of a conversation, and where its answers stand, the mark of their end included."""
        messages: list[dict[str, Any]] = []
        if record.system:
            messages.append(_message("system", record.system))
        spans = []
        for number, (question, answer) in enumerate(record.turns):
            asked = _message("user", question)
            if number == 0:
                asked["content"].insert(0, {"type": "image"})
            messages.append(asked)
            before = self._template(messages, True)
            messages.append(_message("assistant", answer))
            text = self._template(messages, False)
            if not text.startswith(before):
                raise TrainingError(
                    "the chat template writes an answer differently than it asks for one",
                    before[-40:],
                    "Fine-tune another model, or give this one a plain chat template.",
                )
            spans.append((len(before), len(text)))
        return text, spans

    def _template(self, messages: Sequence[dict[str, Any]], ask: bool) -> str:
        return str(self.processor.apply_chat_template(list(messages), add_generation_prompt=ask, tokenize=False))

    def _by_suffix(self, record: ChatRecord) -> dict[str, Any]:
        """PaliGemma's way: one question, the answer as the processor's suffix, labels by the processor."""
        if len(record.turns) != 1:
            raise TrainingError(
                "a model without a chat template is asked one question at a time",
                record.record_id,
                "Use `single_turns`.",
            )
        ((question, answer),) = record.turns
        token = getattr(self.processor, "image_token", "<image>")
        made = self.processor(
            text=[f"{token}{question}"], images=[[record.image()]], suffix=[answer], return_tensors="pt"
        )
        inputs = {name: value for name, value in dict(made).items() if value is not None}
        if "labels" not in inputs:
            raise TrainingError(
                "this processor has neither a chat template nor labels", type(self.processor).__name__, "Use another."
            )
        return inputs


def single_turns(records: Sequence[ChatRecord]) -> list[ChatRecord]:
    """Each question as a conversation of its own."""
    return [
        ChatRecord(f"{record.record_id}.{k}", record.picture, (turn,), record.system)
        for record in records
        for k, turn in enumerate(record.turns)
    ]


def collate(examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A batch: tokens padded on the right, pictures one behind the other.

    Raises:
        TrainingError: pictures of different shapes that this model's processor cannot batch.
    """
    torch = require("torch", EXTRA)
    longest = max(example["input_ids"].shape[1] for example in examples)
    fill = {"labels": IGNORED}
    batch = {}
    for name in examples[0]:
        rows = [example[name] for example in examples]
        if all(row.ndim == 2 and row.shape == e["input_ids"].shape for row, e in zip(rows, examples, strict=True)):
            rows = [torch.nn.functional.pad(r, (0, longest - r.shape[1]), value=fill.get(name, 0)) for r in rows]
        try:
            batch[name] = torch.cat(rows, dim=0)
        except RuntimeError as error:
            raise TrainingError(
                f"pictures of these sizes do not fit into one batch ({name})",
                [tuple(row.shape) for row in rows][:4],
                "Use batch_size 1 and accumulate instead.",
            ) from error
    return batch


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}
