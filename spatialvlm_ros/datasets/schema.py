"""The columns of a data set: one description from which both the Arrow schema and the `datasets` features are made.

A description is a string (a primitive type, or "image"), a list of one description (a list of those), or a dict
(a struct). Every field may be null.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Union

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.optional import require

if TYPE_CHECKING:
    import pyarrow as pa

# Raise it when a column changes its meaning; readers refuse files of another version.
SCHEMA_VERSION = 1

# Keys of the Parquet file metadata.
VERSION_KEY = b"spatialvlm.schema_version"
SHARD_KEY = b"spatialvlm.shard"
FEATURES_KEY = b"huggingface"

Description = Union[str, "list[Any]", "dict[str, Any]"]

QA: dict[str, Description] = {
    "family": "string",
    "subject": "int32",  # index into objects
    "reference": "int32",  # index into objects; negative where the question names no second object of the view
    "question": "string",
    "answer": "string",
    "value": "float64",  # exact: metres, or the signed margin of a yes/no question
    "unit": "string",
    "question_template": "string",
    "answer_template": "string",
}

OBJECT: dict[str, Description] = {
    "id": "int32",  # value in the instances picture
    "asset": "string",
    "noun": "string",
    "attributes": ["string"],
    "label": "string",
    "box2d": ["float64"],  # x0, y0, x1, y1 pixels of the visible part
    "box3d": {  # optical frame, metres
        "center": ["float64"],
        "size": ["float64"],
        "quaternion": ["float64"],  # x, y, z, w
    },
    "visible_fraction": "float64",
    "camera_height": "float64",  # over the plane that supports this object
    "support_id": "string",
}

CAMERA: dict[str, Description] = {
    "width": "int32",
    "height": "int32",
    "fx": "float64",
    "fy": "float64",
    "cx": "float64",
    "cy": "float64",
    "distortion_model": "string",
    "distortion": ["float64"],
}

FRAME: dict[str, Description] = {  # the canonical frame, unit vectors in the optical frame
    "level": "int32",
    "up": ["float64"],
    "forward": ["float64"],
    "camera_height": "float64",
    "support_id": "string",
}

ROW: dict[str, Description] = {
    "view_id": "string",
    "split": "string",
    "source": "string",
    "licence": "string",
    "seed": "int64",
    "stamp_ns": "int64",
    "frame_id": "string",
    "rgb": "image",
    "depth": "image",  # 16-bit PNG, millimetres, 0 invalid
    "instances": "image",  # 16-bit PNG, objects[].id, 0 background
    "camera": CAMERA,
    "up": ["float64"],  # as the source knew it (gravity), null if it did not
    "camera_height": "float64",
    "frame": FRAME,
    "objects": [OBJECT],
    "gaps": [["float64"]],
    "contacts": [["int32"]],
    "qa": [QA],
}


def arrow_type(description: Description) -> pa.DataType:
    """The Arrow type of a description."""
    pa = require("pyarrow", "data")
    if isinstance(description, list):
        return pa.list_(arrow_type(description[0]))
    if isinstance(description, dict):
        return pa.struct([pa.field(name, arrow_type(part)) for name, part in description.items()])
    if description == "image":  # how `datasets` stores an encoded picture
        return pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    return pa.type_for_alias(description)


def huggingface_feature(description: Description) -> Any:
    """The JSON form of the `datasets` feature of a description, readable by `datasets` 2.14 and later."""
    if isinstance(description, list):
        return [huggingface_feature(description[0])]
    if isinstance(description, dict):
        return {name: huggingface_feature(part) for name, part in description.items()}
    if description == "image":
        return {"_type": "Image"}
    return {"dtype": description, "_type": "Value"}


def row_schema() -> pa.Schema:
    """Arrow schema of a shard, with the schema version and the features in its metadata."""
    pa = require("pyarrow", "data")
    fields = [pa.field(name, arrow_type(part)) for name, part in ROW.items()]
    features = {"info": {"features": huggingface_feature(ROW)}}
    return pa.schema(
        fields,
        metadata={VERSION_KEY: str(SCHEMA_VERSION).encode(), FEATURES_KEY: json.dumps(features).encode()},
    )


def check_version(metadata: dict[bytes, bytes] | None, path: object) -> None:
    """Refuse a file that is not a shard of this schema version.

    Raises:
        DatasetError: no version in the metadata, or another one.
    """
    version = (metadata or {}).get(VERSION_KEY)
    if version is None:
        raise DatasetError(
            "a Parquet file without this package's schema", str(path), "Was it written by `spatialvlm generate`?"
        )
    if version != str(SCHEMA_VERSION).encode():
        raise DatasetError(
            f"shard {path} has another schema version than this package ({SCHEMA_VERSION})",
            version.decode(errors="replace"),
            "Generate the data set again, or read it with the version of the package that wrote it.",
        )
