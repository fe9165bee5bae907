"""Measure question generation: complete QA pairs per second on one core over many different scenes.

    python bench/questions.py [--scenes 1000] [--objects 8] [--per-scene 100] [--runs 5]

Scenes are synthetic (random boxes, frame levels, names; in half of them two objects are alike, in some three).
A run starts from `Scene` objects, with a new generator, and ends with `QAPair` tuples: ambiguity, exact values,
uncertainty, rounding and sentences are all inside. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # one core

import numpy as np  # noqa: E402

from spatialvlm_ros.geometry.boxes import Boxes  # noqa: E402
from spatialvlm_ros.geometry.frames import CanonicalFrame  # noqa: E402
from spatialvlm_ros.questions.generator import QuestionGenerator  # noqa: E402
from spatialvlm_ros.scenes.scene import Scene, SceneObject  # noqa: E402

_COLOURS = "red green blue yellow black white brown grey orange purple pink silver".split()
_NOUNS = (
    "mug bowl plate kettle teapot banana apple bottle laptop lamp chair table sofa shelf book hammer scissors "
    "stapler phone clock box vase plant bin basket pillow candle keyboard mouse monitor speaker camera cushion "
    "drawer cabinet stool fan tray jug pan spoon knife fork glass toaster radio drill wrench brush sponge"
).split()


def synthetic_scene(rng: np.random.Generator, objects: int = 8, with_gaps: bool = True) -> Scene:
    """A scene of random boxes in front of a tilted camera; half have two objects of one name, some three."""
    tilt = rng.uniform(0.1, 1.2)
    up = np.array([0.0, -np.cos(tilt), -np.sin(tilt)])
    level = int(rng.choice(3, p=[0.2, 0.2, 0.6]))
    frame = CanonicalFrame.from_up(up if level else None, 1.2 if level == 2 else None)
    labels = [f"{rng.choice(_COLOURS)} {rng.choice(_NOUNS)}" for _ in range(objects)]
    alike = rng.random()
    if alike < 0.5 and objects > 1:
        labels[1] = labels[0]
    if alike < 0.1 and objects > 2:
        labels[2] = labels[0]
    items = []
    axes = np.stack([frame.forward, frame.left, frame.up], axis=1)
    for label in labels:
        yaw = rng.uniform(0, np.pi)
        turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        center = rng.uniform([-1.5, -1.0, 0.6], [1.5, 1.0, 4.0])
        box = Boxes(center[None], rng.uniform(0.03, 0.5, (1, 3)), (axes @ turn)[None])
        items.append(SceneObject(label, [0, 0, 10, 10], box, visible_fraction=float(rng.uniform(0.4, 1.0))))
    gaps = None
    if with_gaps:
        gaps = rng.uniform(0, 2, (objects, objects))
        gaps = (gaps + gaps.T) / 2
    return Scene(None, tuple(items), frame, gaps)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=8)
    parser.add_argument("--per-scene", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-gaps", action="store_true", help="compute gaps from the boxes, not from known surfaces")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    scenes = [synthetic_scene(rng, arguments.objects, not arguments.no_gaps) for _ in range(arguments.scenes)]
    QuestionGenerator().generate(scenes[:20], 20, range(20))  # reads the data files
    rates, pairs = [], 0
    for run in range(arguments.runs):
        start = time.perf_counter()
        result = QuestionGenerator().generate(scenes, arguments.per_scene, range(run, run + len(scenes)))
        seconds = time.perf_counter() - start
        pairs = sum(map(len, result))
        rates.append(pairs / seconds)
    report = {
        "qa_per_second": round(statistics.median(rates)),
        "slowest": round(min(rates)),
        "fastest": round(max(rates)),
        "pairs": pairs,
        "scenes": arguments.scenes,
        "objects": arguments.objects,
        "runs": arguments.runs,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
