"""The stages from a source to a shard: view -> check -> gaps -> encode -> ask -> write. Every engine runs these."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from spatialvlm_ros.datasets.checks import fault_of
from spatialvlm_ros.datasets.plan import DatasetPlan
from spatialvlm_ros.datasets.point_gaps import with_gaps
from spatialvlm_ros.datasets.rows import Row, encode_qa, encode_view
from spatialvlm_ros.datasets.seeds import question_seed
from spatialvlm_ros.datasets.shards import ROWS_PER_GROUP, ShardSummary, ShardWriter
from spatialvlm_ros.datasets.views import SceneView, SkippedView
from spatialvlm_ros.errors import AssetError, ConfigError, DatasetError, MissingDependencyError, SpatialVLMError
from spatialvlm_ros.scenes.scene import Scene

_log = logging.getLogger(__name__)

NO_QUESTION = "no question can be asked of it"

# Faults of the set-up, the same for every scene: going on would only count them a thousand times.
_FATAL = (MissingDependencyError, ConfigError, AssetError, MemoryError)

Progress = Callable[[int, int], None]  # (views, questions) written since the last call


@dataclass(frozen=True)
class _Pending:
    """A view whose picture is encoded already; only its geometry is kept, for the questions."""

    row: Row
    scene: Scene
    seed: int


def make_shard(plan: DatasetPlan, index: int, progress: Progress | None = None) -> ShardSummary:
    """Make and publish one shard.

    Raises:
        DatasetError: the file system refuses, or the source breaks its promises (two views of one name, a view of
            another split).
        MissingDependencyError, ConfigError, AssetError: the source cannot work at all.
    """
    skipped: Counter[str] = Counter()
    scenes = plan.shard_scenes(index)
    with ShardWriter(plan.shard_path(index)) as writer:
        pending: list[_Pending] = []
        for item in _encoded_views(plan, scenes, skipped):
            pending.append(item)
            if len(pending) == ROWS_PER_GROUP:
                _ask_and_write(plan, pending, writer, skipped, progress)
                pending = []
        _ask_and_write(plan, pending, writer, skipped, progress)
        return writer.finish(plan.identity(), index, scenes, skipped)


def _encoded_views(plan: DatasetPlan, scenes: range, skipped: Counter[str]) -> Iterator[_Pending]:
    names: set[str] = set()
    for scene_index in scenes:
        for number, view in enumerate(_views(plan, scene_index)):
            reason = view.reason if isinstance(view, SkippedView) else fault_of(view)
            if reason is not None or isinstance(view, SkippedView):
                _log.debug("skipped %s: %s", view.view_id, reason)
                skipped[str(reason)] += 1
                continue
            _check_promises(plan, view, names)
            seed = question_seed(plan.seed, scene_index, number)
            view = replace(view, scene=with_gaps(view.scene))
            yield _Pending(encode_view(view, plan.pictures), _geometry_only(view.scene), seed)


def _views(plan: DatasetPlan, scene_index: int) -> Iterator[SceneView | SkippedView]:
    """The views of a scene; what breaks in the source becomes one more skipped view, with the reason."""
    try:
        yield from plan.source.views(scene_index)
    except _FATAL:
        raise
    except Exception as error:
        reason = _reason(error, f"scene {scene_index} of source {plan.source.name}")
        yield SkippedView(f"scene {scene_index}", reason)


def _check_promises(plan: DatasetPlan, view: SceneView, names: set[str]) -> None:
    if view.split != plan.split:
        raise DatasetError(
            f"source {plan.source.name} gave a view of split {view.split!r}", view.view_id, f"Expected {plan.split!r}."
        )
    if view.view_id in names:
        raise DatasetError(f"source {plan.source.name} gave two views of one name", view.view_id, "Mend the source.")
    names.add(view.view_id)


def _geometry_only(scene: Scene) -> Scene:
    """The scene without what is as large as the picture: questions need geometry and names."""
    objects = tuple(replace(item, mask=None, points=None, surface=None) for item in scene.objects)
    return replace(scene, observation=None, objects=objects)


def _ask_and_write(
    plan: DatasetPlan, pending: list[_Pending], writer: ShardWriter, skipped: Counter[str], progress: Progress | None
) -> None:
    if not pending:
        return
    rows = [p.row for p in pending] if plan.per_view == 0 else _with_questions(plan, pending, skipped)
    writer.write(rows)
    if progress is not None:
        progress(len(rows), sum(len(row["qa"]) for row in rows))


def _with_questions(plan: DatasetPlan, pending: list[_Pending], skipped: Counter[str]) -> list[Row]:
    rows = []
    for item, pairs in zip(pending, _ask(plan, pending, skipped), strict=True):
        if pairs is None:
            continue
        if not pairs:
            skipped[NO_QUESTION] += 1
            continue
        rows.append({**item.row, "qa": pairs})
    return rows


def _ask(plan: DatasetPlan, pending: list[_Pending], skipped: Counter[str]) -> list[list[Row] | None]:
    """The ``qa`` column of each view; None for one that the generator refuses, which is counted."""
    assert plan.generator is not None  # DatasetPlan checks it
    try:
        scenes, seeds = [p.scene for p in pending], [p.seed for p in pending]
        return [encode_qa(pairs) for pairs in plan.generator.generate(scenes, plan.per_view, seeds)]
    except _FATAL:
        raise
    except Exception as error:
        if len(pending) > 1:
            # One view spoils the batch: ask one by one, which gives the others the same questions.
            return [answer for item in pending for answer in _ask(plan, [item], skipped)]
        skipped[_reason(error, f"questions about {pending[0].row['view_id']}")] += 1
        return [None]


def _reason(error: Exception, what: str) -> str:
    """Why something was skipped. What no part of this package raised on purpose is logged with its trace."""
    if isinstance(error, SpatialVLMError):
        return f"{type(error).__name__}: {error.fault}"
    # A fault of a library on odd data must not end a long run, nor stay unseen.
    _log.warning("%s failed", what, exc_info=error)
    return f"unexpected {type(error).__name__}"
