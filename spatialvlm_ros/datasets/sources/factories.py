"""Recorded sources for the command line: ``spatialvlm generate --source pictures|rgbd|stereo|bag FOLDER``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spatialvlm_ros.datasets.source_registry import BuiltSource, SourceRequest
from spatialvlm_ros.datasets.sources.captures import CaptureSource
from spatialvlm_ros.datasets.sources.perceived_views import PerceivedViews, sidecar_pipeline
from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.perception.registry import read_config
from spatialvlm_ros.shared_files import shared_file

# Options of the views; all others are those of the capture source.
_VIEW_OPTIONS = ("captures_per_scene", "every", "batch_size")
_LABEL_FILES = ("labels.json", "labels.yaml")


def pictures(request: SourceRequest) -> BuiltSource:
    """A folder of pictures; options as in `PictureFolder`."""
    from spatialvlm_ros.datasets.sources.pictures import PictureFolder

    return _built(request, PictureFolder)


def rgbd(request: SourceRequest) -> BuiltSource:
    """An RGB-D folder; options as in `RgbdFolder`, depth_factor must be given."""
    from spatialvlm_ros.datasets.sources.rgbd_folder import RgbdFolder

    return _built(request, RgbdFolder)


def stereo(request: SourceRequest) -> BuiltSource:
    """A folder of stereo pairs; options as in `StereoFolder`, those of `MatchingOptions` under matching."""
    from spatialvlm_ros.datasets.sources.stereo import MatchingOptions, StereoFolder

    def make(folder: Path, **options: Any) -> StereoFolder:
        return StereoFolder(folder, matching=MatchingOptions(**options.pop("matching", None) or {}), **options)

    return _built(request, make)


def bag(request: SourceRequest) -> BuiltSource:
    """A recording; options as in `BagCaptures`, topics under topics."""
    from spatialvlm_ros.datasets.sources.bag import BagCaptures, BagTopics

    def make(path: Path, **options: Any) -> BagCaptures:
        topics = options.pop("topics", None)
        return BagCaptures(path, BagTopics(**topics) if topics else None, **options)

    return _built(request, make)


def _built(request: SourceRequest, make: Callable[..., CaptureSource]) -> BuiltSource:
    if len(request.inputs) != 1:
        raise ConfigError("a recorded source reads one folder or file", list(map(str, request.inputs)), "Name one.")
    options = dict(request.options)
    pipeline, labels = options.pop("pipeline", None), options.pop("labels", None)
    view_options = {name: options.pop(name) for name in _VIEW_OPTIONS if name in options}
    folder = Path(request.inputs[0])
    try:
        captures = make(folder, **options)
    except TypeError as error:
        raise ConfigError("the options do not fit the source", options, str(error)) from error
    config = _pipeline(pipeline, labels, folder)
    source = PerceivedViews(captures, config, request.split, **view_options)
    return BuiltSource(source, source.captures_per_scene)


def _pipeline(pipeline: Any, labels: Any, folder: Path) -> Mapping[str, Any]:
    """The given pipeline, else hand-drawn labels beside the pictures, else config/open_world.yaml."""
    if pipeline is not None:
        return dict(pipeline) if isinstance(pipeline, Mapping) else read_config(pipeline)
    found = [Path(labels)] if labels else [folder / name for name in _LABEL_FILES if (folder / name).is_file()]
    if found:
        return sidecar_pipeline(str(found[0]))
    return read_config(shared_file("config/open_world.yaml"))
