"""Settings of a whole data set (``config/generate.yaml``), checked, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from spatialvlm_ros.datasets.engine import generate
from spatialvlm_ros.datasets.manifest import Manifest
from spatialvlm_ros.datasets.pictures import PictureFormat
from spatialvlm_ros.datasets.questions import Questions
from spatialvlm_ros.datasets.source_registry import SourceRequest, build_source
from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.setting_types import check_mapping, check_own_types, check_setting_types
from spatialvlm_ros.shared_files import read_yaml, shared_file

_AUTO = "auto"


@dataclass(frozen=True)
class GenerateSettings:
    """What ``config/generate.yaml`` holds; the file says what each setting means."""

    source: str = "simulation"
    split: str = "train"
    seed: int = 0
    views: int = 1000
    scenes_per_shard: int | str = _AUTO
    per_view: int = 20
    engine: str = "local"
    workers: int = 2
    pictures: Mapping[str, Any] = field(default_factory=dict)
    questions: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_own_types(self, "a data set")
        for name, options in self.sources.items():
            if options is not None:
                check_mapping(options, f"the options of the source {name!r}", "name: value lines")
        if self.views < 1:
            raise ConfigError("at least one view must be asked for", self.views)
        if isinstance(self.scenes_per_shard, str) and self.scenes_per_shard != _AUTO:
            raise ConfigError("scenes_per_shard is no number", self.scenes_per_shard, f'Write one, or "{_AUTO}".')

    @staticmethod
    def load(path: str | Path | None = None, **changes: Any) -> GenerateSettings:
        """Read a YAML file (default: the one that comes with the package), then apply the changes that are not None.

        Raises:
            ConfigError: the file cannot be read, a setting is unknown or of the wrong type.
        """
        values = read_yaml(path or shared_file("config/generate.yaml"))
        known = {f.name for f in fields(GenerateSettings)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError("unknown settings", unknown, f"Known: {', '.join(sorted(known))}.")
        return GenerateSettings(**{**values, **{name: v for name, v in changes.items() if v is not None}})

    def with_section(self, section: str, **changes: Any) -> GenerateSettings:
        """With changes (those that are not None) inside ``pictures`` or ``questions``."""
        given = {name: value for name, value in changes.items() if value is not None}
        changed: dict[str, Any] = {section: {**getattr(self, section), **given}}
        return replace(self, **changed)

    def with_source_options(self, options: Mapping[str, Any]) -> GenerateSettings:
        """With options for the chosen source."""
        section = {**(self.sources.get(self.source) or {}), **options}
        return replace(self, sources={**self.sources, self.source: section})


def generate_dataset(
    settings: GenerateSettings, out: str | Path, inputs: tuple[Path, ...] = (), show_progress: bool = True
) -> Manifest:
    """Build the source that the settings name, and make the data set (see `engine.generate` for errors)."""
    check_setting_types(PictureFormat, settings.pictures, "the pictures")
    try:
        pictures = PictureFormat(**settings.pictures)
    except TypeError as error:
        raise ConfigError("unknown picture settings", dict(settings.pictures), "Known: kind, quality.") from error
    questions = Questions.of(dict(settings.questions))
    request = SourceRequest(
        settings.split, settings.seed, settings.views, inputs, settings.sources.get(settings.source) or {}
    )
    built = build_source(settings.source, request)
    scenes = min(request.scenes(built.views_per_scene), len(built.source))
    per_shard = settings.scenes_per_shard
    return generate(
        built.source,
        questions,
        out,
        scenes=scenes,
        scenes_per_shard=built.scenes_per_shard(scenes) if isinstance(per_shard, str) else per_shard,
        workers=settings.workers,
        per_view=settings.per_view,
        seed=settings.seed,
        split=settings.split,
        pictures=pictures,
        engine=settings.engine,
        show_progress=show_progress,
    )
