"""Speed of fine-tuning a hub model with LoRA: conversations and tokens a second, share of the peak, memory.

    python bench/lora_speed.py [--model qwen] [--steps 6] [--batch 4] [--json]
    python bench/lora_speed.py --model qwen-3b --device cuda --batch 8         # an accelerator

The model is a random one of a published architecture (see hub_speed.py), the conversations are ten questions each
about a 640x480 picture. The loop is that of `spatialvlm finetune`. The share of the peak is that of all steps but the
first, the making of batches included: the operations of matrix products and convolutions that
`torch.utils.flop_counter` counts in a step over its time, against a large matrix product of the same number format in
the same run.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch  # noqa: E402
from hub_speed import MODELS, make  # noqa: E402
from model_speed import observation, queries  # noqa: E402
from PIL import Image  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from training_speed import COUNTS, SHORT, finish, matmul_peak  # noqa: E402

from spatialvlm_ros.models.devices import pick_dtype  # noqa: E402
from spatialvlm_ros.models.hub.loading import HubSource  # noqa: E402
from spatialvlm_ros.models.hub.numbers import NumberGrammar  # noqa: E402
from spatialvlm_ros.models.hub.processors import load_processor  # noqa: E402
from spatialvlm_ros.models.hub.wording import query_words  # noqa: E402
from spatialvlm_ros.training.lora.encoding import ChatEncoder  # noqa: E402
from spatialvlm_ros.training.lora.finetune import finetune  # noqa: E402
from spatialvlm_ros.training.lora.records import ChatRecord  # noqa: E402
from spatialvlm_ros.training.lora.settings import LoraSettings  # noqa: E402

TURNS = 10


def conversation(number: int) -> ChatRecord:
    """Ten questions about a picture; the answers are wrong, which costs the same."""
    frame = observation()
    picture = io.BytesIO()
    Image.fromarray(frame.rgb).save(picture, "JPEG", quality=90)
    grammar = NumberGrammar(2, signed=True)
    turns = tuple((query_words(q, frame.camera, grammar), f"{0.11 * k:.2f}") for k, q in enumerate(queries(TURNS)))
    return ChatRecord(str(number), picture.getvalue(), turns)


def tokens_of(folder: Path) -> int:
    """Tokens of a conversation, those of its picture included."""
    from transformers import AutoConfig

    processor = load_processor(*HubSource(str(folder)).located())
    encoder = ChatEncoder(processor, AutoConfig.from_pretrained(folder).image_token_id)
    return int(encoder.encode(conversation(0))["input_ids"].shape[1])


def measure(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """All rows."""
    records = [conversation(k) for k in range(args.batch)]
    given = {"batch_size": args.batch, "dtype": args.dtype, "device": args.device, "save_every": 0, "most_tokens": 8192}
    with FlopCounterMode(display=False, custom_mapping=COUNTS) as counter:
        finetune(str(folder), records, folder / "counted", LoraSettings(steps=1, **given))
    times: list[float] = []

    def note(*_: Any) -> None:
        finish(args.device)
        times.append(time.perf_counter())

    finetune(str(folder), records, folder / "timed", LoraSettings(steps=args.steps + 1, **given), progress=note)
    seconds = statistics.median(b - a for a, b in zip(times, times[1:], strict=False))
    dtype, long = pick_dtype(args.dtype, args.device), tokens_of(folder)
    cuda = args.device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if cuda else args.device,
        "model": args.model,
        "dtype": SHORT[dtype],
        "batch": args.batch,
        "tokens_of_a_conversation": long,
        "step_ms": 1e3 * seconds,
        "conversations_per_s": args.batch / seconds,
        "tokens_per_s": args.batch * long / seconds,
        "tflop_of_a_step": counter.get_total_flops() / 1e12,
        "share_of_peak": counter.get_total_flops() / seconds / matmul_peak(args.device, dtype),
        "peak_mib": torch.cuda.max_memory_allocated() / 2**20 if cuda else None,
    }


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="qwen")
    parser.add_argument("--steps", type=int, default=6, help="that are timed (default: 6)")
    parser.add_argument("--batch", type=int, default=4, help="conversations of a step (default: 4)")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON, in one line")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(make(args.model, Path(folder), args.device), args)
    print(json.dumps(result, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
