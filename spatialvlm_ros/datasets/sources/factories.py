"""Recorded sources for the command line: ``spatialvlm generate --source pictures|rgbd|stereo|bag FOLDER``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialvlm_ros.datasets.source_registry import BuiltSource, SourceRequest
from spatialvlm_ros.datasets.sources.captures import CaptureSource
from spatialvlm_ros.datasets.sources.perceived_views import PerceivedViews, digests_of, sidecar_pipeline
from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.perception.registry import read_config
from spatialvlm_ros.setting_types import check_mapping, check_setting_types
from spatialvlm_ros.shared_files import shared_file

if TYPE_CHECKING:
    from spatialvlm_ros.datasets.sources.rgbd_folder import RgbdFolder
    from spatialvlm_ros.datasets.sources.stereo import StereoFolder

# Options of the views; all others are those of the capture source.
_VIEW_OPTIONS = ("captures_per_scene", "every", "batch_size")
_LABEL_FILES = ("labels.json", "labels.yaml")


def pictures(request: SourceRequest) -> BuiltSource:
    """A folder of pictures; options as in `PictureFolder`. They have no depth: the pipeline must estimate it."""
    from spatialvlm_ros.datasets.sources.pictures import PictureFolder

    built = _built(request, PictureFolder, PictureFolder)
    if isinstance(built.source, PerceivedViews) and not built.source.pipeline.get("depth"):
        raise ConfigError(
            "nothing estimates the depth of these pictures",
            f"stages {', '.join(k for k, v in built.source.pipeline.items() if v and k != 'options')}",
            "Write a copy of config/open_world.yaml with a depth model, and for your own boxes "
            "`detector: {expert: sidecar, labels: FILE}`; pass it with --set pipeline=COPY. "
            "With measured depth use --source rgbd.",
        )
    return built


def rgbd(request: SourceRequest) -> BuiltSource:
    """An RGB-D folder; options as in `RgbdFolder`, depth_factor must be given."""
    from spatialvlm_ros.datasets.sources.rgbd_folder import RgbdFolder

    if "depth_factor" not in request.options:
        raise ConfigError(
            "nobody says how many of its numbers the depth has for a metre",
            "no depth_factor",
            "Add --set depth_factor=1000 (millimetres) or 5000 (the TUM benchmark).",
        )
    return _built(request, RgbdFolder, RgbdFolder, _camera_file)


def stereo(request: SourceRequest) -> BuiltSource:
    """A folder of stereo pairs; options as in `StereoFolder`, those of `MatchingOptions` under matching."""
    from spatialvlm_ros.datasets.sources.stereo import MatchingOptions, StereoFolder

    def make(folder: Path, **options: Any) -> StereoFolder:
        matching = options.pop("matching", None) or {}
        check_mapping(matching, "matching", "matching: {max_depth: 20}")
        check_setting_types(MatchingOptions, matching, "matching")
        return StereoFolder(folder, matching=MatchingOptions(**matching), **options)

    return _built(request, StereoFolder, make, _camera_file)


def bag(request: SourceRequest) -> BuiltSource:
    """A recording; options as in `BagCaptures`, topics under topics."""
    from spatialvlm_ros.bags.reader import open_bag
    from spatialvlm_ros.datasets.sources.bag import BagCaptures, BagTopics
    from spatialvlm_ros.datasets.sources.bag_index import named_topics

    def make(path: Path, **options: Any) -> BagCaptures:
        topics = options.pop("topics", None)
        if not topics:
            return BagCaptures(path, None, **options)
        check_mapping(topics, "topics", "topics: {color: /camera/image_raw}")
        check_setting_types(BagTopics, topics, "topics")
        return BagCaptures(path, named_topics(open_bag(path).topics, topics), **options)

    return _built(request, BagCaptures, make)


def _built(
    request: SourceRequest,
    kind: type,
    make: Callable[..., Any],
    files: Callable[[Any], list[Path]] = lambda source: [],
) -> BuiltSource:
    """The views of a recorded source.

    Args:
        request: what is wanted.
        kind: dataclass of the captures.
        make: makes them from the folder and their options.
        files: those beside the pictures that people edit; what is wrong with them is said at once.
    """
    if len(request.inputs) != 1:
        raise ConfigError("a recorded source reads one folder or file", list(map(str, request.inputs)), "Name one.")
    options = dict(request.options)
    pipeline, labels = options.pop("pipeline", None), options.pop("labels", None)
    view_options = {name: options.pop(name) for name in _VIEW_OPTIONS if name in options}
    check_setting_types(PerceivedViews, view_options, "the source")
    check_setting_types(kind, options, "the source")
    folder = Path(request.inputs[0])
    try:
        captures: CaptureSource = make(folder, **options)
    except TypeError as error:
        raise ConfigError("the options do not fit the source", options, str(error)) from error
    len(captures)  # there is something to read at all
    config = _pipeline(pipeline, labels, folder)
    digests = digests_of([*files(captures), *_label_files(config)])
    source = PerceivedViews(captures, config, request.split, digests=digests, **view_options)
    return BuiltSource(source, source.captures_per_scene)


def _camera_file(source: RgbdFolder | StereoFolder) -> list[Path]:
    _ = source.camera  # a camera model that cannot be read fails every picture
    return [source.camera_path]


def _pipeline(pipeline: Any, labels: Any, folder: Path) -> Mapping[str, Any]:
    """The given pipeline, else hand-drawn labels beside the pictures, else config/open_world.yaml."""
    if pipeline is not None and labels is not None:
        raise ConfigError("both a pipeline and labels are given", labels, "Name the labels in the pipeline's detector.")
    for name, value in (("pipeline", pipeline), ("labels", labels)):
        if value is not None and not isinstance(value, (str, Path, Mapping)):
            raise ConfigError(f"{name} is no file", value, "Give its path.")
    if pipeline is not None:
        return dict(pipeline) if isinstance(pipeline, Mapping) else read_config(pipeline)
    found = [Path(labels)] if labels else [folder / name for name in _LABEL_FILES if (folder / name).is_file()]
    if found:
        return sidecar_pipeline(str(found[0]))
    return read_config(shared_file("config/open_world.yaml"))


def _label_files(pipeline: Mapping[str, Any]) -> list[Path]:
    """The files with labels that a pipeline reads."""
    stages = [stage for stage in pipeline.values() if isinstance(stage, Mapping)]
    return sorted({Path(str(stage["labels"])) for stage in stages if stage.get("labels")})
