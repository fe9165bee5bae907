"""Things that the border of the picture cuts: nobody has seen how large they are, so nobody is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spatialvlm_ros.scenes.lifting.detection import Detection
from spatialvlm_ros.scenes.lifting.lift import lift_with_report
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene

# What counts as visible of them: below the least share that questions are asked about (``min_visible``), above the one
# from which on a thing counts as being there.
VISIBLE_IF_CUT = 0.25


def lift_marking_cut(observation: Observation, detections: Sequence[Detection]) -> Scene:
    """`lift`; the visible fraction of things that reach over the border is `VISIBLE_IF_CUT`, of all others 1."""
    report = lift_with_report(observation, detections)
    objects = (
        replace(thing, visible_fraction=VISIBLE_IF_CUT) if cut else thing
        for thing, cut in zip(report.scene.objects, report.cut_by_border, strict=True)
    )
    return replace(report.scene, objects=tuple(objects))
