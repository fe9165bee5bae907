"""The numbers that a model may write as a length, and how much of the grid of quantities each stands for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.quantities import N_BINS, OVERFLOW_BIN, bin_edges

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MOST_DECIMALS, MOST_INTEGER_DIGITS = 4, 2


@dataclass(frozen=True)
class NumberGrammar:
    """Decimal numbers of metres with a fixed count of decimals, e.g. 0.00 to 99.99, and -99.99 to 99.99 where signed.

    No number of the grammar is the beginning of another, so that the probability of a number is that of its tokens.
    Whole numbers of one digit more stand for "out of range": a model that thinks of 250 metres is not forced into a
    shorter number.

    Attributes:
        decimals: digits after the point, 1 to 4 (without a point "1" would begin "10").
        integer_digits: most digits before the point, 1 or 2.
        signed: whether there are negative numbers.

    Raises:
        ConfigError: a count out of range.
    """

    decimals: int = 2
    integer_digits: int = 2
    signed: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.decimals <= MOST_DECIMALS:
            raise ConfigError("a count of decimals out of range", self.decimals, f"Use 1 to {MOST_DECIMALS}.")
        if not 1 <= self.integer_digits <= MOST_INTEGER_DIGITS:
            raise ConfigError("a count of digits out of range", self.integer_digits, "Use 1 or 2.")

    @property
    def step(self) -> float:
        """Metres from number to number."""
        return 10.0**-self.decimals

    @property
    def steps(self) -> int:
        """How many numbers there are from 0 on, without the too long ones."""
        return int(10 ** (self.integer_digits + self.decimals))

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Every number as it is written, in the order of `ticks`."""
        scale = 10**self.decimals
        plain = [f"{k // scale}.{k % scale:0{self.decimals}d}" for k in range(self.steps)]
        beyond = [str(k) for k in range(10**self.integer_digits, 10 ** (self.integer_digits + 1))]
        below = [f"-{text}" for text in [*plain, *beyond]] if self.signed else []
        return tuple([*plain, *beyond, *below])

    @cached_property
    def ticks(self) -> Int:
        """(K,) the number of each text in units of `step`; ``steps`` for the too long ones, of either sign."""
        plain = np.arange(self.steps)
        far = np.full(9 * 10**self.integer_digits, self.steps)
        below = [-plain, far] if self.signed else []
        return np.concatenate([plain, far, *below]).astype(np.int64)

    def example(self) -> str:
        """A number as the prompt shows it."""
        return f"{0.3514:.{self.decimals}f}"

    def format(self, value: float) -> str:
        """A length in metres as the grammar writes it; lengths beyond it as the nearest number of it."""
        most = (self.steps - 1) * self.step
        value = float(np.clip(value, -most if self.signed else 0.0, most))
        text = f"{value:.{self.decimals}f}"
        return text.lstrip("-") if float(text) == 0 else text

    def to_bins(self, masses: Float) -> Float:
        """Probabilities of the numbers as probabilities on the grid of quantities.

        A number stands for the lengths that round to it, evenly: 0.30 for 0.295 to 0.305 m.

        Args:
            masses: (N, K) of each of `texts`; a row need not sum to 1.

        Returns:
            (N, N_BINS), each row summing to 1; the last bin is "too long". Rows without mass are NaN.
        """
        masses = np.asarray(masses, dtype=np.float64)
        lowest = -(self.steps - 1) if self.signed else 0
        slots = np.zeros((len(masses), self.steps - lowest + 1))
        np.add.at(slots.T, self.ticks - lowest, masses.T)
        too_long, inside = slots[:, -1], slots[:, :-1]
        edges = (np.arange(lowest, self.steps + 1) - 0.5) * self.step
        edges[0] = edges[0] if self.signed else 0.0
        cumulated = np.concatenate([np.zeros((len(masses), 1)), np.cumsum(inside, axis=1)], axis=1)
        grid = bin_edges()
        at = np.clip(np.interp(grid, edges, np.arange(len(edges))), 0, len(edges) - 1)
        low = np.minimum(at.astype(np.int64), len(edges) - 2)
        reached = cumulated[:, low] + (at - low) * inside[:, low]
        bins = np.empty((len(masses), N_BINS))
        bins[:, :OVERFLOW_BIN] = np.diff(reached, axis=1)
        bins[:, OVERFLOW_BIN] = too_long
        total = bins.sum(axis=1, keepdims=True)
        return np.divide(bins, total, out=np.full_like(bins, np.nan), where=total > 0)
