"""The shape of the embedded model: a `FastVlmForConditionalGeneration` of transformers, nothing of our own.

Vision: EfficientNet (which can start from weights that have seen photographs) or Pyramid Vision Transformer v2, one
token per 16 x 16 pixels. Language: a Qwen3 decoder with tied embeddings. All small enough for two processor cores.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.embedded.picture import CHANNELS

STRIDE = 16
PVT, EFFICIENTNET = "pvt_v2", "efficientnet"
_EFFICIENTNET_WIDTH = 1280  # of its last convolution at width coefficient 1


@dataclass(frozen=True)
class ModelShape:
    """Sizes of the embedded model.

    Attributes:
        width, height: of the canvas in pixels, multiples of 16.
        vision_widths, vision_depths: channels and blocks of the three stages of a pvt_v2.
        hidden, layers, heads, kv_heads, feedforward: of the decoder.
        encoder: "pvt_v2", or "efficientnet": the one of B0, with the activations of Lite0.
        position_code: amplitude of the code that tells picture tokens where they are (see `position_code`), 0 for
            none. Picture tokens settle at a mean square of about 5 squared.
    """

    width: int = 256
    height: int = 192
    vision_widths: tuple[int, ...] = (32, 64, 256)
    vision_depths: tuple[int, ...] = (1, 1, 6)
    hidden: int = 256
    layers: int = 5
    heads: int = 4
    kv_heads: int = 4
    feedforward: int = 704
    encoder: str = PVT
    position_code: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "vision_widths", tuple(self.vision_widths))
        object.__setattr__(self, "vision_depths", tuple(self.vision_depths))
        if self.width % STRIDE or self.height % STRIDE:
            raise ConfigError("the model's picture must be a multiple of 16 pixels", (self.width, self.height))
        if self.encoder not in _ENCODERS:
            raise ConfigError("unknown encoder", self.encoder, f"Known: {', '.join(_ENCODERS)}.")
        if len(self.vision_widths) != 3 or len(self.vision_depths) != 3:
            raise ConfigError("the encoder has three stages", (self.vision_widths, self.vision_depths))

    @property
    def picture_tokens(self) -> int:
        """Number of tokens a picture takes."""
        return (self.width // STRIDE) * (self.height // STRIDE)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def build_config(shape: ModelShape, vocabulary: int, image_token: int, pad_token: int, end_token: int) -> Any:
    """The ``FastVlmConfig`` of a shape and a vocabulary."""
    from transformers import FastVlmConfig, Qwen3Config

    vision = _ENCODERS[shape.encoder](shape)
    text = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feedforward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.hidden // shape.heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=pad_token,
        eos_token_id=end_token,
        bos_token_id=None,
        use_sliding_window=False,
    )
    return FastVlmConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=image_token,
        image_seq_length=shape.picture_tokens,
        multimodal_projector_bias=True,
        tie_word_embeddings=True,
    )


def _pvt(shape: ModelShape) -> Any:
    from transformers import PvtV2Config

    config = PvtV2Config(
        image_size=max(shape.width, shape.height),
        num_channels=CHANNELS,
        num_encoder_blocks=3,
        hidden_sizes=list(shape.vision_widths),
        depths=list(shape.vision_depths),
        strides=[4, 2, 2],
        patch_sizes=[7, 3, 3],
        num_attention_heads=[1, 2, max(shape.vision_widths[2] // 64, 1)],
        mlp_ratios=[4, 4, 4],
        sr_ratios=[8, 4, 1],
        drop_path_rate=0.0,
    )
    # The projector reads the width of the vision tower's output from this name.
    config.hidden_size = shape.vision_widths[2]
    return config


def _efficientnet(shape: ModelShape) -> Any:
    from transformers import EfficientNetConfig

    config = EfficientNetConfig(
        image_size=max(shape.width, shape.height),
        num_channels=CHANNELS,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        hidden_act="relu6",
        hidden_dim=_EFFICIENTNET_WIDTH,
        # The last halving is left out: a token per 16 x 16 pixels.
        strides=[1, 2, 2, 2, 1, 1, 1],
        drop_connect_rate=0.0,
    )
    config.hidden_size = _EFFICIENTNET_WIDTH
    return config


_ENCODERS = {PVT: _pvt, EFFICIENTNET: _efficientnet}


def build_model(config: Any) -> Any:
    """A model with fresh weights."""
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_config(config, attn_implementation="eager")
