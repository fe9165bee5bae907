"""Factories of the sources that come with the package; each imports its source only when it is called."""

from __future__ import annotations

from spatialvlm_ros.datasets.source_registry import BuiltSource, SourceRequest
from spatialvlm_ros.errors import ConfigError


def synthetic(request: SourceRequest) -> BuiltSource:
    """Ray-cast boxes; needs nothing installed."""
    from spatialvlm_ros.datasets.synthetic import SyntheticViews

    options = dict(request.options)
    try:
        probe = SyntheticViews(seed=request.seed, split=request.split, **options)
    except TypeError as error:
        raise ConfigError("unknown option of the synthetic source", options, str(error)) from error
    scenes = request.scenes(probe.views_per_scene)
    source = SyntheticViews(**{**vars(probe), "scenes": scenes})
    return BuiltSource(source, source.views_per_scene)
