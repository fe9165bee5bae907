"""Simulated views as a source of the data engine: rooms and table tops with exact truth.

source = SimulatedViews(SimulationConfig(views_per_layout=4), split="train", data_seed=0)
for view in source.views(0):
    ...
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.datasets.views import SceneView, SkippedView
from spatialvlm_ros.scenes.scene import Scene
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.config import SimulationConfig
from spatialvlm_ros.simulation.layouts import ArmPose, Built, Layout, Prop
from spatialvlm_ros.simulation.lighting import draw_lighting
from spatialvlm_ros.simulation.noise import CameraNoise, DepthNoise
from spatialvlm_ros.simulation.pool import choose_props
from spatialvlm_ros.simulation.rendering import Renderer
from spatialvlm_ros.simulation.rooms import arrange_room
from spatialvlm_ros.simulation.settling import nudged, settled
from spatialvlm_ros.simulation.splits import get_split
from spatialvlm_ros.simulation.stage import N_MATERIALS, Stage, StageOptions
from spatialvlm_ros.simulation.tabletops import arrange_table
from spatialvlm_ros.simulation.truth import LayoutTruth, Thing, measure, things_of
from spatialvlm_ros.simulation.viewpoints import draw_viewpoint
from spatialvlm_ros.simulation.views import compose_scene, instance_picture
from spatialvlm_ros.simulation.visibility import TILE

logger = logging.getLogger(__name__)

LICENCE = "Apache-2.0 AND CC0-1.0 AND CC-BY-3.0 AND MIT"
PRIMITIVES_LICENCE = "Apache-2.0"

_MIN_DEPTH_M = 0.05
_NUDGED_SHARE = 0.35  # of the table tops on which two neighbours touch
_TOO_FEW = "fewer visible objects than min_objects"
_NO_PLACE = "no free camera place"
_TOO_NEAR = "camera too near to a surface"


@dataclass
class _Compiled:
    """What consecutive layouts share."""

    number: int
    kind: str
    props: tuple[Prop, ...]
    stage: Stage
    renderer: Renderer


class SimulatedViews:
    """A `ViewSource`: scene index i is one layout, seen from ``views_per_layout`` places.

    A scene depends on (split, data_seed, scene index, configuration, pack) only: whatever was drawn before in this
    process leaves no trace. ``layouts_per_compile`` consecutive scenes share one compiled set of objects, so going
    through scenes in order is quickest.

    Args:
        config: `SimulationConfig`, a mapping of its fields, or None for the defaults.
        split: a name in ``splits.yaml``.
        data_seed: seed of the data set.
        pack: None for plain coloured primitives, "auto" for the installed pack (primitives without one), or the
            folder of a pack.

    Raises:
        ConfigError: an unknown split or a setting out of range.
        AssetError: the pack is missing or damaged.
    """

    name = "simulation"

    def __init__(
        self,
        config: SimulationConfig | Mapping[str, Any] | None = None,
        split: str = "train",
        data_seed: int = 0,
        pack: str | Path | None = None,
    ) -> None:
        self.config = SimulationConfig.of(config)
        self.split = get_split(split)
        self.data_seed = int(data_seed)
        self.pack_path = pack
        self._pack = _open_pack(pack)
        self._compiled: _Compiled | None = None
        # Private: public attributes are settings, and decide whether a run resumes.
        self._seconds: dict[str, float] = {}

    def __len__(self) -> int:
        return self.config.scenes

    @property
    def seconds(self) -> dict[str, float]:
        """Where this process spent its time, seconds by step of the work; for benchmarks."""
        return self._seconds

    def __getstate__(self) -> dict[str, Any]:
        # Graphics do not travel between processes.
        return {**self.__dict__, "_compiled": None}

    def close(self) -> None:
        """Free the graphics memory of the last compiled scene."""
        if self._compiled is not None:
            self._compiled.renderer.close()
            self._compiled = None

    def views(self, scene_index: int) -> Iterator[SceneView | SkippedView]:
        """The views of one layout, in a fixed order."""
        if not 0 <= scene_index < len(self):
            raise IndexError(f"scene {scene_index} of a source with {len(self)} scenes")
        compiled = self._compile(scene_index // self.config.layouts_per_compile)
        seed = self.split.scene_seed(self.data_seed, scene_index)
        rng = np.random.default_rng(seed)
        began = time.perf_counter()
        layout, truth = self._lay_out(compiled, rng)
        self._spent("layout", began)
        for k in range(self.config.views_per_layout):
            view_id = f"simulation/{self.split.name}/{self.data_seed}/{scene_index:06d}/{k:02d}"
            yield self._view(compiled, layout, truth, seed, k, view_id)

    # ---- the compiled set ----

    def _compile(self, number: int) -> _Compiled:
        if self._compiled is not None and self._compiled.number == number:
            return self._compiled
        self.close()
        began = time.perf_counter()
        rng = np.random.default_rng(self.split.scene_seed(self.data_seed, number, "compiled set"))
        kind = "room" if rng.random() < self.config.room_share else "table"
        pack, variation = self._pack.for_split(self._split_of_pack()), self.config.variation
        props = choose_props(pack, kind, self.config.size_variation, rng, variation)
        with_arm = kind == "table" and self.config.robot_share > 0
        options = StageOptions(self.config.antialiasing, self.config.shadow_size)
        stage = Stage(kind, props, with_arm, self._pack, options, rng)
        width = max(self.config.width, TILE + 2)  # silhouettes are drawn in tiles, rounded up
        height = max(self.config.height, width)  # a split may use another aspect
        self._compiled = _Compiled(number, kind, props, stage, Renderer(stage.model, width, height))
        self._spent("compile", began)
        return self._compiled

    def _split_of_pack(self) -> str:
        return "new_objects" if self.split.objects == "reserved" and self._has_reserved() else "train"

    def _has_reserved(self) -> bool:
        # Primitives have no reserved meshes; a split of new objects then shows the usual ones.
        return any(item.reserved for item in self._pack.items)

    # ---- a layout ----

    def _lay_out(self, compiled: _Compiled, rng: np.random.Generator) -> tuple[Layout, LayoutTruth]:
        stage, rules = compiled.stage, self.split.layouts
        if compiled.kind == "room":
            layout = arrange_room(compiled.props, rules, N_MATERIALS, rng)
        else:
            arm = _arm if stage.arm is not None and rng.random() < self.config.robot_share else None
            layout = arrange_table(compiled.props, rules, N_MATERIALS, rng, arm)
            if rng.random() < _NUDGED_SHARE:
                layout = nudged(layout, rng)
        stage.paint(rng)
        stage.arrange(layout)
        robot = _robot_things(layout, stage)
        layout = settled(layout, tuple(t.posed for t in robot[:1]))  # the arm's surface holds the gripper's
        stage.arrange(layout)
        return layout, measure(layout, things_of(layout, stage, robot), self.config.surface_samples, rng)

    # ---- a view ----

    def _view(
        self, compiled: _Compiled, layout: Layout, truth: LayoutTruth, seed: int, k: int, view_id: str
    ) -> SceneView | SkippedView:
        config, rng = self.config, np.random.default_rng([seed, k])
        viewpoint = draw_viewpoint(
            layout, truth.things, self.split.cameras, (config.width, config.height), config.min_objects, rng
        )
        if viewpoint is None:
            return SkippedView(view_id, _NO_PLACE)
        stage = compiled.stage
        center = np.mean([t.world_center() for t in truth.things], axis=0)
        stage.light(draw_lighting(self.split.lights, rng), center)
        began = time.perf_counter()
        rendered = compiled.renderer.render(
            stage.data, viewpoint.pose, viewpoint.camera, shadows=config.shadow_size > 0
        )
        self._spent("render", began)
        if not float(np.nanmin(rendered.depth, initial=np.inf)) > _MIN_DEPTH_M:
            return SkippedView(view_id, _TOO_NEAR)
        began = time.perf_counter()
        instances = instance_picture(rendered.geom_ids, truth.things, stage.model.ngeom)
        scene, instances = compose_scene(
            truth,
            viewpoint,
            rendered,
            instances,
            compiled.renderer,
            stage.data,
            config.min_visible_pixels,
            config.table_min_fraction,
        )
        self._spent("truth", began)
        if len(scene.objects) < config.min_objects:
            return SkippedView(view_id, _TOO_FEW)
        licence = PRIMITIVES_LICENCE if self._pack.path is None else LICENCE
        return SceneView(view_id, self.split.name, self.name, licence, seed, self._with_noise(scene, rng), instances)

    def _with_noise(self, scene: Scene, rng: np.random.Generator) -> Scene:
        observation, lights = scene.observation, self.split.lights
        if observation is None or observation.depth is None:
            return scene
        rgb, depth = observation.rgb, observation.depth
        if "realsense" in (lights.depth_noise, self.config.depth_noise):
            depth = DepthNoise().apply(depth, rgb, observation.camera, rng)
        if lights.rgb_noise == "camera":
            rgb = CameraNoise().apply(rgb, rng)
        return replace(scene, observation=replace(observation, rgb=rgb, depth=depth))

    def _spent(self, what: str, began: float) -> None:
        self._seconds[what] = self._seconds.get(what, 0.0) + time.perf_counter() - began


def _arm(table: Built, rng: np.random.Generator) -> tuple[ArmPose, list[np.ndarray]] | None:
    from spatialvlm_ros.simulation.arm_poses import draw_arm_pose

    return draw_arm_pose(table, rng)


def _robot_things(layout: Layout, stage: Stage) -> tuple[Thing, ...]:
    if layout.arm is None:
        return ()
    from spatialvlm_ros.simulation.robot_truth import robot_things

    return robot_things(layout, stage)


def _open_pack(pack: str | Path | None) -> AssetPack:
    if pack is None:
        return AssetPack.primitives()
    if pack == "auto":
        return AssetPack.load_or_primitives()
    return AssetPack.load(pack)
