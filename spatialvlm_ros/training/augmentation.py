"""Random crops, mirrored scenes and changed light: one stored view becomes many, with exact truth for each."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.embedded.picture import CANONICAL, GREY, RAYS, canonical_scale, one_camera
from spatialvlm_ros.scenes.scene import Scene, SceneObject
from spatialvlm_ros.training.view_store import DEPTH_STEP, INSTANCE_STEP, StoredView

Float = NDArray[np.float64]

LEAST_SIDE = 8.0  # canvas pixels of the shorter box side below which an object cannot be made out
_MIRROR = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Augmentation:
    """How much a view is changed.

    Attributes:
        smallest_crop: least width of the cut-out, as a share of the picture's width.
        aspects: least and largest height over width of the cut-out.
        changed_aspect: share of the views whose cut-out has another aspect than the picture.
        mirrored: share of the mirrored views.
        light: strength of the changes of brightness, contrast, colour cast and noise; 0 is none.
    """

    smallest_crop: float = 0.7
    aspects: tuple[float, float] = (0.55, 0.82)
    changed_aspect: float = 0.4
    mirrored: float = 0.5
    light: float = 1.0

    @staticmethod
    def none() -> Augmentation:
        """The view as it was rendered."""
        return Augmentation(1.0, (0.75, 0.75), 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Sample:
    """One view on the model's canvas, with truth for its objects.

    Attributes:
        pixels: (H, W, 3) uint8 canvas.
        camera: of the canvas.
        scene: objects in the optical frame (mirrored where the picture is) with visible fractions of the cut-out, 0
            where too small; their 2D boxes are in stored pixels: use ``boxes``.
        boxes: (K, 4) canvas pixels x0, y0, x1, y1 of the visible part inside the picture.
        visible: (K,) visible fraction inside the cut-out.
        cells: (h, w) index of the object in each cell, -1 none.
        depths: (h, w) log canonical metres along the optical axis, NaN where unknown or outside.
    """

    pixels: NDArray[np.uint8]
    camera: Camera
    scene: Scene
    boxes: Float
    visible: Float
    cells: NDArray[np.int64]
    depths: NDArray[np.float32]

    @property
    def sides(self) -> Float:
        """(K,) shorter side of each box, canvas pixels."""
        return _shorter_sides(self.boxes)

    @property
    def canonical_scale(self) -> float:
        """Canonical metres per metre of range."""
        return canonical_scale(self.camera)


@dataclass(frozen=True)
class _Cut:
    """Which part of the stored picture lies where on the canvas: canvas = stored * scale + offset."""

    box: tuple[float, float, float, float]
    inner: tuple[int, int, int, int]  # left, top, width, height on the canvas
    scale: tuple[float, float]
    offset: tuple[float, float]
    mirrored: bool
    width: int
    height: int

    def to_canvas(self, u: Float, v: Float) -> tuple[Float, Float]:
        x, y = u * self.scale[0] + self.offset[0], v * self.scale[1] + self.offset[1]
        return (self.width - 1 - x if self.mirrored else x), y

    def to_stored(self, x: Float, y: Float) -> tuple[Float, Float]:
        x = self.width - 1 - x if self.mirrored else x
        return (x - self.offset[0]) / self.scale[0], (y - self.offset[1]) / self.scale[1]


def augmented(
    view: StoredView,
    width: int,
    height: int,
    cell: int,
    settings: Augmentation,
    rng: np.random.Generator,
    camera_mode: str = RAYS,
) -> Sample:
    """A sample of a stored view.

    Args:
        view: with its truth.
        width, height: of the canvas, pixels.
        cell: pixels per cell of the label maps.
        settings: how much is changed.
        rng: decides everything.
        camera_mode: one of the `CAMERA_MODES`.
    """
    cut = _draw_cut(view.camera, width, height, settings, rng, camera_mode)
    camera = _canvas_camera(view.camera, cut)
    pixels = _light(_pixels(view, cut), cut, settings.light, rng)
    scene = _mirrored(view.scene) if cut.mirrored else view.scene
    cells, depths = _label_maps(view, cut, camera, cell)
    boxes, visible = _boxes(view, cut)
    scene = _as_seen(scene, visible, _shorter_sides(boxes))
    return Sample(pixels, camera, scene, boxes, visible, cells, depths)


def _shorter_sides(boxes: Float) -> Float:
    return np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


def _draw_cut(
    camera: Camera, width: int, height: int, settings: Augmentation, rng: np.random.Generator, camera_mode: str
) -> _Cut:
    w = camera.width * rng.uniform(settings.smallest_crop, 1.0)
    aspect = camera.height / camera.width
    if rng.random() < settings.changed_aspect:
        aspect = rng.uniform(*settings.aspects)
    h = w * aspect
    if h > camera.height:
        w, h = camera.height / aspect, float(camera.height)
    x0, y0 = rng.uniform(0, camera.width - w), rng.uniform(0, camera.height - h)
    box = (x0, y0, x0 + w, y0 + h)
    if camera_mode == CANONICAL:
        (sx, sy), inner, box = one_camera(camera, box, width, height)
        offset = ((width - 1) / 2 - camera.cx * sx, (height - 1) / 2 - camera.cy * sy)
    else:
        scale = min(width / w, height / h)
        inner_w, inner_h = min(max(round(w * scale), 1), width), min(max(round(h * scale), 1), height)
        left, top = (width - inner_w) // 2, (height - inner_h) // 2
        sx, sy = inner_w / w, inner_h / h
        offset = ((0.5 - x0) * sx - 0.5 + left, (0.5 - y0) * sy - 0.5 + top)
        inner = (left, top, inner_w, inner_h)
    mirrored = bool(rng.random() < settings.mirrored)
    return _Cut(box, inner, (sx, sy), offset, mirrored, width, height)


def _canvas_camera(camera: Camera, cut: _Cut) -> Camera:
    cx, cy = cut.to_canvas(np.array(camera.cx), np.array(camera.cy))
    return Camera(cut.width, cut.height, camera.fx * cut.scale[0], camera.fy * cut.scale[1], float(cx), float(cy))


def _pixels(view: StoredView, cut: _Cut) -> NDArray[np.uint8]:
    left, top, w, h = cut.inner
    canvas = np.full((cut.height, cut.width, 3), GREY, np.uint8)
    if not w or not h:
        return canvas
    with Image.open(io.BytesIO(view.jpeg)) as image:
        inner = np.asarray(image.convert("RGB").resize((w, h), Image.Resampling.BILINEAR, box=cut.box))
    canvas[top : top + h, left : left + w] = inner
    return np.ascontiguousarray(canvas[:, ::-1]) if cut.mirrored else canvas


def _light(pixels: NDArray[np.uint8], cut: _Cut, strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    if strength <= 0:
        return pixels
    gain = np.exp(rng.normal(0, 0.2 * strength) + rng.normal(0, 0.08 * strength, 3))
    gamma = float(np.exp(rng.normal(0, 0.15 * strength)))
    # A table look-up: the same curve for every pixel of a channel.
    curve = np.clip(255 * (np.linspace(0, 1, 256)[:, None] ** gamma) * gain, 0, 255)
    left, top, w, h = cut.inner
    left = cut.width - left - w if cut.mirrored else left
    changed = pixels.copy()
    inner = np.stack([curve[:, c].astype(np.float32)[pixels[top : top + h, left : left + w, c]] for c in range(3)], -1)
    if rng.random() < 0.5 * strength:
        inner += rng.normal(0, rng.uniform(1, 9) * strength, inner.shape[:2]).astype(np.float32)[..., None]
    changed[top : top + h, left : left + w] = np.clip(inner, 0, 255).astype(np.uint8)
    return changed


def _label_maps(
    view: StoredView, cut: _Cut, camera: Camera, cell: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    x = np.arange(cut.width // cell, dtype=np.float64) * cell + (cell - 1) / 2
    y = np.arange(cut.height // cell, dtype=np.float64) * cell + (cell - 1) / 2
    u, v = cut.to_stored(x, y)
    stored_w, stored_h = view.camera.width, view.camera.height
    inside = ((v >= cut.box[1] - 0.5) & (v <= cut.box[3] - 0.5))[:, None] & (
        (u >= cut.box[0] - 0.5) & (u <= cut.box[2] - 0.5)
    )
    ids = _nearest(view.instances, u, v, INSTANCE_STEP, stored_w, stored_h)
    lookup = np.full(256, -1, np.int64)
    for k, thing in enumerate(view.scene.objects):
        lookup[thing.instance_id] = k
    cells = np.where(inside, lookup[ids], -1)
    depth = _nearest(view.depth, u, v, DEPTH_STEP, stored_w, stored_h).astype(np.float32)
    scale = canonical_scale(camera)
    known = inside & (depth > 0)
    return cells, np.where(known, np.log(np.maximum(depth, 1e-3) * scale), np.nan).astype(np.float32)


def _nearest(stored: NDArray, u: Float, v: Float, step: int, width: int, height: int) -> NDArray:
    first = step // 2
    columns = np.clip(np.rint((np.clip(u, 0, width - 1) - first) / step).astype(np.int64), 0, stored.shape[1] - 1)
    rows = np.clip(np.rint((np.clip(v, 0, height - 1) - first) / step).astype(np.int64), 0, stored.shape[0] - 1)
    return stored[rows[:, None], columns]


def _boxes(view: StoredView, cut: _Cut) -> tuple[Float, Float]:
    """Boxes on the canvas and the visible fraction that the cut-out leaves."""
    objects = view.scene.objects
    stored = np.array([o.box2d for o in objects]).reshape(-1, 4)
    visible = np.array([o.visible_fraction for o in objects])
    x0, y0, x1, y1 = cut.box
    clipped = np.stack(
        [
            np.maximum(stored[:, 0], x0),
            np.maximum(stored[:, 1], y0),
            np.minimum(stored[:, 2], x1),
            np.minimum(stored[:, 3], y1),
        ],
        axis=1,
    )
    changed = np.flatnonzero((np.abs(clipped - stored) > 1e-6).any(axis=1))
    h, w = view.instances.shape
    if len(changed):
        rows = np.arange(h) * INSTANCE_STEP + INSTANCE_STEP // 2
        columns = np.arange(w) * INSTANCE_STEP + INSTANCE_STEP // 2
        window = ((rows >= y0) & (rows < y1))[:, None] & ((columns >= x0) & (columns < x1))
        total = np.bincount(view.instances.ravel(), minlength=256)
        left = np.bincount(view.instances[window], minlength=256)
    for k in changed:
        number = objects[k].instance_id
        visible[k] *= left[number] / max(total[number], 1)
        if not left[number]:
            clipped[k] = 0.0
            continue
        mask = (view.instances == number) & window
        r, c = rows[np.flatnonzero(mask.any(axis=1))], columns[np.flatnonzero(mask.any(axis=0))]
        # The coarse map ends up to a pixel early; the stored box says how far it may reach.
        tight = np.array([c[0] - 1, r[0] - 1, c[-1] + 2, r[-1] + 2], dtype=np.float64)
        clipped[k] = [
            max(clipped[k, 0], tight[0]),
            max(clipped[k, 1], tight[1]),
            min(clipped[k, 2], tight[2]),
            min(clipped[k, 3], tight[3]),
        ]
    # Box edges lie between pixels: edge e of a box is at pixel coordinate e - 0.5.
    left_x, top_y = cut.to_canvas(clipped[:, 0] - 0.5, clipped[:, 1] - 0.5)
    right_x, bottom_y = cut.to_canvas(clipped[:, 2] - 0.5, clipped[:, 3] - 0.5)
    low, high = np.minimum(left_x, right_x), np.maximum(left_x, right_x)
    return np.stack([low + 0.5, top_y + 0.5, high + 0.5, bottom_y + 0.5], axis=1), visible


def _as_seen(scene: Scene, visible: Float, sides: Float) -> Scene:
    """The scene with the visible fractions of the cut-out; what is too small to be made out is not seen."""
    fractions = np.where(sides >= LEAST_SIDE, visible, 0.0)
    objects = tuple(
        o if o.visible_fraction == f else replace(o, visible_fraction=float(f))
        for o, f in zip(scene.objects, fractions, strict=True)
    )
    return replace(scene, objects=objects)


def _mirrored(scene: Scene) -> Scene:
    """The scene seen in a mirror: x becomes -x."""
    objects = tuple(_mirrored_object(o) for o in scene.objects)
    up = _MIRROR @ scene.frame.up if scene.frame.level else None
    frame = CanonicalFrame.from_up(up, scene.frame.camera_height, scene.frame.support_id)
    return replace(scene, objects=objects, frame=frame)


def _mirrored_object(thing: SceneObject) -> SceneObject:
    assert thing.box3d is not None  # simulated objects have one
    rotation = _MIRROR @ thing.box3d.rotations[0]
    rotation[:, 0] *= -1  # a mirrored rotation is none; a box is the same when an axis is turned round
    box = Boxes(thing.box3d.centers @ _MIRROR, thing.box3d.sizes, rotation[None])
    return replace(thing, box3d=box)
