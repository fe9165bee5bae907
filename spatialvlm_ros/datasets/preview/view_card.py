"""One view on the page: picture with overlay, depth and instances, objects, questions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.preview import images, overlay, palette
from spatialvlm_ros.datasets.preview.overview import family_title, length
from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.questions.families import FAMILIES, Kind
from spatialvlm_ros.scenes.scene import SceneObject

if TYPE_CHECKING:
    from spatialvlm_ros.questions.generator import QAPair

Float = NDArray[np.float64]

_PICTURE_WIDTH, _THUMBNAIL_WIDTH = 960, 280
_KINDS = {
    Kind.PREDICATE: "yes or no",
    Kind.CHOICE: "which of two",
    Kind.CLASSIFY: "which word",
    Kind.NUMBER: "how much",
}
_CAMERA = -2  # reference of a question about the camera
_FRAME_LEVELS = {0: "no canonical frame", 1: "up known", 2: "up and support plane known"}


def view_card(view: SceneView, qa: Sequence[QAPair]) -> str:
    """HTML of one view."""
    return (
        f'<section class="card view"><header><h3>{escape(view.view_id)}</h3><span>{_facts(view)}</span></header>'
        f'<div class="top"><figure><img alt="" src="{images.data_uri(view.observation.rgb, _PICTURE_WIDTH)}">'
        f"{overlay.svg(view.scene)}</figure><div>{_thumbnails(view)}</div></div>"
        f'<div class="below">{_objects(view)}{_questions(qa)}</div></section>'
    )


def licence(name: str) -> str:
    """The licence as it stands in a list of facts, where "unknown" alone could be anything."""
    return "licence unknown" if name == "unknown" else name


def _facts(view: SceneView) -> str:
    camera, frame = view.observation.camera, view.scene.frame
    facts = [
        f"{camera.width} × {camera.height}",
        f"{np.degrees(camera.hfov()):.0f}° wide",
        _FRAME_LEVELS.get(frame.level, f"frame level {frame.level}"),
    ]
    if frame.camera_height is not None:
        facts.append(f"camera {length(frame.camera_height)} above {escape(frame.support_id or 'the plane')}")
    if view.observation.up is not None:
        facts.append(f"looking {_tilt(view.observation.up)}")
    return " · ".join([*facts, escape(view.split), escape(licence(view.licence))])


def _tilt(up: Float) -> str:
    """How far the optical axis points below or above the horizon."""
    below = np.degrees(np.arcsin(np.clip(-up[2], -1, 1)))
    return f"{abs(below):.0f}° {'down' if below > 0 else 'up'}"


def _thumbnails(view: SceneView) -> str:
    parts = []
    if view.observation.depth is not None:
        picture, near, far = images.depth_picture(view.observation.depth)
        parts.append(
            f'<figure><img alt="" src="{images.data_uri(picture, _THUMBNAIL_WIDTH)}"><figcaption><span>depth</span>'
            f'<span>{near:.2f} m</span><span class="ramp"></span><span>{far:.2f} m</span></figcaption></figure>'
        )
    if view.instances is not None:
        picture = images.instances_picture(view.instances, [o.instance_id for o in view.scene.objects])
        uri = images.data_uri(picture, _THUMBNAIL_WIDTH, jpeg=False)
        parts.append(f'<figure><img alt="" src="{uri}"><figcaption>instances</figcaption></figure>')
    return "".join(parts) or '<p class="note">No depth and no instances.</p>'


def _objects(view: SceneView) -> str:
    head = (
        '<tr><th></th><th>object</th><th class="number">width × depth × height</th><th class="number">from camera</th>'
        '<th class="number">visible</th><th>stands on</th></tr>'
    )
    rows = "".join(_object_row(index, item) for index, item in enumerate(view.scene.objects))
    return f'<table class="objects">{head}{rows}</table>'


def _object_row(index: int, item: SceneObject) -> str:
    size = distance = "–"
    if item.box3d is not None:
        depth, width, height = item.box3d.sizes[0] * 100
        size = f"{width:.1f} × {depth:.1f} × {height:.1f} cm"
        distance = length(float(np.linalg.norm(item.box3d.centers[0])))
    return (
        f'<tr><td>{_badge(index)}</td><td>{escape(item.label)}</td><td class="number">{size}</td>'
        f'<td class="number">{distance}</td><td class="number">{100 * item.visible_fraction:.0f}%</td>'
        f"<td>{escape(item.support_id or '–')}</td></tr>"
    )


def _questions(qa: Sequence[QAPair]) -> str:
    groups: dict[str, list[QAPair]] = {}
    for pair in qa:
        groups.setdefault(pair.family, []).append(pair)
    order = {name: position for position, name in enumerate(FAMILIES)}
    blocks = []
    for name in sorted(groups, key=lambda n: order.get(n, len(order))):
        kind = f" · {_KINDS[FAMILIES[name].kind]}" if name in FAMILIES else ""
        pairs = "".join(_pair(pair) for pair in groups[name])
        blocks.append(f'<div class="group"><h4>{family_title(name)}{kind}</h4>{pairs}</div>')
    return f'<div class="qa">{"".join(blocks)}</div>' if blocks else '<p class="note">No questions.</p>'


def _pair(pair: QAPair) -> str:
    who = _badge(pair.subject)
    if pair.reference == _CAMERA:
        who += '<span class="badge camera">cam</span>'
    elif pair.reference >= 0:
        who += _badge(pair.reference)
    number = pair.family in FAMILIES and FAMILIES[pair.family].kind is Kind.NUMBER
    exact = length(pair.value) if number else f"by {length(pair.value)}"
    return (
        f'<div class="pair"><span class="who">{who}</span><q>{escape(pair.question)}</q>'
        f"<em>{exact}</em><b>{escape(pair.answer)}</b></div>"
    )


def _badge(index: int) -> str:
    return f'<span class="badge" style="background:{palette.colour(index)}">{index + 1}</span>'
