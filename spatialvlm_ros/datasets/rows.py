"""A view with its questions <-> one row of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.pictures import (
    PictureFormat,
    decode_depth,
    decode_instances,
    decode_rgb,
    encode_depth,
    encode_instances,
)
from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.errors import DatasetError, SpatialVLMError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene, SceneObject

if TYPE_CHECKING:
    from spatialvlm_ros.questions.generator import QAPair

Row = dict[str, Any]

_QA_FIELDS = (
    "family",
    "subject",
    "reference",
    "question",
    "answer",
    "value",
    "unit",
    "question_template",
    "answer_template",
)


def encode_view(view: SceneView, pictures: PictureFormat) -> Row:
    """The row of a view (see `schema.ROW`), without its questions: ``qa`` is empty."""
    scene, observation = view.scene, view.observation
    camera = observation.camera
    return {
        "view_id": view.view_id,
        "split": view.split,
        "source": view.source,
        "licence": view.licence,
        "seed": view.seed,
        "stamp_ns": observation.stamp_ns,
        "frame_id": observation.frame_id,
        "rgb": _picture(pictures.encode(observation.rgb)),
        "depth": None if observation.depth is None else _picture(encode_depth(observation.depth)),
        "instances": None if view.instances is None else _picture(encode_instances(view.instances)),
        "camera": {
            "width": camera.width,
            "height": camera.height,
            "fx": camera.fx,
            "fy": camera.fy,
            "cx": camera.cx,
            "cy": camera.cy,
            "distortion_model": camera.distortion_model,
            "distortion": list(camera.distortion),
        },
        "up": None if observation.up is None else observation.up.tolist(),
        "camera_height": _optional_float(observation.camera_height),
        "frame": {
            "level": scene.frame.level,
            "up": scene.frame.up.tolist(),
            "forward": scene.frame.forward.tolist(),
            "camera_height": _optional_float(scene.frame.camera_height),
            "support_id": scene.frame.support_id,
        },
        "objects": [_encode_object(o) for o in scene.objects],
        "gaps": None if scene.gaps is None else np.asarray(scene.gaps, dtype=np.float64).tolist(),
        "contacts": None if scene.contacts is None else [list(map(int, pair)) for pair in sorted(scene.contacts)],
        "qa": [],
    }


def encode_qa(pairs: Sequence[QAPair]) -> list[Row]:
    """The ``qa`` column of a row."""
    return [{name: getattr(pair, name) for name in _QA_FIELDS} for pair in pairs]


def decode_view(row: Row, masks: bool = True) -> SceneView:
    """The view of a row, as `encode_view` was given it.

    Depth comes back rounded to millimetres, JPEG pictures with their loss; points and surfaces are not stored.

    Args:
        row: all columns of `schema.ROW` but ``qa``.
        masks: cut each object's mask out of the instances picture (where there is one).

    Raises:
        DatasetError: a column is missing or holds something unusable.
    """
    try:
        return _decode_view(row, masks)
    except DatasetError:
        raise
    except (SpatialVLMError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"row {row.get('view_id')!r} cannot be decoded: {type(error).__name__}", str(error), "Is it a shard's row?"
        ) from error


def decode_qa(row: Row) -> list[QAPair]:
    """The question/answer pairs of a row."""
    from spatialvlm_ros.questions.generator import QAPair

    return [QAPair(**{name: pair[name] for name in _QA_FIELDS}) for pair in row["qa"] or ()]


def _decode_view(row: Row, masks: bool) -> SceneView:
    instances = None if row["instances"] is None else decode_instances(row["instances"]["bytes"])
    camera = row["camera"]
    observation = Observation(
        rgb=decode_rgb(row["rgb"]["bytes"]),
        camera=Camera(**{**camera, "distortion": tuple(camera["distortion"])}),
        depth=None if row["depth"] is None else decode_depth(row["depth"]["bytes"]),
        up=None if row["up"] is None else np.array(row["up"]),
        camera_height=row["camera_height"],
        stamp_ns=row["stamp_ns"],
        frame_id=row["frame_id"],
    )
    gaps = None if row["gaps"] is None else _matrix(row["gaps"], len(row["objects"]))
    scene = Scene(
        observation=observation,
        objects=tuple(_decode_object(o, instances if masks else None) for o in row["objects"]),
        frame=_decode_frame(row["frame"]),
        gaps=gaps,
        contacts=None if row["contacts"] is None else frozenset((i, j) for i, j in row["contacts"]),
    )
    names = ("view_id", "split", "source", "licence", "seed")
    return SceneView(scene=scene, instances=instances, **{name: row[name] for name in names})


def _encode_object(item: SceneObject) -> Row:
    box3d = None
    if item.box3d is not None:
        box3d = {
            "center": item.box3d.centers[0].tolist(),
            "size": item.box3d.sizes[0].tolist(),
            "quaternion": item.box3d.quaternions()[0].tolist(),
        }
    return {
        "id": int(item.instance_id),
        "asset": item.asset,
        "noun": item.noun,
        "attributes": list(item.attributes),
        "label": item.label,
        "box2d": item.box2d.tolist(),
        "box3d": box3d,
        "visible_fraction": float(item.visible_fraction),
        "camera_height": _optional_float(item.camera_height),
        "support_id": item.support_id,
    }


def _decode_object(column: Row, instances: NDArray[np.uint16] | None) -> SceneObject:
    has_mask = instances is not None and column["id"] > 0
    return SceneObject(
        label=column["label"],
        box2d=np.array(column["box2d"]),
        box3d=None if column["box3d"] is None else _decode_box(column["box3d"]),
        noun=column["noun"],
        attributes=tuple(column["attributes"]),
        mask=instances == column["id"] if has_mask else None,
        visible_fraction=column["visible_fraction"],
        instance_id=column["id"],
        asset=column["asset"],
        camera_height=column["camera_height"],
        support_id=column["support_id"],
    )


def _decode_box(column: Row) -> Boxes:
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_quat(column["quaternion"]).as_matrix()
    return Boxes(np.array([column["center"]]), np.array([column["size"]]), rotation[None])


def _decode_frame(column: Row) -> CanonicalFrame:
    up, forward = np.array(column["up"]), np.array(column["forward"])
    return CanonicalFrame(
        column["level"], up, forward, np.cross(up, forward), column["camera_height"], column["support_id"]
    )


def _picture(data: bytes) -> Row:
    return {"bytes": data, "path": None}


def _matrix(rows: list[list[float]], n: int) -> NDArray[np.float64]:
    return np.array(rows, dtype=np.float64).reshape(n, n)


def _optional_float(value: float | None) -> float | None:
    return None if value is None else float(value)
