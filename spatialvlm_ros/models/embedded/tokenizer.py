"""The tokenizer of the embedded model: special tokens first, then words learnt from names and templates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
