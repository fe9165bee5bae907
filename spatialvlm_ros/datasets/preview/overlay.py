"""What is drawn over a picture, as SVG: 2D boxes with names, 3D boxes, the canonical frame and its plane."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.preview import palette, projection
from spatialvlm_ros.scenes.scene import Scene

Float = NDArray[np.float64]
Rectangle = tuple[float, float, float, float]

_AXES = (("forward", "x forward", "#ff5252"), ("left", "y left", "#4be36a"), ("up", "z up", "#5cb3ff"))
# Width over the font size: of narrow, wide and other characters in a bold sans serif.
_NARROW, _WIDE, _OTHER = (frozenset("ijlI.,:;'| ft-()"), 0.32), (frozenset("mwMW%@"), 0.88), 0.58


@dataclass(frozen=True)
class Style:
    """Sizes in picture pixels, so that pictures of any resolution look alike."""

    width: int
    height: int

    @property
    def font(self) -> float:
        return self.width / 56

    @property
    def stroke(self) -> float:
        return self.width / 420


def svg(scene: Scene) -> str:
    """The overlay of a scene with an observation, in pixels of its picture."""
    assert scene.observation is not None  # views have one
    camera = scene.observation.camera
    style = Style(camera.width, camera.height)
    taken: list[Rectangle] = []  # by text, which must not be written over other text
    layers = {
        "boxes3d": _boxes3d(scene, style),
        "frame": _frame(scene, style, taken),
        "boxes2d": _boxes2d(scene, style, taken),
    }
    # Pixel centres are at whole numbers: the picture spans -0.5 .. width - 0.5.
    head = f'<svg class="overlay" viewBox="-0.5 -0.5 {camera.width} {camera.height}" preserveAspectRatio="none">'
    return head + "".join(f'<g class="{name}">{content}</g>' for name, content in layers.items()) + "</svg>"


def _boxes2d(scene: Scene, style: Style, taken: list[Rectangle]) -> str:
    shapes = []
    for index, item in enumerate(scene.objects):
        x0, y0, x1, y1 = item.box2d - 0.5
        shapes.append(
            f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}" fill="none" '
            f'stroke="{palette.colour(index)}" stroke-width="{style.stroke:.2f}" '
            f'stroke-dasharray="{3 * style.stroke:.1f} {2 * style.stroke:.1f}"/>'
        )
    # Small objects first: they have the fewest places for a name.
    for index in sorted(range(len(scene.objects)), key=lambda i: _area(scene.objects[i].box2d)):
        item = scene.objects[index]
        texts = (f"{index + 1} {item.label}", f"{index + 1}")  # the number alone where the name finds no place
        found = ((text, _free_spot(text, index, scene, style, taken)) for text in texts)
        text, spot = next(((t, s) for t, s in found if s), (texts[1], _spots(texts[1], item.box2d, style)[0]))
        taken.append(spot)
        shapes.append(_tag(text, spot, index, style))
    return "".join(shapes)


def _area(box2d: Float) -> float:
    return float((box2d[2] - box2d[0]) * (box2d[3] - box2d[1]))


def _text_width(text: str, style: Style) -> float:
    widths = (_NARROW[1] if c in _NARROW[0] else _WIDE[1] if c in _WIDE[0] else _OTHER for c in text)
    return style.font * sum(widths)


def _spots(text: str, box2d: Float, style: Style) -> list[Rectangle]:
    """Places for a name beside a box, best first: above, below, inside, then beside it."""
    width, height = _text_width(text, style) + 0.7 * style.font, 1.35 * style.font
    x0, y0, x1, y1 = (float(v) for v in box2d)
    corners = [
        (x0, y0 - height),
        (x0, y1),
        (x1 - width, y0 - height),
        (x1 - width, y1),
        (x0, y0),
        (x0, y1 - height),
        (x1, y0),
        (x0 - width, y0),
        (x1, y1 - height),
        (x0 - width, y1 - height),
        (x0, y0 - 2.1 * height),
        (x0, y1 + 1.1 * height),
    ]
    return [
        (
            float(np.clip(x, 0, max(style.width - width, 0))),
            float(np.clip(y, 0, max(style.height - height, 0))),
            width,
            height,
        )
        for x, y in corners
    ]


def _free_spot(text: str, index: int, scene: Scene, style: Style, taken: list[Rectangle]) -> Rectangle | None:
    """A place where the name covers no other text, and as little as possible of the other objects."""
    free = [s for s in _spots(text, scene.objects[index].box2d, style) if not any(_overlap(s, t) > 0 for t in taken)]
    others = [_rectangle(o.box2d) for i, o in enumerate(scene.objects) if i != index]
    return min(free, key=lambda spot: sum(_overlap(spot, other) for other in others), default=None)


def _rectangle(box2d: Float) -> Rectangle:
    x0, y0, x1, y1 = (float(v) for v in box2d)
    return x0, y0, x1 - x0, y1 - y0


def _overlap(a: Rectangle, b: Rectangle) -> float:
    """Area that two rectangles share, square pixels."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def _tag(text: str, spot: Rectangle, index: int, style: Style) -> str:
    x, y, width, height = spot
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{0.25 * style.font:.1f}" '
        f'fill="{palette.colour(index)}" fill-opacity="0.92"/>'
        f'<text x="{x + 0.35 * style.font:.1f}" y="{y + 0.99 * style.font:.1f}" font-size="{style.font:.1f}" '
        f'textLength="{width - 0.7 * style.font:.1f}" lengthAdjust="spacingAndGlyphs" fill="#fff">{escape(text)}</text>'
    )


