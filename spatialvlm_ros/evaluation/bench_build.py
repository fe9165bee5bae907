"""Renders a bench: the same one from the same settings, resumable scene by scene."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.bench import Bench, read_truth, write_bench, write_file, write_picture
from spatialvlm_ros.evaluation.bench_config import BenchConfig
from spatialvlm_ros.evaluation.bench_questions import BenchQuestions
from spatialvlm_ros.evaluation.items import DECIMALS, TruthObject, TruthView

logger = logging.getLogger(__name__)

_PROGRESS, _SETTINGS_FILE = "scenes", "settings.json"
_MOST_SCENES = 40  # times the scenes that would do if every view could be used
_BOX_TOLERANCE_PX = 3.0  # between renderings of the same scene by two graphics drivers

Report = Callable[[int], None]


def build_bench(
    folder: str | Path,
    config: BenchConfig,
    processes: int = 1,
    truth: str | Path | None = None,
    progress: Report | None = None,
) -> Bench:
    """Render what is missing of a bench, and close it.

    Args:
        folder: of the bench; an interrupted one goes on.
        config: settings.
        processes: each renders other parts.
        truth: a ``truth.jsonl.xz`` of the bench from elsewhere. Then only pictures are made, and compared with it: the
            same bench is had on machines whose graphics differ by single pixels.
        progress: called with the number of views that became complete.

    Raises:
        EvaluationError: the folder holds a bench with other settings; a part does not give enough views; ``truth`` has
            fewer, or other scenes.
        AssetError: there is no asset pack.
    """
    folder = Path(folder)
    frozen = None if truth is None else read_truth(Path(truth))
    _check_truth(frozen, config)
    _check_settings(folder, config)
    report = progress or (lambda views: None)
    jobs = [(str(folder), config, number, _of_part(frozen, config, number)) for number in range(len(config.parts))]
    parts: list[list[TruthView]] = []
    if processes > 1:
        context = multiprocessing.get_context("spawn")  # OpenGL contexts do not survive a fork
        with context.Pool(min(processes, len(jobs)), maxtasksperchild=1) as pool:
            for part in pool.imap(_build_part, jobs, chunksize=1):
                parts.append(part)
                report(len(part))
    else:
        for job in jobs:
            parts.append(_build_part(job, report))
    name = write_bench(folder, config.name, config.describe(), [view for part in parts for view in part])
    logger.info("bench %s is complete", name)
    return Bench.open(folder)


def _of_part(frozen: tuple[TruthView, ...] | None, config: BenchConfig, number: int) -> tuple[TruthView, ...] | None:
    if frozen is None:
        return None
    return tuple(v for v in frozen if (v.split, v.setting) == config.parts[number])


def _check_truth(frozen: tuple[TruthView, ...] | None, config: BenchConfig) -> None:
    """Views that the truth lacks would be looked for in all scenes there may be."""
    for number, part in enumerate(config.parts):
        views = _of_part(frozen, config, number)
        if views is not None and len(views) < config.views_per_part:
            fault = f"the truth has fewer views of {'-'.join(part)} than the {config.views_per_part} wanted"
            raise EvaluationError(fault, len(views), f"Pass --views-per-part {len(views)}, or the truth of this bench.")


def _check_settings(folder: Path, config: BenchConfig) -> None:
    path = folder / _SETTINGS_FILE
    settings = json.loads(json.dumps(config.describe()))
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != settings:
            raise EvaluationError("the folder holds a bench with other settings", str(folder), "Use another folder.")
        return
    write_file(path, (json.dumps(settings, indent=1) + "\n").encode())


def _build_part(
    job: tuple[str, BenchConfig, int, tuple[TruthView, ...] | None], report: Report | None = None
) -> list[TruthView]:
    folder, config, number, frozen = job
    return _Part(Path(folder), config, number, frozen, report or (lambda views: None)).build()


class _Part:
    """One shift in one setting."""

    def __init__(
        self, folder: Path, config: BenchConfig, number: int, frozen: tuple[TruthView, ...] | None, report: Report
    ) -> None:
        self.folder, self.config, self.report = folder, config, report
        self.split, self.setting = config.parts[number]
        self.name = f"{self.split}-{self.setting}"
        self.frozen = None if frozen is None else {v.view_id: v for v in frozen}
        self._source: Any = None
        self._questions: BenchQuestions | None = None

    def build(self) -> list[TruthView]:
        wanted = self.config.views_per_part
        views: list[TruthView] = []
        scene = 0
        while len(views) < wanted:
            if scene >= self._most_scenes():
                raise EvaluationError(
                    f"too few views of {self.name} can be used", len(views), f"Wanted {wanted}; relax the settings."
                )
            made = self._stored(scene)
            if made is None:
                made = self._render(scene)
            made = made[: wanted - len(views)]
            views += made
            self.report(len(made))
            scene += 1
        if self._source is not None:
            self._source.close()
        return views

    def _most_scenes(self) -> int:
        return _MOST_SCENES * (self.config.views_per_part // self.config.views_per_layout + 1)

    def _path(self, scene: int) -> Path:
        return self.folder / _PROGRESS / self.name / f"{scene:06d}.json"

    def _stored(self, scene: int) -> list[TruthView] | None:
        try:
            views = json.loads(self._path(scene).read_text(encoding="utf-8"))
            made = [TruthView.from_json(v) for v in views]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # not there, or cut off: it is rendered again
        whole = all((self.folder / f"{v.picture}.{e}").exists() for v in made for e in ("jpg", "png"))
        return made if whole else None

    def _render(self, scene: int) -> list[TruthView]:
        source, questions = self._open()
        views = [v for v in source.views(scene) if isinstance(v, SceneView)]
        made = self._true_of(views, questions) if views else []
        kept = []
        for view, truth in zip(views, made, strict=True):
            known = self._as_frozen(view, truth)
            if known is None:
                continue
            observation = view.observation
            assert observation.depth is not None  # simulated views have it
            write_picture(self.folder, known.picture, observation.rgb, observation.depth)
            kept.append(known)
        content = json.dumps([v.to_json() for v in kept])
        write_file(self._path(scene), content.encode())
        return [TruthView.from_json(v) for v in json.loads(content)]  # rounded, as a resumed run reads them

    def _true_of(self, views: list[SceneView], questions: BenchQuestions) -> list[TruthView]:
        scenes, ids = [v.scene for v in views], [f"{self.setting}/{v.view_id}" for v in views]
        items = questions.items(scenes, ids, self.setting, views[0].observation.camera.width)
        return [
            _truth_view(view, view_id, self.name, self.setting).with_items(asked)
            for view, view_id, asked in zip(views, ids, items, strict=True)
        ]

    def _as_frozen(self, view: SceneView, truth: TruthView) -> TruthView | None:
        """What is kept of a view: its truth, or the one from elsewhere when it shows the same."""
        if self.frozen is None:
            return truth if truth.items else None
        known = self.frozen.get(truth.view_id)
        if known is not None and not _shows(truth, known):
            raise EvaluationError(
                "this machine renders another scene than the given truth describes",
                truth.view_id,
                "Is it the same version of this package, of MuJoCo and of the asset pack?",
            )
        return known

    def _open(self) -> tuple[Any, BenchQuestions]:
        if self._source is None or self._questions is None:
            os.environ.setdefault("LP_NUM_THREADS", "1")  # software OpenGL: leave the other cores alone
            from spatialvlm_ros.simulation.source import SimulatedViews

            config = self.config
            simulation = {
                **config.simulation,
                "scenes": self._most_scenes(),
                "views_per_layout": config.views_per_layout,
                "room_share": 1.0 if self.setting == "room" else 0.0,
            }
            seed = 2 * config.seed + (self.setting == "room")
            self._source = SimulatedViews(simulation, self.split, seed, config.pack)
            self._questions = BenchQuestions(config, pack_nouns(config.pack))
        return self._source, self._questions


def pack_nouns(pack: str | None) -> dict[str, list[str]]:
    """Nouns of the training pack that may stand in each setting.

    Raises:
        EvaluationError: a pack is wanted and none is installed: a bench never falls back to primitives.
    """
    from spatialvlm_ros.simulation.assets.pack import AssetPack

    assets = AssetPack.primitives() if pack is None else AssetPack.load(None if pack == "auto" else pack)
    items = assets.for_split("train").items
    return {
        "table": sorted({i.noun for i in items if i.kind == "tabletop"}),
        "room": sorted({i.noun for i in items if i.kind in ("tabletop", "furniture", "support", "mounted")}),
    }


def _truth_view(view: SceneView, view_id: str, part: str, setting: str) -> TruthView:
    camera, frame = view.observation.camera, view.scene.frame
    scene, _, number = view_id.rpartition("/")
    index = scene.rpartition("/")[2]
    return TruthView(
        view_id=view_id,
        scene=scene,
        split=view.split,
        setting=setting,
        picture=f"pictures/{part}/{index}_{number}",
        camera=(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy),
        up=tuple(float(v) for v in frame.up),
        camera_height=frame.camera_height,
        objects=tuple(
            TruthObject(
                o.label,
                o.noun,
                o.asset,
                tuple(float(v) for v in o.box2d),
                float(o.visible_fraction),
                tuple(np.round(o.box3d.centers[0], DECIMALS).tolist()),
                tuple(np.round(o.box3d.sizes[0], DECIMALS).tolist()),
            )
            for o in view.scene.objects
            if o.box3d is not None
        ),
        items=(),
    )


def _shows(made: TruthView, known: TruthView) -> bool:
    """Whether two truths are of the same arrangement and camera, up to single pixels."""
    if not np.allclose(made.camera, known.camera, atol=0.01) or made.picture != known.picture:
        return False
    mine = {(o.asset, o.label, tuple(np.round(o.center, 2))): np.array(o.box2d) for o in made.objects}
    theirs = {(o.asset, o.label, tuple(np.round(o.center, 2))): np.array(o.box2d) for o in known.objects}
    shared = sorted(set(mine) & set(theirs), key=str)
    if len(shared) < 0.8 * max(len(mine), len(theirs), 1):
        return False
    far = [np.abs(mine[k] - theirs[k]).max() > _BOX_TOLERANCE_PX for k in shared]
    return float(np.mean(far)) <= 0.2 if far else True
