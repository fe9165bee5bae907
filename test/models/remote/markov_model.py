"""A folder with a tiny image-text model whose answers have known probabilities.

It is a real Llava: the picture goes through a (random) vision tower. But its only decoder layer adds nothing, so the
next token depends on the last one alone, by a table; and the chat template ends with a token that depends on the
question.
"""

from __future__ import annotations

from pathlib import Path

BOX = '{"boxes":[[250,250,500,500]]}'
NEXT: dict[str, dict[str, float]] = {
    "<number>": {"0.4": 0.25, "0.5": 0.5, "0.6": 0.25},
    "<bool>": {"yes": 0.75, "no": 0.25},
    "<json>": {BOX: 1.0},
    "<plain>": {"a": 1.0},
    "a": {"mug": 1.0},
    "0.4": {"m": 1.0},
    "0.5": {"m": 1.0},
    "0.6": {"m": 1.0},
}
WORDS = ["<pad>", "<unk>", "</s>", "<image>", *dict.fromkeys([*NEXT, *(w for row in NEXT.values() for w in row)])]
TEMPLATE = """\
{%- for message in messages -%}{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}<image> {% else -%}{{ part['text'] }} {% set question = part['text'] -%}
{%- if 'yes or no' in question -%}<bool>{%- elif 'JSON' in question -%}<json>
{%- elif 'number' in question -%}<number>{%- else -%}<plain>{%- endif -%}{%- endif -%}
{%- endfor -%}{%- endfor -%}"""


def save(folder: Path) -> None:
    """Write the model, its processor and its tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        GenerationConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(3)
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", unk_token="<unk>", eos_token="</s>", extra_special_tokens=["<image>"]
    )
    image = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    LlavaProcessor(
        image,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    size = 32
    assert len(WORDS) <= size
    text = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=size,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=2,
    )
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision, text_config=text, image_token_index=WORDS.index("<image>"), image_seq_length=4
        )
    )
    _set_table(model, size)
    model.generation_config = GenerationConfig(do_sample=True, top_k=0, eos_token_id=2, pad_token_id=0)
    model.save_pretrained(folder)


def _set_table(model: object, size: int) -> None:
    """Make the next token's logits the logarithms of `NEXT`; whatever has no row is followed by the end."""
    import torch

    table = torch.full((len(WORDS), len(WORDS)), -30.0)
    for last, word in enumerate(WORDS):
        for following, probability in NEXT.get(word, {"</s>": 1.0}).items():
            table[WORDS.index(following), last] = torch.log(torch.tensor(probability))
    decoder, head = model.model.language_model, model.lm_head  # type: ignore[attr-defined]
    with torch.no_grad():
        for layer in decoder.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        decoder.embed_tokens.weight.copy_(torch.eye(len(WORDS), size))
        head.weight.zero_()
        head.weight[:, : len(WORDS)] = table / size**0.5  # the last norm makes the one of a row sqrt(size)
