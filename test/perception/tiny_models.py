"""Tiny random models with processors and tokenizers, saved as folders like those of a model hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CLIP_MEAN, CLIP_STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]
HALF = [0.5, 0.5, 0.5]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.?,'<>_-"


def write_image_processor(folder: Path, kind: str, **settings: Any) -> None:
    """preprocessor_config.json as hubs hold it."""
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": kind, **settings}))


def clip_tokenizer(folder: Path, length: int) -> None:
    from transformers import CLIPTokenizer

    # As in CLIP: an ordinary piece is number 0 (OWLv2 takes queries that start with it for padding).
    pieces = [*LETTERS, *(c + "</w>" for c in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=length).save_pretrained(folder)


def bert_tokenizer(folder: Path) -> int:
    from transformers import BertTokenizer

    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *LETTERS,
        *("##" + c for c in LETTERS),
        "chair",
        "mug",
        "red",
    ]
    BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}).save_pretrained(folder)
    return len(pieces)


def plain_tokenizer(folder: Path, length: int) -> int:
    """A word tokenizer of no particular model, as SigLIP folders have one in tokenizer.json."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = "<pad> <unk> an iphone photo of indoor outdoor scene a close up shot single object product painting".split()
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", model_max_length=length
    ).save_pretrained(folder)
    return len(words)


def _save(model: Any, folder: Path) -> Path:
    model.eval().save_pretrained(folder)
    return folder


def make_clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPModel

    clip_tokenizer(folder, 48)
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**small, "vocab_size": 100, "max_position_embeddings": 48, "bos_token_id": 88, "eos_token_id": 89},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    write_image_processor(
        folder,
        "CLIPImageProcessor",
        do_resize=True,
        size={"shortest_edge": 32},
        do_center_crop=True,
        crop_size={"height": 32, "width": 32},
        image_mean=CLIP_MEAN,
        image_std=CLIP_STD,
    )
    return _save(CLIPModel(config), folder)


def make_siglip(folder: Path) -> Path:
    from transformers import SiglipConfig, SiglipModel

    words = plain_tokenizer(folder, 16)
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={**small, "vocab_size": words, "max_position_embeddings": 16, "projection_size": 16},
        vision_config={**small, "image_size": 32, "patch_size": 8},
    )
    write_image_processor(
        folder, "SiglipImageProcessor", size={"height": 32, "width": 32}, image_mean=HALF, image_std=HALF, resample=3
    )
    return _save(SiglipModel(config), folder)


def make_owlv2(folder: Path) -> Path:
    from transformers import Owlv2Config, Owlv2ForObjectDetection

    clip_tokenizer(folder, 16)
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Owlv2Config(
        text_config={**small, "vocab_size": 100, "max_position_embeddings": 16, "bos_token_id": 88, "eos_token_id": 89},
        vision_config={**small, "image_size": 64, "patch_size": 16},
        projection_dim=16,
    )
    write_image_processor(
        folder,
        "Owlv2ImageProcessor",
        do_pad=True,
        do_resize=True,
        size={"height": 64, "width": 64},
        image_mean=CLIP_MEAN,
        image_std=CLIP_STD,
    )
    return _save(Owlv2ForObjectDetection(config), folder)


def make_grounding_dino(folder: Path) -> Path:
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection

    words = bert_tokenizer(folder)
    config = GroundingDinoConfig(
        backbone_config={
            "model_type": "swin",
            "window_size": 2,
            "image_size": 64,
            "embed_dim": 8,
            "depths": [1, 1, 1],
            "num_heads": [1, 2, 2],
            "out_features": ["stage2", "stage3"],
            "out_indices": [2, 3],
        },
        text_config={
            "model_type": "bert",
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "vocab_size": words,
            "max_position_embeddings": 64,
        },
        d_model=32,  # 32 groups are fixed in its code
        encoder_layers=1,
        encoder_ffn_dim=24,
        encoder_attention_heads=2,
        decoder_layers=2,  # one has no weights to share and its code refuses it
        decoder_ffn_dim=24,
        decoder_attention_heads=2,
        num_queries=12,
        num_feature_levels=3,
        encoder_n_points=2,
        decoder_n_points=2,
        max_text_len=40,
    )
    write_image_processor(
        folder,
        "GroundingDinoImageProcessor",
        size={"shortest_edge": 48, "longest_edge": 96},
        image_mean=CLIP_MEAN,
        image_std=CLIP_STD,
    )
    return _save(GroundingDinoForObjectDetection(config), folder)


def make_sam(folder: Path) -> Path:
    from transformers import SamConfig, SamModel

    config = SamConfig(
        vision_config={
            "hidden_size": 16,
            "output_channels": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
            "window_size": 4,
            "global_attn_indexes": [0],
            "mlp_dim": 16,
            "num_pos_feats": 4,
        },
        prompt_encoder_config={"hidden_size": 8, "image_size": 64, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 8,
            "mlp_dim": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "iou_head_hidden_dim": 8,
            "attention_downsample_rate": 1,
        },
    )
    write_image_processor(
        folder,
        "SamImageProcessor",
        size={"longest_edge": 64},
        pad_size={"height": 64, "width": 64},
        do_pad=True,
        image_mean=CLIP_MEAN,
        image_std=CLIP_STD,
    )
    return _save(SamModel(config), folder)


