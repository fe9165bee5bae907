"""docs/ros.md names what there is: parameters, topics, launch arguments, services, reasons, messages of diagnostics."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.ros import launch_arguments
from spatialvlm_ros.ros.parameters import PARAMETERS, Settings
from spatialvlm_ros.ros.topics import INTERFACES, Kind
from spatialvlm_ros.scenes.relations import Relation

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/ros.md").read_text(encoding="utf-8")
COMMANDS = re.sub(r"\\\n\s*", " ", "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, flags=re.S)))
CODE = set(re.findall(r"(?<!`)`([^`\n]+)`", PAGE))


def test_its_topics_exist() -> None:
    private = {e.name for e in INTERFACES.values() if e.kind is not Kind.INPUT}
    named = {name.removeprefix("front/") for name in re.findall(r"~/((?:front/)?\w+)", PAGE)}
    named |= set(re.findall(r"/spatialvlm/(\w+)", COMMANDS))
    assert {"annotated", "target_pose", "set_queries", "ask"} <= named <= private


def test_its_parameters_exist_and_may_have_their_values() -> None:
    reasons = {r.value for r in Reason}
    given = [pair for pair in re.findall(r"`(\w+): ([^`]+)`", PAGE) if pair[0] not in reasons]
    assert len(given) >= 4
    for name, text in given:
        if (name, text) != ("rectified", "true"):  # the page warns of it: see the next test
            PARAMETERS[name].validated(yaml.safe_load(text))
    columns = set(re.findall(r"^\| [^|]+ \| `(\w+)` \| [^|]+ \|$", PAGE, flags=re.M))
    assert {"level_frames", "support_frame", "gripper_frame", "known_sizes"} <= columns <= set(PARAMETERS)


def test_every_name_in_code_letters_is_known() -> None:
    names = {c for c in CODE if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", c)}
    ours = {r.value for r in Reason} | {r.value for r in Relation} | set(PARAMETERS) | set(INTERFACES)
    ours |= {a.name for a in launch_arguments.NODE_ARGUMENTS} | {c for p in PARAMETERS.values() for c in p.choices}
    packages = {"cv_bridge", "tf2_ros", "tf2_msgs", "message_filters", "image_transport"}
    assert names - ours - packages == {"latency_ms", "model_ms", "overhead_ms", "rate_hz"}  # of diagnostics, see below


def test_the_bool_that_it_warns_of_is_refused() -> None:
    assert "`rectified: true`" in PAGE and '`rectified: "true"`' in PAGE
    assert Settings.of({"rectified": yaml.safe_load('"true"')}).rectified == "true"
    with pytest.raises(ConfigError, match="rectified"):
        Settings.of({"rectified": yaml.safe_load("true")})


def test_its_commands_have_arguments_that_exist() -> None:
    for line in COMMANDS.splitlines():
        if "ros2 launch" in line:
            file = re.search(r"(\w+)\.launch\.py", line)
            assert file is not None and (ROOT / "launch" / file[0]).is_file()
            table = "NODE" if file[1] == "spatialvlm" else file[1].upper()
            known = {a.name for a in getattr(launch_arguments, f"{table}_ARGUMENTS")}
            assert set(re.findall(r"(\w+):=", line)) <= known, line
        if "ros2 run spatialvlm_ros" in line:
            inputs = {e.name for e in INTERFACES.values() if e.kind is Kind.INPUT}
            remapped = {name.split("/", 1)[1] for name in re.findall(r"-r ([\w/]+):=", line)}
            assert {"image", "camera_info"} <= remapped <= inputs, line
    for file in re.findall(r"`(\w+\.launch\.py)`", PAGE):
        assert (ROOT / "launch" / file).is_file()


def test_its_service_calls_fill_fields_that_exist() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import interface_text
    finally:
        sys.path.pop(0)
    calls = re.findall(r'ros2 service call /spatialvlm/(\w+) spatialvlm_ros/srv/(\w+) "(.*)"', COMMANDS)
    assert len(calls) >= 4
    for topic, name, text in calls:
        assert INTERFACES[topic].type == f"spatialvlm_ros/srv/{name}"
        request = interface_text.read(ROOT / "srv" / f"{name}.srv").sections[0]
        types = {f.name: f.type for f in request.fields}
        for field, value in yaml.safe_load(text).items():
            assert field in types, f"{name}.{field}"
            assert isinstance(value, list) == types[field].endswith("[]")
            if types[field].startswith("spatialvlm_ros/"):
                kind = types[field].split("/")[1].removesuffix("[]")
                (fields,) = interface_text.read(ROOT / "msg" / f"{kind}.msg").sections
                assert all(set(item) <= {f.name for f in fields.fields} for item in value)


def test_every_reason_has_a_row() -> None:
    rows = re.search(r"## Reasons\n(.*?)\n## ", PAGE, flags=re.S)
    assert rows is not None
    assert re.findall(r"^\| `(\w+)` \|", rows[1], flags=re.M) == [r.value for r in Reason]


def test_its_messages_of_diagnostics_are_those_of_the_code() -> None:
    source = (ROOT / "spatialvlm_ros/ros/diagnostics.py").read_text(encoding="utf-8")
    rows = re.search(r"## Diagnostics\n(.*?)\n## ", PAGE, flags=re.S)
    assert rows is not None
    for text in ("the weights are being loaded", "no frames for", "best-effort publisher(s) of", "pictures/s"):
        assert text in source and text in rows[1]
    for key in ("rate_hz", "latency_ms", "model_ms", "overhead_ms", "dropped"):
        assert f'"{key}"' in source and f"`{key}`" in rows[1]


def test_its_yaml_is_yaml() -> None:
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.S)]
    assert blocks[0]["lifecycle_manager"]["ros__parameters"]["bond_timeout"] == 0.0
    assert Settings.of(blocks[1]["/**"]["ros__parameters"]).cameras == ("front", "wrist")
