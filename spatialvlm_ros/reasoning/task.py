"""One question under way, and who leads the thoughts about it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.toolbox import Toolbox
from spatialvlm_ros.reasoning.trace import Trace


@dataclass(frozen=True)
class Task:
    """What is asked, with what, and what came of it so far."""

    question: str
    tools: Toolbox
    trace: Trace


class Thinker(Protocol):
    """Leads the steps: the embedded planner, or a language model."""

    @property
    def name(self) -> str:
        """What it was loaded from."""
        ...

    def think(self, task: Task) -> Generator[None, None, Conclusion]:
        """Use the tools until there is a conclusion; yields between tools and between tokens.

        Raises:
            Stopped: there is no answer, and why.
            SpatialVLMError: a model or a server failed.
        """
        ...
