"""How a hub model is asked and read."""

from __future__ import annotations

from dataclasses import dataclass

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.hub.numbers import NumberGrammar
from spatialvlm_ros.setting_types import check_own_types


@dataclass(frozen=True)
class HubOptions:
    """How a hub model is asked and read.

    Attributes:
        decimals: of the numbers it may write; 2 is centimetres.
        least_mass: branches of the digit tree below this share of a query's probability are not walked.
        most_branches: of each query, on each level of the tree.
        batch_size: prompts in one forward pass.
        ask_presence: whether `read` asks for every named object whether it is there (two yes/no questions each).
        quantity_tokens: read lengths off quantity tokens where the tokenizer has them, instead of the digit tree.

    Raises:
        ConfigError: a value out of range.
    """

    decimals: int = 2
    least_mass: float = 2e-3
    most_branches: int = 24
    batch_size: int = 32
    ask_presence: bool = True
    quantity_tokens: bool = True

    def __post_init__(self) -> None:
        check_own_types(self, "a hub model")
        if not 0 <= self.least_mass < 1:
            raise ConfigError("a share out of range", self.least_mass, "least_mass is 0 or more and below 1.")
        for name in ("most_branches", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be positive", getattr(self, name), "Use 1 or more.")
        NumberGrammar(self.decimals)  # checks it
