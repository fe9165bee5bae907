"""The layouts of RViz and Foxglove show topics and fields that exist, with a QoS that hears them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from spatialvlm_ros.ros.topics import INTERFACES, Interface, Kind

ROOT = Path(__file__).resolve().parents[2]
NODE = "/spatialvlm"
PUBLISHED = {e.topic().replace("~", NODE, 1): e for e in INTERFACES.values() if e.kind is Kind.OUTPUT}
OF_DISPLAY = {
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/Pose": "geometry_msgs/msg/PoseStamped",
}


@pytest.fixture(scope="module")
def files() -> ModuleType:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import interface_text
    finally:
        sys.path.pop(0)
    return interface_text


def rviz() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config/rviz/spatialvlm.rviz").read_text(encoding="utf-8"))


def foxglove() -> dict[str, Any]:
    return json.loads((ROOT / "config/foxglove/spatialvlm.json").read_text(encoding="utf-8"))


def test_rviz_hears_what_it_shows() -> None:
    displays = rviz()["Visualization Manager"]["Displays"]
    kinds = {d["Class"] for d in displays}
    assert {"rviz_default_plugins/TF", *OF_DISPLAY} <= kinds
    shown = [d for d in displays if "Topic" in d]
    assert {d["Topic"]["Value"] for d in shown} == {f"{NODE}/{n}" for n in ("markers", "annotated", "target_pose")}
    for display in shown:
        entry = PUBLISHED[display["Topic"]["Value"]]
        assert entry.type == OF_DISPLAY[display["Class"]]
        reliability = "Best Effort" if entry.qos.startswith("best effort") else "Reliable"
        assert display["Topic"]["Reliability Policy"] == reliability, display["Name"]


def test_rviz_switches_the_layers_that_the_markers_have() -> None:
    (markers,) = [d for d in rviz()["Visualization Manager"]["Displays"] if d["Name"] == "Markers"]
    source = (ROOT / "spatialvlm_ros/ros/marker_shapes.py").read_text(encoding="utf-8")
    assert all(f'"{layer}"' in source for layer in markers["Namespaces"])
    assert set(markers["Namespaces"]) == {"objects", "names", "lines", "distances"}


def test_both_stand_in_a_spatial_frame() -> None:
    frame = rviz()["Visualization Manager"]["Global Options"]["Fixed Frame"]
    assert frame.endswith("_spatial")
    assert foxglove()["configById"]["3D!spatialvlm"]["followTf"] == frame


def strings(value: Any) -> Iterator[str]:
    """All strings in a layout, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def check_field(files: ModuleType, entry: Interface, path: str) -> None:
    """``estimates[0].value`` is a number of that type."""
    kind = entry.type
    for part in path.split("."):
        name, _, index = part.partition("[")
        assert kind.startswith("spatialvlm_ros/"), f"{path}: {kind} has no fields here"
        (section,) = files.read(ROOT / "msg" / f"{kind.rsplit('/', 1)[-1]}.msg").sections
        (kind,) = [f.type for f in section.fields if f.name == name and not f.value]
        assert bool(index) == kind.endswith("]"), f"{path}: {kind}"
        kind = kind.split("[")[0]
    assert kind == "float64", f"{path} is of type {kind}"


def test_foxglove_names_topics_and_fields_that_exist(files: ModuleType) -> None:
    named = {s for s in strings(foxglove()) if s.startswith("/")}
    topics = {re.split(r"[.\[]", name)[0] for name in named}
    assert topics <= set(PUBLISHED)
    wanted = ("annotated", "markers", "distances", "distances_filtered", "reward")
    assert {f"{NODE}/{n}" for n in wanted} | {"/diagnostics"} <= topics
    for name in named:
        topic, _, path = name.partition(".")
        if path:
            check_field(files, PUBLISHED[topic], path)


def test_foxglove_lays_out_each_panel_once() -> None:
    layout = foxglove()
    tabs = [t["layout"] for c in layout["configById"].values() for t in c.get("tabs", [])]

    def leaves(node: Any) -> list[str]:
        return [node] if isinstance(node, str) else leaves(node["first"]) + leaves(node["second"])

    placed = leaves(layout["layout"]) + [leaf for tab in tabs for leaf in leaves(tab)]
    assert sorted(placed) == sorted(layout["configById"])
