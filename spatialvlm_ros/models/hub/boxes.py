"""Boxes in words: how each kind of model is asked for one, and how what it writes becomes pixels.

Models are trained on one way of writing boxes; asked in another way they guess. A kind that is not listed is asked for
thousandths.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_BETWEEN = r"\s*[,;\s]\s*"
_PAIRS = r"\s*[\]\)]\s*,?\s*[\[\(]\s*"  # of two corners: "(100,200),(300,400)", as Qwen2-VL learnt it
_FOUR = re.compile(_BETWEEN.join((_NUMBER, rf"{_NUMBER}(?:{_BETWEEN}|{_PAIRS}){_NUMBER}", _NUMBER)))
_LOCATION = re.compile(r"<loc(\d{4})>" * 4)
_NAMED = re.compile(
    r'"?\b(?:bbox_?2d|bbox|box|x_?0|x_?min|y_?0|y_?min|x_?1|x_?max|y_?1|y_?max)"?\s*[:=]', re.IGNORECASE
)
_LOC_BINS = 1024


@dataclass(frozen=True)
class BoxDialect:
    """One way of writing boxes.

    Attributes:
        ask: name -> question.
        read: (text, (width, height) of the picture, (width, height) as the model saw it) -> (4,) x0, y0, x1, y1 in
            pixels of the picture, NaN where the text says none.
    """

    ask: Callable[[str], str]
    read: Callable[[str, tuple[int, int], tuple[int, int]], Float]


def four_numbers(text: str) -> Float | None:
    """The first four numbers in a row that a text states; None if there are none."""
    found = _FOUR.search(_NAMED.sub(" ", text))
    return None if found is None else np.array([float(number) for number in found.groups()])


def tidy_box(box: Float | None, size: tuple[int, int]) -> Float:
    """A box in the right order, cut at the picture's edges; NaN where nothing is left of it."""
    nothing = np.full(4, np.nan)
    if box is None:
        return nothing
    low, high = np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])
    cut = np.clip(np.concatenate([low, high]), 0, [*size, *size])
    return cut if (cut[2:] - cut[:2]).min() >= 1 else nothing


def _ask_thousandths(name: str) -> str:
    return (
        f"Where is the {name} in the picture? Answer only with its box as [x0, y0, x1, y1], whole numbers from 0 to "
        "1000, thousandths of the picture's width and height, from the top left. If it is not there, answer none."
    )


def _ask_json(name: str) -> str:
    return f'Locate the {name}, output its bbox coordinates using JSON format: {{"bbox_2d": [x0, y0, x1, y1]}}'


def _read_shares(unit: float) -> Callable[[str, tuple[int, int], tuple[int, int]], Float]:
    def read(text: str, size: tuple[int, int], seen: tuple[int, int]) -> Float:
        numbers = four_numbers(text)
        if numbers is None:
            return tidy_box(None, size)
        whole = 1.0 if np.abs(numbers).max() <= 1 else unit  # some answer in shares whatever they are asked for
        return tidy_box(numbers / whole * np.tile(size, 2), size)

    return read


def _read_pixels(text: str, size: tuple[int, int], seen: tuple[int, int]) -> Float:
    numbers = four_numbers(text)
    return tidy_box(None if numbers is None else numbers / np.tile(seen, 2) * np.tile(size, 2), size)


def _read_locations(text: str, size: tuple[int, int], seen: tuple[int, int]) -> Float:
    found = _LOCATION.search(text)
    if found is None:
        return tidy_box(None, size)
    y0, x0, y1, x1 = (float(number) / _LOC_BINS for number in found.groups())
    return tidy_box(np.array([x0, y0, x1, y1]) * np.tile(size, 2), size)


THOUSANDTHS = BoxDialect(_ask_thousandths, _read_shares(1000.0))
JSON_THOUSANDTHS = BoxDialect(_ask_json, _read_shares(1000.0))
JSON_PIXELS = BoxDialect(_ask_json, _read_pixels)
LOCATION_TOKENS = BoxDialect(lambda name: f"detect {name}", _read_locations)

# By `model_type` of the configuration.
BOX_DIALECTS: dict[str, BoxDialect] = {
    "paligemma": LOCATION_TOKENS,
    "qwen2_vl": JSON_THOUSANDTHS,
    "qwen2_5_vl": JSON_PIXELS,
    "qwen3_vl": JSON_THOUSANDTHS,
    "qwen3_vl_moe": JSON_THOUSANDTHS,
}


def box_dialect(model_type: str) -> BoxDialect:
    """How models of a kind write boxes."""
    return BOX_DIALECTS.get(model_type, THOUSANDTHS)


def seen_size(inputs: dict[str, Any], processor: Any, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the picture as the model saw it, where the processor tells; else as it is."""
    grid = inputs.get("image_grid_thw")
    patch = getattr(getattr(processor, "image_processor", None), "patch_size", None)
    if grid is None or not isinstance(patch, int):
        return size
    return int(grid[0][2]) * patch, int(grid[0][1]) * patch