def make_sam2(folder: Path) -> Path:
    from transformers import Sam2Config, Sam2Model

    config = Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 8,
                "num_attention_heads": 1,
                "image_size": [128, 128],
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 2, 4, 8],
                "window_size_per_stage": [4, 4, 4, 4],
                "global_attention_blocks": [3],
                "window_positional_embedding_background_size": [4, 4],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": 16,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 128, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "iou_head_hidden_dim": 8,
            "attention_downsample_rate": 1,
        },
    )
    write_image_processor(
        folder, "Sam2ImageProcessorFast", size={"height": 128, "width": 128}, image_mean=CLIP_MEAN, image_std=CLIP_STD
    )
    return _save(Sam2Model(config), folder)


def make_florence2(folder: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import Florence2Config, Florence2ForConditionalGeneration, PreTrainedTokenizerFast

    locations = [f"<loc_{i}>" for i in range(1000)]
    words = ["<s>", "<pad>", "</s>", "<unk>", *"What is the region does describe ? in image chair mug red".split()]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    fast.add_tokens(locations)
    fast.save_pretrained(folder)
    size = len(fast)
    config = Florence2Config(
        text_config={
            "model_type": "bart",
            "vocab_size": size,
            "d_model": 16,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 24,
            "decoder_ffn_dim": 24,
            "max_position_embeddings": 64,
            "bos_token_id": 0,
            "pad_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 2,
        },
        vision_config={
            "depths": [1, 1],
            "patch_size": [7, 3],
            "patch_stride": [4, 2],
            "patch_padding": [3, 1],
            "patch_prenorm": [False, True],
            "embed_dim": [8, 16],
            "num_heads": [1, 2],
            "num_groups": [1, 2],
            "window_size": 4,
            "projection_dim": 16,
            "max_position_embeddings": 16,
            "max_temporal_embeddings": 4,
        },
        image_token_id=fast.convert_tokens_to_ids("<image>"),
    )
    write_image_processor(
        folder,
        "CLIPImageProcessor",
        size={"height": 32, "width": 32},
        do_center_crop=False,
        image_mean=CLIP_MEAN,
        image_std=CLIP_STD,
        image_seq_length=17,  # 4 x 4 patches and their mean
    )
    return _save(Florence2ForConditionalGeneration(config), folder)


def make_blip(folder: Path) -> Path:
    from transformers import BlipConfig, BlipForConditionalGeneration

    words = bert_tokenizer(folder)
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BlipConfig(
        text_config={
            **small,
            "vocab_size": words,
            "max_position_embeddings": 32,
            "encoder_hidden_size": 16,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "sep_token_id": 3,
            "pad_token_id": 0,
        },
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    write_image_processor(
        folder, "BlipImageProcessor", size={"height": 32, "width": 32}, image_mean=CLIP_MEAN, image_std=CLIP_STD
    )
    return _save(BlipForConditionalGeneration(config), folder)


_DINO = {
    "model_type": "dinov2",
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "image_size": 56,
    "patch_size": 14,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
    "reshape_hidden_states": False,
    "apply_layernorm": True,
}


def make_depth_anything(folder: Path, kind: str = "metric") -> Path:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation

    config = DepthAnythingConfig(
        backbone_config=dict(_DINO),
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        patch_size=14,
        depth_estimation_type=kind,
        max_depth=20,
    )
    write_image_processor(
        folder,
        "DPTImageProcessor",
        size={"height": 56, "width": 56},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        image_mean=CLIP_MEAN,
        image_std=CLIP_STD,
        do_pad=False,
    )
    return _save(DepthAnythingForDepthEstimation(config), folder)


def make_zoedepth(folder: Path) -> Path:
    from transformers import ZoeDepthConfig, ZoeDepthForDepthEstimation

    config = ZoeDepthConfig(
        backbone_config={
            "model_type": "beit",
            "image_size": 32,
            "patch_size": 8,
            "hidden_size": 16,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "out_features": ["stage1", "stage2", "stage3", "stage4"],
            "reshape_hidden_states": False,
            "use_relative_position_bias": True,
        },
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        bin_embedding_dim=8,
        num_attractors=[4, 2, 2, 1],
        num_relative_features=8,
        bin_configurations=[{"n_bins": 4, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
    )
    write_image_processor(
        folder,
        "ZoeDepthImageProcessor",
        size={"height": 32, "width": 48},
        keep_aspect_ratio=True,
        ensure_multiple_of=16,
        do_pad=True,
        image_mean=HALF,
        image_std=HALF,
    )
    return _save(ZoeDepthForDepthEstimation(config), folder)


def make_depth_pro(folder: Path) -> Path:
    from transformers import DepthProConfig, DepthProForDepthEstimation

    encoder = {
        "model_type": "dinov2",
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 1,
        "mlp_ratio": 2,
        "image_size": 32,
        "patch_size": 8,
        "use_mask_token": False,
    }
    config = DepthProConfig(
        fusion_hidden_size=8,
        patch_size=32,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.25, 0.5, 1],
        scaled_images_overlap_ratios=[0.0, 0.5, 0.25],
        scaled_images_feature_dims=[8, 8, 8],
        image_model_config=dict(encoder),
        patch_model_config=dict(encoder),
        fov_model_config=dict(encoder),
        use_fov_model=True,
        num_fov_head_layers=0,
    )
    write_image_processor(
        folder, "DepthProImageProcessorFast", size={"height": 128, "width": 128}, image_mean=HALF, image_std=HALF
    )
    return _save(DepthProForDepthEstimation(config), folder)
