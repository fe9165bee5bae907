"""Real pictures with metric truth: the Middlebury 2014 "Motorcycle" stereo pair (in the scikit-image wheel).

Objects are boxes drawn by hand (middlebury_boxes.yaml), masks come from GrabCut on the picture, and lifting is the one
of every other source. It runs twice: with depth by OpenCV's semi-global matching, and with depth by the pair's
measured disparity. Compared are distances between centres, object to object and camera to object.

    python bench/middlebury.py [--document docs/open_world.md --figure docs/images/middlebury.png] [--json FILE]
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.sources.perceived_views import sidecar_pipeline
from spatialvlm_ros.datasets.sources.stereo import MatchingOptions, StereoRig, stereo_depth
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.registry import build_pipeline
from spatialvlm_ros.scenes.scene import Scene

BOXES = Path(__file__).with_name("middlebury_boxes.yaml")
# From the calibration of the pair at this size (scikit-image, skimage.data.stereo_motorcycle).
FOCAL, CX, CY, DOFFS, BASELINE = 994.978, 311.193, 254.877, 31.086, 0.193001
RIG = StereoRig(FOCAL, BASELINE, DOFFS)
MARKER = "<!-- bench/middlebury.py -->"
MATCHING = MatchingOptions(min_depth=1.7, max_depth=6.0)


@dataclass(frozen=True)
class Distance:
    """One compared distance in metres; ``first`` is "camera" for camera to object."""

    first: str
    second: str
    truth: float
    stereo: float

    @property
    def error(self) -> float:
        """Relative, 0..; of the stereo value."""
        return abs(self.stereo / self.truth - 1)


def load() -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Left picture, depth by disparity truth, depth by stereo matching."""
    from skimage.data import stereo_motorcycle

    left, right, disparity = stereo_motorcycle()
    truth = RIG.depth(np.where(np.isfinite(disparity), disparity, np.nan))
    return left, truth, stereo_depth(left, right, RIG, MATCHING)


def scene_of(picture: NDArray[np.uint8], depth: NDArray[np.float32]) -> Scene:
    """The scene of the hand-drawn boxes with that depth."""
    height, width = depth.shape
    camera = Camera(width, height, FOCAL, FOCAL, CX, CY)
    config = sidecar_pipeline(str(BOXES))
    config["segmenter"] = {"expert": "grabcut"}
    result = next(build_pipeline(config).run([Capture(picture, "motorcycle", camera, depth)]))
    if result.scene is None:
        raise SystemExit(f"the picture was skipped: {result.skipped}")
    return result.scene


def compare(truth: Scene, stereo: Scene) -> list[Distance]:
    """Centre distances of all objects that both scenes have."""
    centres = [{o.label: o.box3d.centers[0] for o in scene.objects if o.box3d is not None} for scene in (truth, stereo)]
    names = [name for name in centres[0] if name in centres[1]]
    both = [{"camera": np.zeros(3), **found} for found in centres]
    return [
        Distance(a, b, *(float(np.linalg.norm(found[a] - found[b])) for found in both))
        for a, b in itertools.combinations(["camera", *names], 2)
    ]


def summary(distances: list[Distance]) -> dict[str, dict[str, float]]:
    """Count, median and 90th percentile of the relative error in per cent, by kind."""
    kinds = {
        "camera to object": [d.error for d in distances if d.first == "camera"],
        "object to object": [d.error for d in distances if d.first != "camera"],
        "all": [d.error for d in distances],
    }
    return {
        kind: {
            "count": len(errors),
            "median_percent": round(100 * float(np.median(errors)), 2),
            "p90_percent": round(100 * float(np.percentile(errors, 90)), 2),
        }
        for kind, errors in kinds.items()
    }


def depth_figure(scene: Scene, truth: Scene, path: Path) -> None:
    """Draw the stereo depth with the objects: no pixel of the photograph is in it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import patheffects
    from matplotlib import pyplot as plt
    from PIL import Image

    depth = scene.observation.depth
    figure, axes = plt.subplots(1, 2, figsize=(13, 4.9), dpi=100, layout="constrained")
    for axis, shown, title in (
        (axes[0], scene, "depth by stereo matching"),
        (axes[1], truth, "depth by the measured disparity"),
    ):
        image = axis.imshow(shown.observation.depth, cmap="turbo_r", vmin=2.0, vmax=np.nanpercentile(depth, 99))
        axis.set_title(title, fontsize=11)
        axis.set_axis_off()
        for item in shown.objects:
            x0, y0, x1, y1 = item.box2d
            axis.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="white", linewidth=1.4))
            distance = float(np.linalg.norm(item.box3d.centers[0]))
            text = axis.text(x0 + 2, y0 + 3, f"{item.label}\n{distance:.2f} m", color="white", fontsize=6.5, va="top")
            text.set_path_effects([patheffects.withStroke(linewidth=1.8, foreground="black")])
    figure.colorbar(image, ax=axes, label="metres along the optical axis", shrink=0.85)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    with Image.open(path) as drawn:  # 128 colours are enough for a depth map, in a quarter of the bytes
        drawn.convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(path, optimize=True)


def table(distances: list[Distance]) -> str:
    """Markdown: the camera's distances, then the summary."""
    lines = ["| object | camera to centre, truth (m) | stereo (m) | error % |", "|---|---|---|---|"]
    for d in distances:
        if d.first == "camera":
            lines.append(f"| {d.second} | {d.truth:.3f} | {d.stereo:.3f} | {100 * d.error:.2f} |")
    lines += ["", "| distances | count | median error % | 90th percentile % |", "|---|---|---|---|"]
    for kind, row in summary(distances).items():
        lines.append(f"| {kind} | {row['count']} | {row['median_percent']} | {row['p90_percent']} |")
    return "\n".join(lines)


def write_into(document: Path, text: str) -> None:
    """Replace what stands between the two markers of a document."""
    content = document.read_text()
    before, start, rest = content.partition(MARKER)
    _, end, after = rest.partition(MARKER)
    if not (start and end):
        raise SystemExit(f"{document} has no two lines {MARKER}")
    document.write_text(f"{before}{MARKER}\n{text}\n{MARKER}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path, help="write the annotated depth as a picture")
    parser.add_argument("--document", type=Path, help="write the table between the markers of this file")
    parser.add_argument("--json", type=Path, help="write all distances")
    arguments = parser.parse_args()
    picture, true_depth, depth = load()
    truth, stereo = scene_of(picture, true_depth), scene_of(picture, depth)
    distances = compare(truth, stereo)
    valid = f"Valid depth: stereo {np.isfinite(depth).mean():.1%}, truth {np.isfinite(true_depth).mean():.1%}."
    text = f"{valid}\n\n{table(distances)}"
    print(text)
    if arguments.document:
        write_into(arguments.document, text)
    if arguments.figure:
        depth_figure(stereo, truth, arguments.figure)
    if arguments.json:
        rows = [{**asdict(d), "error": d.error} for d in distances]
        arguments.json.write_text(json.dumps({"summary": summary(distances), "distances": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