def _boxes3d(scene: Scene, style: Style) -> str:
    assert scene.observation is not None
    shapes = []
    for index, item in enumerate(scene.objects):
        if item.box3d is None:
            continue
        path = _path(projection.box_edges(scene.observation.camera, item.box3d))
        shapes.append(_stroked(path, palette.colour(index), 1.1 * style.stroke))
    return "".join(shapes)


def _frame(scene: Scene, style: Style, taken: list[Rectangle]) -> str:
    """The frame's axes where they hide nothing, with a grid on the support plane where that is known."""
    assert scene.observation is not None
    frame, camera = scene.frame, scene.observation.camera
    middle = projection.anchor(scene)
    if frame.level == 0 or middle is None:
        return ""
    length = projection.nice_length(0.14 * style.width * middle[2] / camera.fx)
    shapes = []
    if frame.camera_height is not None:
        grid = _path(projection.plane_grid(camera, frame, middle, length, 14))
        shapes.append(f'<path d="{grid}" class="grid" stroke-width="{0.45 * style.stroke:.2f}"/>')
    for name, label, colour in _AXES:
        pixels = projection.line(camera, middle, middle + length * getattr(frame, name))
        if pixels is None:
            continue
        shapes.append(_stroked(_path([pixels]), colour, 1.8 * style.stroke))
        shapes.append(_axis_name(label, pixels, colour, style, taken))
    return "".join(shapes)


def _axis_name(label: str, pixels: Float, colour: str, style: Style, taken: list[Rectangle]) -> str:
    """The name behind the tip of an axis, on the side to which it points."""
    width, size = 0.85 * _text_width(label, style), 0.85 * style.font
    way = (pixels[-1] - pixels[0]) / max(float(np.linalg.norm(pixels[-1] - pixels[0])), 1e-6)
    x, y = pixels[-1] + way * 0.4 * size + [(way[0] - 1) / 2 * width, (way[1] + 0.7) / 2 * size]
    taken.append((x, y - size, width, 1.2 * size))
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" fill="{colour}" stroke="#000" '
        f'stroke-width="{0.13 * size:.2f}" paint-order="stroke">{label}</text>'
    )


def _stroked(path: str, colour: str, width: float) -> str:
    """A line with a dark rim, visible over any picture."""
    rim = f'<path d="{path}" fill="none" stroke="#000" stroke-opacity="0.45" stroke-width="{1.9 * width:.2f}"/>'
    return f'{rim}<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:.2f}"/>'


def _path(lines: list[Float]) -> str:
    return " ".join("M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in pixels) for pixels in lines)
