"""Fit the constants of lifting on simulated training views and write scenes/lifting/calibration.yaml.

    python bench/fit_lifting.py --views 1200

Never uses a split or seed that results are reported on. Two fits: the weights of the hints that tell the vertical
(conditional logit over the candidate directions of each view, "none of them" included; every view comes a second time
with its level planes cut out of the depth, so that walls alone are not taken for floors, and a third
time turned by quarters, as cameras on a wrist see it; these count less), and a small network that
predicts how far an object reaches behind what is seen of it. Needs PyTorch.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml
from lifting import NOT_A_BODY, simulated_views, true_detections
from scipy.optimize import minimize
from scipy.special import logsumexp

import spatialvlm_ros.scenes.lifting as lifting_room
from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.lifting.calibration import HINTS, Calibration
from spatialvlm_ros.scenes.lifting.lift import lift_with_report
from spatialvlm_ros.scenes.lifting.masks import owner_map
from spatialvlm_ros.scenes.lifting.noise import inverse_depth_noise, smoothed_depth
from spatialvlm_ros.scenes.lifting.options import LiftingOptions
from spatialvlm_ros.scenes.lifting.outliers import edge_pixels, object_points
from spatialvlm_ros.scenes.lifting.plane_search import find_planes
from spatialvlm_ros.scenes.lifting.shape import FEATURES, seen_shape
from spatialvlm_ros.scenes.lifting.surfels import surfels
from spatialvlm_ros.scenes.lifting.vertical import candidates

RIGHT_DEG = 3.0
LEAST_VISIBLE = 0.6
HIDDEN = 12
# How much the altered views count: few cameras see no floor, or are turned on their side.
WALLS_WEIGHT, TURNED_WEIGHT = 0.3, 0.1
# Nothing fitted yet: no choice of the vertical is needed, and nothing is added behind what is seen.
BLANK = Calibration(
    np.zeros(len(HINTS)), np.zeros(len(FEATURES)), np.ones(len(FEATURES)), np.zeros((len(FEATURES), 1)), np.zeros(1),
    np.zeros(1), 0.0, 0.0,
)  # fmt: skip
TARGET = Path(lifting_room.__path__[0]) / "calibration.yaml"


@dataclass
class DirectionSample:
    """Hints (C, H) of the candidate directions of one view, the number of the right one (C = none), and how much
    the view counts."""

    hints: np.ndarray
    right: int
    weight: float = 1.0


def without_level_planes(view: SceneView) -> SceneView:
    """The view with the depth of all its known level planes made invalid, as if it only showed walls and things."""
    observation = view.observation
    heights = (observation.camera.pixel_rays() @ view.scene.frame.up) * observation.depth
    levels = {view.scene.frame.camera_height, *(o.camera_height for o in view.scene.objects)} - {None}
    near = np.zeros(heights.shape, dtype=bool)
    for level in levels:
        near |= np.abs(heights + level) < 0.015 + 0.01 * observation.depth
    depth = np.where(near, np.nan, observation.depth).astype(np.float32)
    return replace(view, scene=replace(view.scene, observation=replace(observation, depth=depth)))


def turned(view: SceneView, quarters: int) -> SceneView:
    """The view as a camera turned by quarters of a turn about its axis would give it (a camera on a robot's wrist)."""
    observation, camera = view.observation, view.observation.camera
    up, objects = view.scene.frame.up, view.scene.objects
    for _ in range(quarters):  # counterclockwise: the right edge becomes the upper one
        camera = Camera(camera.height, camera.width, camera.fy, camera.fx, camera.cy, camera.width - 1 - camera.cx)
        up = np.array([up[1], -up[0], up[2]])
    objects = tuple(
        replace(o, mask=np.rot90(m.mask, quarters)) for o, m in zip(objects, true_detections(view), strict=True)
    )
    observation = replace(
        observation,
        rgb=np.rot90(observation.rgb, quarters),
        depth=np.ascontiguousarray(np.rot90(observation.depth, quarters)),
        camera=camera,
        up=None,
    )
    frame = CanonicalFrame.from_up(up, view.scene.frame.camera_height)
    scene = replace(view.scene, observation=observation, frame=frame, objects=objects, gaps=None)
    return replace(view, scene=scene, instances=None)


def direction_sample(view: SceneView, options: LiftingOptions, weight: float = 1.0) -> DirectionSample:
    """What the choice of the vertical sees in one view."""
    observation = view.observation
    masks = [d.mask for d in true_detections(view)]
    edges = edge_pixels(observation.depth, options.outliers.edge_step)
    points = [object_points(observation.depth, observation.camera, m, edges, options.outliers) for m in masks]
    kept = {k: p for k, p in enumerate(points) if len(p) >= options.outliers.min_points}
    seen = surfels(observation.depth, observation.camera, owner_map(list(enumerate(masks)), masks[0].shape))
    found = candidates(find_planes(seen, options.planes), seen, kept)
    if not found:
        return DirectionSample(np.zeros((0, len(HINTS))), 0, weight)
    cosines = np.array([c.up @ view.scene.frame.up for c in found])
    best = int(cosines.argmax())
    right = best if cosines[best] > np.cos(np.radians(RIGHT_DEG)) else len(found)
    return DirectionSample(np.stack([c.hints for c in found]), right, weight)


def depth_samples(view: SceneView, options: LiftingOptions) -> list[np.ndarray]:
    """Features and, last, the hidden depth that would put the centre right, of each well seen object."""
    rows = []
    known = replace(view.observation, up=view.scene.frame.up)
    lifted = lift_with_report(known, true_detections(view), options, BLANK)
    noise = inverse_depth_noise(smoothed_depth(known.depth))
    for index, thing, cut in zip(lifted.kept, lifted.scene.objects, lifted.cut_by_border, strict=True):
        truth = view.scene.objects[index]
        if truth.visible_fraction < LEAST_VISIBLE or cut or truth.noun in NOT_A_BODY:
            continue
        up = lifted.scene.frame.up
        along_sight = noise * float(np.median(thing.points[:, 2])) ** 2
        shape = seen_shape(thing.points, up, float(thing.box3d.bottom_along(up)[0]), along_sight)
        middle = float(truth.box3d.centers[0] @ shape.depth_axis)
        share = (2 * middle - shape.near - shape.far) / shape.scale
        rows.append(np.append(shape.features, share))
    return rows


def fit_hints(samples: list[DirectionSample]) -> np.ndarray:
    """Conditional logit with a weak prior towards zero."""

    def cost(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = 0.02 * float(weights @ weights), 0.04 * weights
        for sample in samples:
            scores = np.append(sample.hints @ weights, 0.0)
            norm = logsumexp(scores)
            total += sample.weight * (norm - scores[sample.right])
            slope = slope + sample.weight * (np.exp(scores[:-1] - norm) @ sample.hints)
            if sample.right < len(sample.hints):
                slope = slope - sample.weight * sample.hints[sample.right]
        return total, slope

    return minimize(cost, np.zeros(len(HINTS)), jac=True, method="L-BFGS-B").x


def fit_depth(rows: np.ndarray, hidden: int = HIDDEN, steps: int = 3000) -> tuple[dict, np.ndarray]:
    """The network as it stands in the YAML file, and its predictions for ``rows`` (N, F + 1)."""
    import torch

    torch.manual_seed(0)
    features, share = rows[:, :-1], np.clip(rows[:, -1], -0.2, 1.5)
    mean, scale = features.mean(axis=0).round(4), (features.std(axis=0) + 1e-3).round(4)
    inputs = torch.tensor(np.clip((features - mean) / scale, -4, 4), dtype=torch.float32)
    target = torch.tensor(share, dtype=torch.float32)
    first, last = torch.nn.Linear(features.shape[1], hidden), torch.nn.Linear(hidden, 1)
    optimiser = torch.optim.AdamW([*first.parameters(), *last.parameters()], lr=0.01, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        predicted = last(torch.tanh(first(inputs)))[:, 0]
        torch.nn.functional.smooth_l1_loss(predicted, target, beta=0.03).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        predicted = last(torch.tanh(first(inputs)))[:, 0].numpy()
    weights = first.weight.detach().numpy().T  # (F, H)
    columns = {name: _numbers([mean[k], scale[k], *weights[k]]) for k, name in enumerate(FEATURES)}
    network = {
        "inputs": columns,
        "hidden_bias": _numbers(first.bias.detach()),
        "output_weights": _numbers(last.weight[0].detach()),
        "output_bias": _numbers(last.bias.detach())[0],
        # The residuals have long tails; the mean absolute one of a normal distribution is 0.8 deviations.
        "deviation": round(float(np.abs(share - predicted).mean() / 0.8), 4),
    }
    return network, predicted


def _numbers(values: object) -> list[float]:
    return [round(float(v), 4) for v in np.asarray(values)]


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
            DirectionSample(stored["hints"][a:b], int(r), float(w))
            for a, b, r, w in zip(
                stored["starts"][:-1], stored["starts"][1:], stored["right"], stored["weight"], strict=True
            )
        ]
        rows = stored["rows"]
    else:
        directions, found = [], []
        for noise in (False, True):
            for _, view in simulated_views(
                "train", arguments.seed + noise, arguments.views // 4, noise, arguments.layout_views
            ):
                directions.append(direction_sample(view, options))
                directions.append(direction_sample(without_level_planes(view), options, WALLS_WEIGHT))
                directions.append(direction_sample(turned(view, 1 + len(found) % 3), options, TURNED_WEIGHT))
                found += depth_samples(view, options)
        rows = np.stack(found)
        if arguments.samples:
            np.savez(
                arguments.samples,
                hints=np.concatenate([d.hints for d in directions]),
                starts=np.cumsum([0] + [len(d.hints) for d in directions]),
                right=[d.right for d in directions],
                weight=[d.weight for d in directions],
                rows=rows,
            )
    hints = fit_hints(directions)
    network, predicted = fit_depth(rows)
    values = {
        "hint_weights": {name: round(float(w), 4) for name, w in zip(HINTS, hints, strict=True)},
        "hidden_depth": network,
    }
    counts = f"{len(directions) // 3} views and {len(rows)} objects"
    text = f"# Written by bench/fit_lifting.py from {counts} of the split train.\n"
    text += "# inputs: mean, scale, then one weight for each hidden unit.\n"
    text += yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=1000)
    arguments.out.write_text(text, encoding="utf-8")
    for name, kind in (("as they are", 0), ("without level planes", 1), ("turned", 2)):
        cases = directions[kind::3]
        right = np.mean([int(np.append(d.hints @ hints, 0.0).argmax()) == d.right for d in cases])
        print(f"views {name}: the vertical, or that there is none, told right in {right:.4f}")
    residual = np.abs(rows[:, -1] - predicted).mean()
    print(f"hidden depth: mean error {np.abs(rows[:, -1]).mean():.4f} without, {residual:.4f} with the network")


if __name__ == "__main__":
    main()
