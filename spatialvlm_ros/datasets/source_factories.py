"""Factories of the sources that come with the package; each imports its source only when it is called."""

from __future__ import annotations

from dataclasses import replace

from spatialvlm_ros.datasets.source_registry import BuiltSource, SourceRequest
from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.setting_types import check_setting_types


def synthetic(request: SourceRequest) -> BuiltSource:
    """Ray-cast boxes; needs nothing installed."""
    from spatialvlm_ros.datasets.synthetic import SyntheticViews

    options = dict(request.options)
    check_setting_types(SyntheticViews, options, "the synthetic source")
    try:
        probe = SyntheticViews(seed=request.seed, split=request.split, **options)
    except TypeError as error:
        raise ConfigError("unknown option of the synthetic source", options, str(error)) from error
    scenes = request.scenes(probe.views_per_scene)
    source = SyntheticViews(**{**vars(probe), "scenes": scenes})
    return BuiltSource(source, source.views_per_scene)


def simulation(request: SourceRequest) -> BuiltSource:
    """Rendered rooms and table tops; options override ``config/simulation.yaml``.

    The option ``pack`` is a folder, "auto" (the installed pack, else primitives) or "primitives".
    """
    from spatialvlm_ros.simulation.config import SimulationConfig
    from spatialvlm_ros.simulation.source import SimulatedViews

    options = dict(request.options)
    pack = options.pop("pack", "auto")
    config = SimulationConfig.load(**options)
    config = replace(config, scenes=request.scenes(config.views_per_layout))
    source = SimulatedViews(
        config=config, split=request.split, data_seed=request.seed, pack=None if pack == "primitives" else pack
    )
    return BuiltSource(source, config.views_per_layout, config.layouts_per_compile)
