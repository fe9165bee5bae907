"""The kinds of sources, and how each is played or read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.rewards.check_sources import datasets, engines, environments, records, vectors
from spatialvlm_ros.rewards.check_sources.steps import Played, Playing

_SOURCES: tuple[tuple[Callable[[Any], bool], Callable[[Any, Playing], Played]], ...] = (
    (engines.is_batch, engines.play_batch),
    (engines.is_engine, engines.play_engine),
    (vectors.is_vector, vectors.play_vector),
    (environments.is_environment, environments.play_environment),
    (datasets.is_dataset, datasets.read_dataset),
    (records.is_recording, records.read_recording),
)


def played(source: Any, playing: Playing) -> Played:
    """The episodes of a source; see `check_reward`."""
    for fits, play in _SOURCES:
        if fits(source):
            return play(source, playing)
    raise ConfigError(
        "this cannot be checked", type(source).__name__, "Pass an engine, an environment, a data set or a recording."
    )
