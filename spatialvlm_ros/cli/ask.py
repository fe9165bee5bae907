"""`spatialvlm ask`: measurements and answers for one picture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialvlm_ros.errors import ObservationError, QueryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spatialvlm_ros.models.estimate import Answer, Estimate
    from spatialvlm_ros.models.query import Query
    from spatialvlm_ros.scenes.observation import Observation

_ORIENTATION = 0x0112  # the EXIF tag
_DEEP = ("I", "F")  # Pillow's modes of pictures with more than 8 bits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", type=Path, help="PNG or JPEG; turned as its EXIF tag says")
    parser.add_argument("questions", nargs="*", help='questions in words, e.g. "How far is the mug from the bowl?"')
    parser.add_argument("--model", default="embedded", help='"embedded", a folder, a hub id, or "openai:URL#model"')
    parser.add_argument(
        "--measure",
        action="append",
        default=[],
        metavar="RELATION:SUBJECT[:REFERENCE]",
        help='a measurement (repeatable), e.g. "distance:red mug:bowl" or "height:red mug"',
    )
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument("--hfov", type=float, default=None, help="horizontal field of view in degrees, 5 to 170")
    camera.add_argument("--focal", type=float, default=None, help="focal length in pixels")
    parser.add_argument("--depth", type=Path, default=None, help="registered depth: 16-bit PNG in millimetres, or .npy")
    parser.add_argument("--camera-height", type=float, default=None, help="metres over the support plane")
    parser.add_argument(
        "--up", type=float, nargs=3, default=None, metavar=("X", "Y", "Z"), help="the vertical in the optical frame"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per answer")


def run(args: argparse.Namespace) -> int:
    """Print one line per answer; 2 if there is nothing to ask."""
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    queries = [parsed_query(text) for text in args.measure]
    if not queries and not args.questions:
        raise QueryError("nothing is asked", args.measure, 'Pass a question, or --measure "distance:mug:bowl".')
    observation = read_observation(args)
    view = SpatialVLM.from_pretrained(args.model).look(observation)
    for estimate in view.measure_many(queries):
        _print(args.json, _estimate_record(estimate), _in_words(estimate))
    for question in args.questions:
        answer = view.ask(question)
        _print(args.json, _answer_record(answer), _answer_in_words(answer))
    return 0


def parsed_query(text: str) -> Query:
    """RELATION:SUBJECT[:REFERENCE] -> a query; an object may be a box or point, "120,40,180,90".

    Raises:
        QueryError: another form. RelationError: an unknown relation.
    """
    from spatialvlm_ros.models.query import Query

    parts = [part.strip() for part in text.split(":")]
    if len(parts) not in (2, 3) or not all(parts):
        raise QueryError("a measurement has the form RELATION:SUBJECT[:REFERENCE]", text, 'E.g. "distance:mug:bowl".')
    objects = [_object(part) for part in parts[1:]]
    return Query(objects[0], objects[1] if len(objects) == 2 else None, parts[0])


def _object(text: str) -> Any:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return text
    return numbers if len(numbers) in (2, 4) else text


def read_observation(args: argparse.Namespace) -> Observation:
    """The observation of the arguments.

    Raises:
        ObservationError: the picture or its depth cannot be read, or the camera is not given.
        CameraModelError: no camera has such a field of view or focal length.
    """
    import numpy as np
    from PIL import Image, ImageOps

    from spatialvlm_ros.geometry.cameras import Camera
    from spatialvlm_ros.geometry.field_of_view import camera_of_degrees, check_pixels
    from spatialvlm_ros.scenes.observation import Observation

    try:
        with Image.open(args.picture) as image:
            if image.mode.startswith(_DEEP):  # Pillow would cut its values at 255: a white picture
                fault = "a picture has more than 8 bits a channel"
                raise ObservationError(fault, image.mode, "Is it the depth? Save a picture with 8 bits.")
            turned = image.getexif().get(_ORIENTATION, 1) != 1
            rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        depth = None if args.depth is None else _read_depth(args.depth)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ObservationError("a picture cannot be read", str(error), "Pass a PNG or JPEG.") from error
    if turned and depth is not None:
        fault = "the picture is to be turned by its EXIF tag, its depth is not"
        raise ObservationError(fault, str(args.picture), "Save the picture as it lies, without the tag.")
    height, width = rgb.shape[:2]
    if args.focal is not None:
        camera = check_pixels(Camera(width, height, args.focal, args.focal, (width - 1) / 2, (height - 1) / 2))
    elif args.hfov is not None:
        camera = camera_of_degrees(width, height, args.hfov)
    else:
        raise ObservationError("the camera of the picture is not known", str(args.picture), "Pass --hfov or --focal.")
    up = None if args.up is None else np.array(args.up)
    return Observation(rgb, camera, depth, up, args.camera_height)


def _read_depth(path: Path) -> NDArray[np.float32]:
    """(H, W) metres, NaN invalid: of .npy in metres, else of a picture in millimetres, of 16 bits or more."""
    import numpy as np
    from PIL import Image

    from spatialvlm_ros.geometry.depth import depth_to_metres

    if path.suffix == ".npy":
        return depth_to_metres(np.load(path, allow_pickle=False))
    with Image.open(path) as image:
        raw = np.asarray(image)
    if raw.dtype == np.int32:  # Pillow's type for some 16-bit files, and for those of 32 bits
        raw = raw / 1000.0
    return depth_to_metres(raw)


def _print(as_json: bool, record: dict[str, Any], words: str) -> None:
    sys.stdout.write((json.dumps(record) if as_json else words) + "\n")


def _estimate_record(estimate: Estimate) -> dict[str, Any]:
    if not estimate.valid:
        numbers: dict[str, Any] = {"value": None, "std": None, "interval": None, "shared_std": None}
    else:
        numbers = {
            "value": estimate.value,
            "std": estimate.std,
            "interval": list(estimate.interval),
            "shared_std": estimate.shared_std,
        }
    return {
        "relation": estimate.relation.value,
        "subject": estimate.subject,
        "reference": estimate.reference,
        **numbers,
        "unit": estimate.unit,
        "sources": sorted(str(s) for s in estimate.sources),
        "valid": estimate.valid,
        "reason": estimate.reason.value,
        "detail": estimate.detail,
    }


def _in_words(estimate: Estimate) -> str:
    asked = f"{estimate.relation} of {estimate.subject}" + (f" and {estimate.reference}" if estimate.reference else "")
    if not estimate.valid:
        return f"{asked}: no answer ({estimate.reason}). {estimate.detail}".rstrip()
    note = f". {estimate.detail}" if estimate.detail else ""  # e.g. what was stated and not believed
    if estimate.unit == "probability":
        return f"{asked}: true with probability {estimate.value:.2f}{note}"
    low, high = estimate.interval
    sources = ", ".join(sorted(str(s) for s in estimate.sources))
    return f"{asked}: {estimate.value:.3g} {estimate.unit} (90%: {low:.3g} to {high:.3g}; {sources}){note}"


def _answer_record(answer: Answer) -> dict[str, Any]:
    return {
        "question": answer.question,
        "text": answer.text,
        "valid": answer.valid,
        "reason": answer.reason.value,
        "detail": answer.detail,
        "estimate": None if answer.estimate is None else _estimate_record(answer.estimate),
    }


def _answer_in_words(answer: Answer) -> str:
    said = answer.text if answer.valid else f"no answer ({answer.reason}). {answer.detail}".rstrip()
    measured = "" if answer.estimate is None else f"  [{_in_words(answer.estimate)}]"
    return f"{answer.question} {said}{measured}"
