"""Regions of a picture as benchmarks give them: boxes, and run-length coded masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import EvaluationError

_CHARACTER_ZERO, _BITS, _MORE, _SIGN = 48, 5, 0x20, 0x10
_MOST_PIXELS = 200_000_000


@dataclass(frozen=True)
class BenchRegion:
    """One object of a question.

    Attributes:
        box: x0, y0, x1, y1 in pixels (x1, y1 exclusive), clipped to the picture; None where only the mask is known.
        rle: (height, width, run lengths as the benchmark writes them); None without a mask.
    """

    box: tuple[float, float, float, float] | None
    rle: tuple[int, int, str | tuple[int, ...]] | None = None

    def mask(self) -> NDArray[np.bool_] | None:
        """(H, W), or None without one.

        Raises:
            EvaluationError: the runs do not fill the picture.
        """
        return None if self.rle is None else decode_rle(*self.rle)


def decode_rle(height: int, width: int, counts: str | Sequence[int]) -> NDArray[np.bool_]:
    """A COCO mask: lengths of runs of 0 and 1 in turn, down the columns; as numbers or as COCO's compressed text.

    Raises:
        EvaluationError: a character that is none of the code, or runs that do not fill the picture exactly.
    """
    runs = np.array(_decompressed(counts) if isinstance(counts, str) else list(counts), dtype=np.int64)
    if not 0 < height * width <= _MOST_PIXELS or (runs < 0).any() or runs.sum() != height * width:
        raise EvaluationError(
            "the runs of a mask do not fill its picture", (height, width, int(runs.sum())), "The file is damaged."
        )
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _decompressed(text: str) -> list[int]:
    """Numbers of a compressed text: five bits a character, low bits first; from the third on, the difference to the run
    two before."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        code = ord(character) - _CHARACTER_ZERO
        if not 0 <= code < 2 * _MORE or shift > 60:
            raise EvaluationError(
                "a mask holds a character that is none of its code", character, "The file is damaged."
            )
        value |= (code & (_MORE - 1)) << shift
        shift += _BITS
        if code & _MORE:
            continue
        if code & _SIGN:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise EvaluationError("the text of a mask is cut off", text[-20:], "The file is damaged.")
    return runs
