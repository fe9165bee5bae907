"""Tiny random vision-language models with tokenizers and processors, saved as folders like those of a model hub."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SENTENCES = (
    "How far apart are the centre of the red mug and the centre of the plate, in a straight line?",
    "Answer only with the number of metres with 2 decimals, such as 0.35.",
    "Is the chair farther left than the table, as the camera sees it? Answer yes or no. Yes. No.",
    "The picture is 640 x 480 pixels, its focal length is 525 pixels: it shows 63 degrees from left to right.",
    "It is 0.25 metres, 1.50 metres, 10.75 metres, -0.25 metres, 12.00, 3.10, 0.10, 0.01, 25.25, 99.99.",
    "Where is the mug in the picture? [100, 200, 300, 400]",
)
CHAT = (
    "{% for message in messages %}{{ '<|start|>' + message['role'] + '\n' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ 'IMAGE' }}{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{{ '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant\n' }}{% endif %}"
)
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.3,
}
VISION = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
QWEN_VISION = {
    "depth": 1,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_heads": 2,
    "fullatt_block_indexes": [0],
    "window_size": 56,
}
HALF = [0.5, 0.5, 0.5]


@dataclass(frozen=True)
class Size:
    """How large a model is made.

    Attributes:
        text, vision: settings of its two parts.
        patches: of a picture; LLaVA: along each side, Qwen: the most in all that the text part sees.
        vocabulary: tokens that the tokenizer learns, special ones included.
        sentences: what it learns from.
    """

    text: dict[str, Any] = field(default_factory=lambda: TEXT)
    vision: dict[str, Any] = field(default_factory=lambda: VISION)
    patches: int = 4
    vocabulary: int = 420
    sentences: tuple[str, ...] = SENTENCES


TINY = Size()
TINY_QWEN = Size(vision=QWEN_VISION, patches=24)


def chat_template(image: str) -> str:
    """A chat template with a model's own placeholder for the picture."""
    return CHAT.replace("IMAGE", image)


def byte_tokenizer(specials: list[str], split_digits: bool = False, size: Size = TINY, **names: str) -> Any:
    """Byte-level BPE trained on a few sentences; digits single, or merged into tokens of several."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    steps = [pre_tokenizers.Digits(individual_digits=True)] if split_digits else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size.vocabulary,
        special_tokens=["<pad>", "<|start|>", "<|end|>", *specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(size.sentences * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|end|>", **names, extra_special_tokens=specials
    )


def metaspace_tokenizer(specials: list[str], **names: str) -> Any:
    """BPE as SentencePiece models have it: blanks are part of the words, digits single, bytes as a fallback."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="never"), pre_tokenizers.Digits(individual_digits=True)]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
    letters = sorted(
        {*"".join(SENTENCES), *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\n.,:-?()'=<>"}
    )
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<unk>", "<bos>", "<eos>", *specials],
        initial_alphabet=letters,
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        **names,
        extra_special_tokens=specials,
    )


def _write(folder: Path, name: str, content: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps(content))


def _save(model: Any, folder: Path) -> Path:
    model.eval().save_pretrained(folder)
    return folder


