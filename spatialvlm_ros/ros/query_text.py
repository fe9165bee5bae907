"""Standing queries and known sizes as a person writes them into a parameter file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spatialvlm_ros.errors import ConfigError, SpatialVLMError
from spatialvlm_ros.models.query import ObjectRef, Query, Region
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

_PIXELS = re.compile(r"\[\s*([-+\d.eE]+(?:\s*,\s*[-+\d.eE]+)+)\s*\]\s*(.*)")


def read_query(line: str) -> Query:
    """A query of a line ``relation: subject | reference``.

    ``distance: red mug | bowl``, ``height: red mug``, ``red mug | bowl`` (a distance),
    ``gap: gripper | [10, 20, 60, 80]`` (a box in pixels).

    Raises:
        ConfigError: the line is no query.
    """
    relation, colon, rest = line.partition(":")
    if not colon:
        relation, rest = "", line
    subject, bar, reference = rest.partition("|")
    return make_query(subject, reference if bar else "", relation.strip())


def make_query(subject: str, reference: str = "", relation: str = "") -> Query:
    """A query of three texts; an empty relation is the distance of two objects or the height of one.

    Raises:
        ConfigError: unknown relation, too few or too many objects, or a malformed object.
    """
    has_reference = bool(reference.strip())
    name = relation.strip() or (Relation.DISTANCE.value if has_reference else Relation.HEIGHT.value)
    try:
        return Query(read_object(subject), read_object(reference) if has_reference else None, name)
    except SpatialVLMError as error:
        raise ConfigError(
            f"no query can be made of this: {error}", (relation, subject, reference), _known_relations()
        ) from error


def read_object(text: str) -> ObjectRef:
    """A name, or a region where the text begins with pixels in brackets: ``[u, v]`` or ``[x0, y0, x1, y1] name``."""
    match = _PIXELS.fullmatch(text.strip())
    if not match:
        return text.strip()
    try:
        pixels = tuple(float(p) for p in match[1].split(","))
    except ValueError as error:
        raise ConfigError("these are no pixels", text, "Write [u, v] or [x0, y0, x1, y1].") from error
    return Region(pixels, match[2].strip())


def read_known_sizes(lines: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """Sizes of lines ``name: width depth height`` in metres.

    Raises:
        ConfigError: a line has no name or not three positive numbers.
    """
    sizes = {}
    for line in lines:
        name, _, rest = line.rpartition(":")
        try:
            values = [float(v) for v in rest.replace(",", " ").split()]
        except ValueError:
            values = []
        if not name.strip() or len(values) != 3 or not all(0 < v < 100 for v in values):
            raise ConfigError("this is no known size", line, "Write 'name: width depth height' in metres.")
        sizes[name.strip()] = (values[0], values[1], values[2])
    return sizes


def _known_relations() -> str:
    two = sorted(r.value for r, spec in RELATIONS.items() if spec.arity == 2)
    return f"Write 'relation: subject | reference'; relations of two objects: {', '.join(two)}."
