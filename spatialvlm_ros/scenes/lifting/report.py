"""What lifting one frame gave: the scene, what was left out and why, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from spatialvlm_ros.scenes.scene import Scene

# Reasons for a skipped detection; counted by these texts.
NO_DEPTH = "no depth picture"
NO_VALID_DEPTH = "no valid depth in the picture"
EMPTY_MASK = "empty mask"
MASK_SIZE = "mask of another size than the picture"
OUT_OF_PICTURE = "outside the picture"
TOO_FEW_POINTS = "too few valid depth pixels"


@dataclass(frozen=True)
class LiftedScene:
    """A scene and how it came about.

    Attributes:
        scene: the objects that could be lifted, in the order of their detections.
        kept: index of the detection of each object of the scene.
        skipped: label and reason of each detection that could not be lifted.
        center_deviation: metres, one standard deviation of each object's centre.
        cut_by_border: whether each object reaches over the picture's border (its size is a lower bound).
        up_source: "gravity", "planes" or "" where no vertical is known.
        milliseconds: time spent.
    """

    scene: Scene
    kept: tuple[int, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    center_deviation: tuple[float, ...] = ()
    cut_by_border: tuple[bool, ...] = ()
    up_source: str = ""
    milliseconds: float = field(default=0.0, compare=False)