def make_llava(folder: Path, split_digits: bool = False, size: Size = TINY) -> Path:
    """Plain causal attention; tokens of several digits unless they are split."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    side = 14 * size.patches
    tokenizer = byte_tokenizer(["<image>"], split_digits, size, image_token="<image>")
    tokenizer.save_pretrained(folder)
    config = LlavaConfig(
        vision_config={
            "model_type": "clip_vision_model",
            **size.vision,
            "image_size": side,
            "patch_size": 14,
            "projection_dim": 16,
        },
        text_config={"model_type": "llama", **size.text, "vocab_size": len(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=size.patches**2,
        vision_feature_layer=-1,
    )
    config.text_config.eos_token_id = tokenizer.eos_token_id
    settings = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
        "image_mean": HALF,
        "image_std": HALF,
        "do_resize": True,
        "do_center_crop": True,
        "do_rescale": True,
        "do_normalize": True,
    }
    _write(folder, "preprocessor_config.json", settings)
    processor = {
        "processor_class": "LlavaProcessor",
        "patch_size": 14,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
        "image_token": "<image>",
    }
    _write(folder, "processor_config.json", processor)
    (folder / "chat_template.jinja").write_text(chat_template("<image>\n"))
    return _save(LlavaForConditionalGeneration(config), folder)


def make_llava_digits(folder: Path) -> Path:
    """As `make_llava`, each digit a token."""
    return make_llava(folder, split_digits=True)


def make_qwen(folder: Path, size: Size = TINY_QWEN, embeddings: int = 0) -> Path:
    """M-RoPE: a picture takes fewer positions than tokens. Its processor has a video part.

    Args:
        embeddings: rows of the embedding where there are to be more than tokens, as published models have.
    """
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = byte_tokenizer(marks, True, size)
    tokenizer.save_pretrained(folder)
    ids = {
        name: tokenizer.convert_tokens_to_ids(token)
        for name, token in zip(
            ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id"), marks, strict=True
        )
    }
    text = size.text
    quarter = text["hidden_size"] // text["num_attention_heads"] // 8
    sections = [2 * quarter, quarter, quarter]
    config = Qwen2_5_VLConfig(
        text_config={
            **text,
            "vocab_size": max(len(tokenizer), embeddings),
            "rope_parameters": {"rope_type": "default", "mrope_section": sections, "rope_theta": 10000.0},
        },
        vision_config={
            **size.vision,
            "out_hidden_size": text["hidden_size"],
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        **ids,
    )
    settings = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "size": {"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * size.patches},
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": HALF,
        "image_std": HALF,
    }
    _write(folder, "preprocessor_config.json", settings)
    _write(folder, "processor_config.json", {"processor_class": "Qwen2_5_VLProcessor"})
    (folder / "chat_template.jinja").write_text(chat_template("<|vision_start|><|image_pad|><|vision_end|>"))
    return _save(Qwen2_5_VLForConditionalGeneration(config), folder)


def make_idefics3(folder: Path) -> Path:
    """The processor writes marks around the picture's tokens, behind them too."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration

    marks = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    tokenizer = byte_tokenizer(marks)
    tokenizer.save_pretrained(folder)
    config = Idefics3Config(
        vision_config={**VISION, "image_size": 32, "patch_size": 8},
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    settings = {
        "image_processor_type": "Idefics3ImageProcessor",
        "size": {"longest_edge": 32},
        "max_image_size": {"longest_edge": 32},
        "do_image_splitting": False,
        "image_mean": HALF,
        "image_std": HALF,
    }
    _write(folder, "preprocessor_config.json", settings)
    _write(folder, "processor_config.json", {"processor_class": "Idefics3Processor", "image_seq_len": 4})
    (folder / "chat_template.jinja").write_text(chat_template("<image>"))
    return _save(Idefics3ForConditionalGeneration(config), folder)


def make_paligemma(folder: Path) -> Path:
    """Prefix-LM: picture and question see each other. No chat template."""
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

    places = [f"<loc{k:04d}>" for k in range(1024)]
    tokenizer = metaspace_tokenizer(["<image>", *places], image_token="<image>")
    tokenizer.add_tokens([f"<seg{k:03d}>" for k in range(128)])
    tokenizer.save_pretrained(folder)
    config = PaliGemmaConfig(
        vision_config={**VISION, "image_size": 32, "patch_size": 8, "projection_dim": 32, "vision_use_head": False},
        text_config={"model_type": "gemma", **TEXT, "head_dim": 8, "vocab_size": len(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=32,
    )
    config.text_config.eos_token_id = tokenizer.eos_token_id
    settings = {
        "image_processor_type": "SiglipImageProcessor",
        "size": {"height": 32, "width": 32},
        "image_mean": HALF,
        "image_std": HALF,
        "image_seq_length": 16,
    }
    _write(folder, "preprocessor_config.json", settings)
    _write(folder, "processor_config.json", {"processor_class": "PaliGemmaProcessor"})
    return _save(PaliGemmaForConditionalGeneration(config), folder)


def make_qwen3(folder: Path) -> Path:
    """M-RoPE, and features of the picture in several layers."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = byte_tokenizer(marks, split_digits=True)
    tokenizer.save_pretrained(folder)
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
    config = Qwen3VLConfig(
        text_config={**TEXT, "head_dim": 8, "vocab_size": len(tokenizer), "rope_parameters": rope},
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 64,
        },
        **dict(zip(names, tokenizer.convert_tokens_to_ids(marks), strict=True)),
    )
    settings = {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "size": {"shortest_edge": 32 * 32 * 4, "longest_edge": 32 * 32 * 24},
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": HALF,
        "image_std": HALF,
    }
    _write(folder, "preprocessor_config.json", settings)
    (folder / "chat_template.jinja").write_text(chat_template("<|vision_start|><|image_pad|><|vision_end|>"))
    return _save(Qwen3VLForConditionalGeneration(config), folder)


def make_internvl(folder: Path) -> Path:
    """The picture's tokens stand between two marks."""
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    names = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    tokenizer = byte_tokenizer([*names.values(), "<video>"], video_token="<video>", **names)
    tokenizer.save_pretrained(folder)
    config = InternVLConfig(
        vision_config={**VISION, "image_size": [28, 28], "patch_size": [7, 7]},
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": len(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    settings = {
        "image_processor_type": "GotOcr2ImageProcessorFast",
        "size": {"height": 28, "width": 28},
        "crop_to_patches": False,
        "image_mean": HALF,
        "image_std": HALF,
    }
    _write(folder, "preprocessor_config.json", settings)
    _write(folder, "processor_config.json", {"processor_class": "InternVLProcessor", "image_seq_length": 4})
    (folder / "chat_template.jinja").write_text(chat_template("<IMG_CONTEXT>\n"))
    return _save(InternVLForConditionalGeneration(config), folder)


def make_gemma3(folder: Path, window: int = 512) -> Path:
    """The tokens of a picture see each other; some layers have a sliding window."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    names = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = metaspace_tokenizer(list(names.values()), **names)
    tokenizer.save_pretrained(folder)
    ids = {f"{name}_index": tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    kinds = ["sliding_attention", "full_attention"]
    text = {**TEXT, "head_dim": 8, "vocab_size": len(tokenizer), "sliding_window": window, "layer_types": kinds}
    config = Gemma3Config(
        text_config=text,
        vision_config={**VISION, "image_size": 32, "patch_size": 8},
        mm_tokens_per_image=4,
        **ids,
    )
    settings = {
        "image_processor_type": "Gemma3ImageProcessor",
        "size": {"height": 32, "width": 32},
        "image_mean": HALF,
        "image_std": HALF,
    }
    _write(folder, "preprocessor_config.json", settings)
    _write(folder, "processor_config.json", {"processor_class": "Gemma3Processor", "image_seq_length": 4})
    (folder / "chat_template.jinja").write_text(chat_template("<start_of_image>"))
    return _save(Gemma3ForConditionalGeneration(config), folder)


def make_gemma3_short(folder: Path) -> Path:
    """As `make_gemma3`, its window shorter than a prompt."""
    return make_gemma3(folder, window=32)


MAKERS = {
    "llava": make_llava,
    "llava_digits": make_llava_digits,
    "qwen": make_qwen,
    "idefics3": make_idefics3,
    "paligemma": make_paligemma,
    "qwen3": make_qwen3,
    "internvl": make_internvl,
    "gemma3": make_gemma3,
    "gemma3_short": make_gemma3_short,
}
