"""Fit the constants of lifting on simulated training views and write scenes/lifting/calibration.yaml.

    python bench/fit_lifting.py --views 1200

Never uses a split or seed that results are reported on. Two fits: the weights of the hints that tell the vertical
(conditional logit over the candidate directions of each view, "none of them" included), and the weights that predict
how far an object reaches behind what is seen of it (least absolute deviations).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from lifting import lifted_without_gravity, simulated_views, true_detections
from scipy.optimize import minimize
from scipy.special import logsumexp

import spatialvlm_ros.scenes.lifting as lifting_room
from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.scenes.lifting.amodal import FEATURES, seen_shape
from spatialvlm_ros.scenes.lifting.masks import owner_map
from spatialvlm_ros.scenes.lifting.options import LiftingOptions
from spatialvlm_ros.scenes.lifting.outliers import edge_pixels, object_points
from spatialvlm_ros.scenes.lifting.plane_search import find_planes
from spatialvlm_ros.scenes.lifting.surfels import surfels
from spatialvlm_ros.scenes.lifting.vertical import HINTS, candidates

RIGHT_DEG = 3.0
LEAST_VISIBLE = 0.6
TARGET = Path(lifting_room.__path__[0]) / "calibration.yaml"


@dataclass
class DirectionSample:
    """Hints (C, H) of the candidate directions of one view, and the number of the right one (C = none)."""

    hints: np.ndarray
    right: int


def direction_sample(view: SceneView, options: LiftingOptions) -> DirectionSample:
    """What the choice of the vertical saw in one view."""
    observation = view.observation
    masks = [d.mask for d in true_detections(view)]
    edges = edge_pixels(observation.depth, options.outliers.edge_step)
    points = [object_points(observation.depth, observation.camera, m, edges, options.outliers) for m in masks]
    kept = [p for p in points if len(p) >= options.outliers.min_points]
    seen = surfels(observation.depth, observation.camera, owner_map(list(enumerate(masks)), masks[0].shape))
    found = candidates(find_planes(seen, options.planes), seen, kept)
    if not found:
        return DirectionSample(np.zeros((0, len(HINTS))), 0)
    cosines = np.array([c.up @ view.scene.frame.up for c in found])
    best = int(cosines.argmax())
    right = best if cosines[best] > np.cos(np.radians(RIGHT_DEG)) else len(found)
    return DirectionSample(np.stack([c.hints for c in found]), right)


def depth_samples(view: SceneView, options: LiftingOptions) -> list[np.ndarray]:
    """Features and, last, the depth share that would put the centre right, of each well seen object."""
    rows = []
    lifted = lifted_without_gravity(view, options)
    up = view.scene.frame.up
    if lifted.scene.frame.level == 0 or lifted.scene.frame.up @ up < np.cos(np.radians(RIGHT_DEG)):
        return rows
    for index, thing, cut in zip(lifted.kept, lifted.scene.objects, lifted.cut_by_border, strict=True):
        truth = view.scene.objects[index]
        if truth.visible_fraction < LEAST_VISIBLE or cut:
            continue
        shape = seen_shape(thing.points, lifted.scene.frame.up, float(thing.box3d.bottom_along(up)[0]))
        share = 2 * (float(truth.box3d.centers[0] @ shape.depth_axis) - shape.near) / max(shape.width, 1e-3)
        rows.append(np.append(shape.features, share))
    return rows


def fit_hints(samples: list[DirectionSample]) -> np.ndarray:
    """Conditional logit with a weak prior towards zero."""

    def cost(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = 0.02 * float(weights @ weights), 0.04 * weights
        for sample in samples:
            scores = np.append(sample.hints @ weights, 0.0)
            norm = logsumexp(scores)
            total += norm - scores[sample.right]
            share = np.exp(scores[:-1] - norm)
            slope = slope + share @ sample.hints
            if sample.right < len(sample.hints):
                slope = slope - sample.hints[sample.right]
        return total, slope

    return minimize(cost, np.zeros(len(HINTS)), jac=True, method="L-BFGS-B").x


def fit_depth(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Least absolute deviations by reweighting, a little ridge; and the robust standard deviation of the rest."""
    features, share = rows[:, :-1], np.clip(rows[:, -1], 0, 3)
    weights = np.zeros(features.shape[1])
    importance = np.ones(len(share))
    for _ in range(40):
        weighted = features * importance[:, None]
        weights = np.linalg.solve(weighted.T @ features + 0.5 * np.eye(len(weights)), weighted.T @ share)
        importance = 1.0 / np.maximum(np.abs(share - features @ weights), 0.02)
    return weights, float(1.4826 * np.median(np.abs(share - features @ weights)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--layout-views", type=int, default=5)
    parser.add_argument("--samples", type=Path, default=None, help="keep the samples here and use them if they exist")
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    options = LiftingOptions()
    if arguments.samples and arguments.samples.exists():
        stored = np.load(arguments.samples)
        directions = [
            DirectionSample(stored["hints"][a:b], int(r))
            for a, b, r in zip(stored["starts"][:-1], stored["starts"][1:], stored["right"], strict=True)
        ]
        rows = stored["rows"]
    else:
        directions, found = [], []
        for noise in (False, True):
            for _, view in simulated_views(
                "train", arguments.seed + noise, arguments.views // 4, noise, arguments.layout_views
            ):
                directions.append(direction_sample(view, options))
                found += depth_samples(view, options)
        rows = np.stack(found)
        if arguments.samples:
            np.savez(
                arguments.samples,
                hints=np.concatenate([d.hints for d in directions]),
                starts=np.cumsum([0] + [len(d.hints) for d in directions]),
                right=[d.right for d in directions],
                rows=rows,
            )
    hints = fit_hints(directions)
    chosen = [int(np.append(d.hints @ hints, 0.0).argmax()) for d in directions]
    agreeing = np.mean([c == d.right for c, d in zip(chosen, directions, strict=True)])
    depth, deviation = fit_depth(rows)
    values = {
        "hint_weights": {name: round(float(w), 4) for name, w in zip(HINTS, hints, strict=True)},
        "depth_weights": {name: round(float(w), 4) for name, w in zip(FEATURES, depth, strict=True)},
        "depth_deviation": round(deviation, 4),
    }
    text = (
        f"# Written by bench/fit_lifting.py from {len(directions)} views and {len(rows)} objects of the split train.\n"
    )
    arguments.out.write_text(text + yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    possible = np.mean([d.right < len(d.hints) for d in directions])
    print(f"vertical chosen right in {agreeing:.3f} of the views; a right one was on offer in {possible:.3f}")
    print(f"depth share: residual {deviation:.3f} of the width over {len(rows)} objects")


if __name__ == "__main__":
    main()
