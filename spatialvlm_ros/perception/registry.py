"""Names of experts, and pipelines built from a configuration."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import CameraModelError, ConfigError
from spatialvlm_ros.geometry.field_of_view import check_degrees
from spatialvlm_ros.perception.loading import ModelSource
from spatialvlm_ros.perception.pipeline import Lift, OpenWorldPipeline, PipelineOptions
from spatialvlm_ros.setting_types import check_mapping, check_setting_types

_ADAPTERS = "spatialvlm_ros.perception.adapters"


@dataclass(frozen=True)
class ExpertSpec:
    """Where the code of an expert is, and what it loads.

    Attributes:
        target: "module:Class" or "module:Class.constructor".
        model: the model id taken where the configuration names none; "" for experts without weights.
    """

    target: str
    model: str = ""

    def constructor(self) -> Callable[..., Any]:
        """Import it."""
        module, _, path = self.target.partition(":")
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        return found


# stage -> name -> expert. A new expert is one line here.
EXPERTS: dict[str, dict[str, ExpertSpec]] = {
    "image_filter": {
        "clip": ExpertSpec(f"{_ADAPTERS}.contrastive:ContrastiveFilter.clip", "openai/clip-vit-large-patch14"),
        "siglip": ExpertSpec(f"{_ADAPTERS}.contrastive:ContrastiveFilter.siglip", "google/siglip-so400m-patch14-384"),
    },
    "detector": {
        "owlv2": ExpertSpec(f"{_ADAPTERS}.owlv2:Owlv2Detector.load", "google/owlv2-base-patch16-ensemble"),
        "grounding_dino": ExpertSpec(
            f"{_ADAPTERS}.grounding_dino:GroundingDinoDetector.load", "IDEA-Research/grounding-dino-tiny"
        ),
        "sidecar": ExpertSpec("spatialvlm_ros.perception.sidecar:SidecarDetector"),
    },
    "segmenter": {
        "sam": ExpertSpec(f"{_ADAPTERS}.sam:SamSegmenter.load", "facebook/sam-vit-base"),
        "sam2": ExpertSpec(f"{_ADAPTERS}.sam:Sam2Segmenter.load", "facebook/sam2.1-hiera-small"),
        "grabcut": ExpertSpec("spatialvlm_ros.perception.masks:GrabCutSegmenter"),
        "box_depth": ExpertSpec("spatialvlm_ros.perception.masks:BoxDepthSegmenter"),
        "sidecar": ExpertSpec("spatialvlm_ros.perception.sidecar:SidecarSegmenter"),
    },
    "captioner": {
        "florence2": ExpertSpec(
            f"{_ADAPTERS}.captioners:Florence2Captioner.load", "florence-community/Florence-2-base"
        ),
        "blip": ExpertSpec(f"{_ADAPTERS}.captioners:BlipCaptioner.load", "Salesforce/blip-image-captioning-base"),
    },
    "depth": {
        "zoedepth": ExpertSpec(f"{_ADAPTERS}.depth:ZoeDepthEstimator.load", "Intel/zoedepth-nyu-kitti"),
        "depth_anything": ExpertSpec(
            f"{_ADAPTERS}.depth:DepthAnythingEstimator.load", "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf"
        ),
        "depth_pro": ExpertSpec(f"{_ADAPTERS}.depth:DepthProEstimator.load", "apple/DepthPro-hf"),
    },
    "field_of_view": {"depth_pro": ExpertSpec(f"{_ADAPTERS}.depth:DepthProEstimator.load", "apple/DepthPro-hf")},
}

_MODEL_FIELDS = {field.name for field in fields(ModelSource)}


def build_expert(stage: str, settings: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> Any:
    """One expert from its settings.

    Args:
        stage: a key of `EXPERTS`.
        settings: "expert" is its name; model, device, dtype, revision and local_files_only say what to load and where;
            everything else goes to the expert.
        defaults: device, dtype and so on for settings that do not name them.

    Raises:
        ConfigError: unknown stage, expert or option.
    """
    if stage not in EXPERTS:
        raise ConfigError("unknown stage of the open-world pipeline", stage, f"Known are {', '.join(EXPERTS)}.")
    check_mapping(settings, f"the stage {stage} of the pipeline", f"{stage}: {{expert: NAME}}")
    name = settings.get("expert")
    spec = EXPERTS[stage].get(str(name))
    if spec is None:
        raise ConfigError(f"unknown {stage} expert", name, f"Known are {', '.join(EXPERTS[stage])}.")
    options = {key: value for key, value in settings.items() if key not in _MODEL_FIELDS and key != "expert"}
    arguments: tuple[Any, ...] = ()
    if spec.model:
        where = {**(defaults or {}), **{key: settings[key] for key in _MODEL_FIELDS & set(settings)}}
        arguments = (ModelSource(**{"model": spec.model, **where}),)
    try:
        return spec.constructor()(*arguments, **options)
    except TypeError as error:
        raise ConfigError(f"{stage} expert {name!r} does not take these options", options, str(error)) from error


def build_pipeline(config: Mapping[str, Any] | str | Path, lift: Lift | None = None) -> OpenWorldPipeline:
    """A pipeline from a configuration (a mapping or a YAML file, see config/open_world.yaml). Loads the models.

    Raises:
        ConfigError: the file is unreadable, or holds an unknown stage, expert or option.
        PerceptionError, MissingDependencyError: a model cannot be loaded.
    """
    settings = dict(config) if isinstance(config, Mapping) else read_config(config)
    options = _options(settings.pop("options", None) or {})
    models = settings.pop("models", None) or {}
    check_mapping(models, "models of the pipeline", "models: {device: auto}")
    unknown = set(models) - (_MODEL_FIELDS - {"model"})
    if unknown:
        raise ConfigError("unknown settings of models", sorted(unknown), f"Known are {sorted(_MODEL_FIELDS)}.")
    stages = {stage: build_expert(stage, value, models) for stage, value in settings.items() if value}
    if "detector" not in stages:
        raise ConfigError("a pipeline needs a detector", sorted(stages), "Name one under detector.")
    return OpenWorldPipeline(**stages, options=options, lift=lift)


def _options(settings: Mapping[str, Any]) -> PipelineOptions:
    check_mapping(settings, "options of the pipeline", "options: {max_objects: 12}")
    values = dict(settings)
    check_setting_types(PipelineOptions, values, "the pipeline")
    degrees = values.pop("assumed_hfov_deg", None)
    if degrees is not None:
        values["assumed_hfov"] = _radians(degrees)
    known = {field.name for field in fields(PipelineOptions)}
    if unknown := set(values) - known:
        raise ConfigError("unknown options of the pipeline", sorted(unknown), f"Known are {', '.join(sorted(known))}.")
    return PipelineOptions(**values)


def _radians(degrees: Any) -> float:
    if not isinstance(degrees, (int, float)):
        raise ConfigError("assumed_hfov_deg is not a number", degrees, "Give degrees.")
    try:
        check_degrees(degrees)
    except CameraModelError as error:
        raise ConfigError(error.fault, error.value, error.remedy) from error
    return math.radians(degrees)


def read_config(path: str | Path) -> dict[str, Any]:
    """The content of a YAML configuration."""
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read", str(error), "Give a YAML file.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is not a mapping", type(content).__name__, "See config/open_world.yaml.")
    return content
