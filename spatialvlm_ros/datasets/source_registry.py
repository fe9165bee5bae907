"""Sources by name: what `spatialvlm generate --source NAME` means. Nothing is imported before it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialvlm_ros.datasets.views import ViewSource
from spatialvlm_ros.errors import ConfigError

# A shard of about so many views is a few dozen megabytes: quick to make again, and not too many files.
_VIEWS_PER_SHARD = 200


@dataclass(frozen=True)
class SourceRequest:
    """What a factory is asked for.

    Attributes:
        split: name of the split.
        seed: data seed.
        views: about how many views; a source of whole scenes rounds up.
        inputs: folders or files of recorded sources.
        options: the source's section of the configuration.
    """

    split: str
    seed: int
    views: int
    inputs: tuple[Path, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def scenes(self, views_per_scene: int) -> int:
        """Scenes that hold the views asked for."""
        return -(-self.views // views_per_scene)


@dataclass(frozen=True)
class BuiltSource:
    """A source ready for `engine.generate`.

    Attributes:
        source: the views.
        views_per_scene: about how many views a scene has.
        scene_group: so many consecutive scenes share something expensive and belong into one shard.
    """

    source: ViewSource
    views_per_scene: int = 1
    scene_group: int = 1

    def scenes_per_shard(self, scenes: int) -> int:
        """A good size: whole groups and about 200 views, but at least four shards where there are scenes enough."""
        wanted = max(1, min(_VIEWS_PER_SHARD // self.views_per_scene, -(-scenes // 4)))
        return wanted - wanted % self.scene_group if wanted >= self.scene_group else wanted


SourceFactory = Callable[[SourceRequest], BuiltSource]

# Name -> module:function of its factory.
SOURCES: dict[str, str] = {
    "simulation": "spatialvlm_ros.datasets.source_factories:simulation",
    "synthetic": "spatialvlm_ros.datasets.source_factories:synthetic",
    "pictures": "spatialvlm_ros.datasets.sources.factories:pictures",
    "rgbd": "spatialvlm_ros.datasets.sources.factories:rgbd",
    "stereo": "spatialvlm_ros.datasets.sources.factories:stereo",
    "bag": "spatialvlm_ros.datasets.sources.factories:bag",
}


def build_source(name: str, request: SourceRequest) -> BuiltSource:
    """Make the source of that name.

    Args:
        name: a key of `SOURCES`, or ``"package.module:function"`` of a factory of one's own.
        request: what is wanted.

    Raises:
        ConfigError: unknown name, or options that the source does not know.
        SpatialVLMError: what the source raises.
    """
    module_name, _, function = SOURCES.get(name, name).partition(":")
    if not (module_name and function):
        raise ConfigError(
            "unknown source", name, f"Choose one of {', '.join(SOURCES)}, or name a factory as package.module:function."
        )
    try:
        factory: SourceFactory = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError("the source's factory cannot be imported", name, str(error)) from error
    return factory(request)
