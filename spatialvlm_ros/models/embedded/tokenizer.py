"""The tokenizer of the embedded model: special tokens first, then words learnt from names and templates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.embedded.vocabulary import END, IMAGE, PAD, special_tokens

WORD_TOKENS = 2400


def train_tokenizer(texts: Iterable[str], word_tokens: int = WORD_TOKENS) -> Any:
    """A byte-level BPE tokenizer (any text can be written) as a ``PreTrainedTokenizerFast``.

    Args:
        texts: what its words are learnt from; the result depends on them and their order only.
        word_tokens: number of tokens beside the special ones.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    specials = special_tokens()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(specials) + word_tokens,
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, extra_special_tokens={"image_token": IMAGE}
    )


def tokenizer_digest(tokenizer: Any) -> str:
    """SHA-256 of which token has which id."""
    pairs = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    return hashlib.sha256("\n".join(f"{number} {token}" for token, number in pairs).encode()).hexdigest()


def check_tokenizer(tokenizer: Any, embeddings: int, digest: str = "") -> None:
    """Whether a tokenizer is the one that a model was trained with.

    Args:
        tokenizer: of the model's folder.
        embeddings: number of tokens that the model knows.
        digest: of the right tokenizer, "" where the folder does not say.

    Raises:
        ModelError: it is of another size, its special tokens have other ids, or its words.
    """
    remedy = "Take the one in the model's folder."
    if len(tokenizer) != embeddings:
        raise ModelError("the tokenizer belongs to another model", (len(tokenizer), embeddings), remedy)
    specials = special_tokens()
    for number, token in enumerate(tokenizer.convert_ids_to_tokens(range(len(specials)))):
        if token != specials[number]:
            raise ModelError("the tokenizer belongs to another model", (token, specials[number]), remedy)
    if digest and tokenizer_digest(tokenizer) != digest:
        raise ModelError("the words of the tokenizer belong to another model", len(tokenizer), remedy)
