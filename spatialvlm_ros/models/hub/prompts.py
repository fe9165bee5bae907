"""A picture and a question as a model's own processor writes them, and the tokens of answers behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.hub.loading import LoadedModel
from spatialvlm_ros.models.hub.processors import picture_marks

_PROBE = "Which one is it?"
LEADS = ("", " ")  # an answer is written with or without a blank before it


@dataclass(frozen=True)
class PromptTemplate:
    """How one model is asked: through its chat template, or plainly where it has none (PaliGemma).

    Attributes:
        loaded: the model with its processor.
    """

    loaded: LoadedModel

    def clean(self, question: str) -> str:
        """A question without the tokenizer's special tokens: the text of a user must not end its own turn."""
        for token in sorted(self.loaded.tokenizer.all_special_tokens, key=len, reverse=True):
            question = question.replace(token, " ")
        return question.strip()

    def text(self, question: str) -> str:
        """The whole prompt, the picture as its placeholder."""
        processor, tokenizer = self.loaded.processor, self.loaded.tokenizer
        if getattr(processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": question}]
            chat = [{"role": "user", "content": content}]
            return processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        asked = f"{self._image_token()}{question}"
        if getattr(tokenizer, "chat_template", None):
            chat = [{"role": "user", "content": asked}]
            return tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        return asked

    def _image_token(self) -> str:
        named = getattr(self.loaded.processor, "image_token", None)
        return str(named or self.loaded.tokenizer.convert_ids_to_tokens(self.loaded.image_token_id))

    def _special(self, text: str) -> dict[str, Any]:
        """No second beginning where the template wrote one."""
        begin = self.loaded.tokenizer.bos_token
        return {"add_special_tokens": False} if begin and text.startswith(begin) else {}

    def inputs(self, picture: Image.Image, question: str) -> dict[str, Any]:
        """Everything that the model takes for one picture and question, as tensors of a batch of one on the CPU."""
        text = self.text(question)
        made = self.loaded.processor(text=[text], images=[[picture]], return_tensors="pt", **self._special(text))
        return {name: value for name, value in dict(made).items() if name != "labels" and value is not None}

    def tail(self, question: str) -> list[int]:
        """The tokens behind the picture's placeholder, made without the picture."""
        text = self.text(question)
        ids = list(self.loaded.tokenizer(text, **self._special(text))["input_ids"])
        marks = picture_marks(self.loaded.processor, self.loaded.image_token_id)
        last = max((k for k, token in enumerate(ids) if token in marks), default=-1)
        return ids[last + 1 :]

    def answers(self, texts: Sequence[str]) -> list[list[int]]:
        """The canonical tokens of answers as they stand behind a prompt.

        Only the tokenizer's own split of each text is meant: a model that spells a number in another way than its
        tokenizer would is not heard.

        Raises:
            ModelError: an answer would change the prompt's last token, or holds an unknown token.
        """
        tokenizer = self.loaded.tokenizer
        anchor = self.text(_PROBE).rpartition(_PROBE)[2] or "\n"
        before, *rows = _plain_tokens(tokenizer, [anchor, *(anchor + text for text in texts)])
        unknown = tokenizer.unk_token_id
        found = []
        for text, row in zip(texts, rows, strict=True):
            tokens = row[len(before) :]
            if row[: len(before)] != before or not tokens:
                raise ModelError("an answer melts into the end of the prompt", text, "Use another model.")
            if unknown is not None and unknown in tokens:
                raise ModelError("the tokenizer cannot write an answer", text, "It belongs to another model.")
            found.append(tokens)
        return found

    def spellings(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """The tokens of answers, each with and without a blank before it, and which answer each belongs to."""
        tokens: list[list[int]] = []
        owners: list[int] = []
        fault: ModelError | None = None
        for lead in LEADS:
            try:
                made = self.answers([lead + text for text in texts])
            except ModelError as error:
                fault = error
                continue
            tokens += made
            owners += range(len(texts))
        if not tokens:
            assert fault is not None
            raise fault
        return tokens, owners


def _plain_tokens(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Tokens of many short texts without special ones, as quickly as the tokenizer can."""
    if getattr(tokenizer, "is_fast", False):
        encodings = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [encoding.ids for encoding in encodings]
    return [list(row) for row in tokenizer(texts, add_special_tokens=False)["input_ids"]]
