"""Accuracy and speed of lifting on simulated views: rendered depth, TRUE masks as detector output, gravity withheld.

    python bench/lifting.py --views 500 --split new_scenes --seed 9000
    python bench/lifting.py --views 500 --split new_scenes --noise

Prints a table and writes it as JSON. Half of the views are table tops, half rooms. Errors are medians and 90th
percentiles over the views in which a vertical was found; the share of the others is given beside them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.scenes.lifting.detection import Detection
from spatialvlm_ros.scenes.lifting.lift import lift_with_report
from spatialvlm_ros.scenes.lifting.options import LiftingOptions, OutlierOptions, PlaneOptions
from spatialvlm_ros.scenes.lifting.report import LiftedScene

LEAST_VISIBLE = 0.7
NOT_A_BODY = ("gripper",)  # its truth is the tool centre point between its pads, not the middle of what is seen
WRONG_UP_DEG = 10.0
WRONG_PLANE = 0.1  # relative error of the camera height


@dataclass
class Errors:
    """What one kind of scene gave, over all its views."""

    views: int = 0
    no_frame: int = 0
    wrong_up: int = 0
    no_plane: int = 0
    wrong_plane: int = 0
    skipped: int = 0
    objects: int = 0
    up_deg: list[float] = field(default_factory=list)
    camera_height: list[float] = field(default_factory=list)
    object_camera_height: list[float] = field(default_factory=list)
    object_object: list[float] = field(default_factory=list)
    camera_object: list[float] = field(default_factory=list)
    centre_m: list[float] = field(default_factory=list)
    height: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def add(self, view: SceneView, lifted: LiftedScene) -> None:
        """Compare one lifted view with its truth."""
        truth, found = view.scene, lifted.scene
        self.views += 1
        self.milliseconds.append(lifted.milliseconds)
        self.objects += len(truth.objects)
        self.skipped += len(lifted.skipped)
        if found.frame.level == 0:
            self.no_frame += 1
        else:
            self._add_frame(view, lifted)
        self._add_distances(view, lifted)

    def _add_frame(self, view: SceneView, lifted: LiftedScene) -> None:
        truth, found = view.scene, lifted.scene
        angle = float(np.degrees(np.arccos(np.clip(found.frame.up @ truth.frame.up, -1, 1))))
        self.up_deg.append(angle)
        self.wrong_up += angle > WRONG_UP_DEG
        if truth.frame.camera_height is None:
            return
        if found.frame.camera_height is None:
            self.no_plane += 1
            return
        error = abs(found.frame.camera_height - truth.frame.camera_height) / truth.frame.camera_height
        self.camera_height.append(error)
        self.wrong_plane += error > WRONG_PLANE
        for index, thing in zip(lifted.kept, found.objects, strict=True):
            true_height = truth.objects[index].camera_height
            if true_height and thing.camera_height is not None:
                self.object_camera_height.append(abs(thing.camera_height - true_height) / true_height)

    def _add_distances(self, view: SceneView, lifted: LiftedScene) -> None:
        truth = view.scene
        pairs = [
            (truth.objects[index], thing)
            for index, thing in zip(lifted.kept, lifted.scene.objects, strict=True)
            if truth.objects[index].visible_fraction >= LEAST_VISIBLE and truth.objects[index].noun not in NOT_A_BODY
        ]
        if not pairs:
            return
        true = np.array([t.box3d.centers[0] for t, _ in pairs])
        found = np.array([f.box3d.centers[0] for _, f in pairs])
        self.centre_m += np.linalg.norm(found - true, axis=1).tolist()
        ranges = np.linalg.norm(true, axis=1)
        self.camera_object += (np.abs(np.linalg.norm(found, axis=1) - ranges) / ranges).tolist()
        up = truth.frame.up
        for t, f in pairs:
            true_height = t.box3d.extent_along(up)[0]
            if lifted.scene.frame.level and true_height > 0:
                found_height = f.box3d.extent_along(lifted.scene.frame.up)[0]
                self.height.append(float(abs(found_height - true_height) / true_height))
        first, second = np.triu_indices(len(pairs), 1)
        between = np.linalg.norm(true[first] - true[second], axis=1)
        lengths = np.linalg.norm(found[first] - found[second], axis=1)
        use = between > 1e-6
        self.object_object += (np.abs(lengths - between)[use] / between[use]).tolist()

    def summary(self) -> dict[str, float]:
        """Median, 90th percentile and shares by name."""
        values: dict[str, float] = {"views": self.views, "objects": self.objects}
        for name in ("no_frame", "wrong_up", "no_plane", "wrong_plane"):
            values[f"{name}_share"] = round(getattr(self, name) / max(self.views, 1), 4)
        values["skipped_share"] = round(self.skipped / max(self.objects, 1), 4)
        for name in (
            "up_deg", "camera_height", "object_camera_height", "object_object", "camera_object", "centre_m", "height",
            "milliseconds",
        ):  # fmt: skip
            errors = getattr(self, name)
            for label, level in (("median", 50), ("p90", 90)):
                values[f"{name}_{label}"] = round(float(np.percentile(errors, level)), 5) if errors else float("nan")
        return values


@dataclass
class Worst:
    """Keeps pictures of the views with the largest errors of up or height, and of object distances."""

    number: int
    found: list[tuple[float, str, SceneView, LiftedScene]] = field(default_factory=list)

    def add(self, kind: str, view: SceneView, lifted: LiftedScene) -> None:
        """Remember the view if it is among the worst."""
        if not self.number:
            return
        one = Errors()
        one.add(view, lifted)
        frame = max([e / WRONG_UP_DEG for e in one.up_deg] + [e / WRONG_PLANE for e in one.camera_height] + [0.0])
        frame = 3.0 if one.no_frame else frame
        distance = float(np.median(one.object_object)) / 0.2 if one.object_object else 0.0
        note = f"{kind} frame {frame:.2f} distance {distance:.2f} {view.view_id}"
        self.found.append((max(frame, distance), note, view, lifted))
        self.found = sorted(self.found, key=lambda f: -f[0])[: self.number]

    def write(self, folder: Path) -> None:
        """One PNG each, the worst first."""
        import cv2
        from lifting_overlay import draw

        folder.mkdir(parents=True, exist_ok=True)
        for rank, (_, note, view, lifted) in enumerate(self.found):
            cv2.imwrite(str(folder / f"{rank:03d}.png"), draw(view, lifted, note))


def true_detections(view: SceneView) -> list[Detection]:
    """The true masks of a view as if a perfect detector had drawn them."""
    detections = []
    for thing in view.scene.objects:
        mask = thing.mask if thing.mask is not None else view.instances == thing.instance_id
        detections.append(Detection(thing.label, thing.box2d, mask, noun=thing.noun, attributes=thing.attributes))
    return detections


def lifted_without_gravity(view: SceneView, options: LiftingOptions) -> LiftedScene:
    """Lift a view with neither its up nor its camera height."""
    blind = replace(view.observation, up=None, camera_height=None)
    return lift_with_report(blind, true_detections(view), options)


def simulated_views(
    split: str, seed: int, per_kind: int, noise: bool, layout_views: int
) -> Iterator[tuple[str, SceneView]]:
    """Kind and view: ``per_kind`` table tops, then as many rooms."""
    from spatialvlm_ros.simulation.source import SimulatedViews

    for kind, share in (("table", 0.0), ("room", 1.0)):
        changes = {
            "room_share": share,
            "views_per_layout": layout_views,
            "layouts_per_compile": 5,
            "scenes": 3 * per_kind // layout_views + 10,
            "depth_noise": "realsense" if noise else "none",
            "antialiasing": 0,  # only the depth matters here
        }
        source = SimulatedViews(changes, split, seed, pack="auto")
        found = (v for k in range(len(source)) for v in source.views(k) if isinstance(v, SceneView))
        for view in islice(found, per_kind):
            yield kind, view
        source.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=500)
    parser.add_argument("--split", default="new_scenes")
    parser.add_argument("--seed", type=int, default=9000)
    parser.add_argument("--layout-views", type=int, default=10, help="views of each arrangement")
    parser.add_argument("--noise", action="store_true", help="add the noise of a depth sensor")
    parser.add_argument("--outliers", default="edges", choices=("edges", "paper", "none"))
    parser.add_argument("--planes", default="surfels", choices=("surfels", "paper"))
    parser.add_argument("--visible-only", action="store_true", help="boxes around the visible points, not completed")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--overlays", type=Path, default=None, help="folder for pictures of the worst views")
    parser.add_argument("--worst", type=int, default=24, help="number of those pictures")
    arguments = parser.parse_args()
    options = LiftingOptions(
        complete=not arguments.visible_only,
        outliers=OutlierOptions(method=arguments.outliers),
        planes=PlaneOptions(method=arguments.planes),
    )
    errors = {"table": Errors(), "room": Errors(), "all": Errors()}
    worst = Worst(arguments.worst if arguments.overlays else 0)
    start = time.perf_counter()
    for kind, view in simulated_views(
        arguments.split, arguments.seed, arguments.views // 2, arguments.noise, arguments.layout_views
    ):
        lifted = lifted_without_gravity(view, options)
        errors[kind].add(view, lifted)
        errors["all"].add(view, lifted)
        worst.add(kind, view, lifted)
    if arguments.overlays:
        worst.write(arguments.overlays)
    result = {
        "detector": "true masks",
        "depth": "rendered, with sensor noise" if arguments.noise else "rendered",
        "gravity": "withheld",
        "split": arguments.split,
        "seed": arguments.seed,
        "options": {"outliers": arguments.outliers, "planes": arguments.planes, "complete": options.complete},
        "seconds": round(time.perf_counter() - start, 1),
        "errors": {kind: e.summary() for kind, e in errors.items()},
    }
    names = list(result["errors"]["all"])
    print(f"{'':32s}{'table':>10s}{'room':>10s}{'all':>10s}")
    for name in names:
        print(f"{name:32s}" + "".join(f"{result['errors'][kind][name]:10.4g}" for kind in errors))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
