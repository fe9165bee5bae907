"""The parameters and topics of the simulation node, and that its page names all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("mujoco")

from spatialvlm_ros.errors import ConfigError  # noqa: E402
from spatialvlm_ros.ros.launch_arguments import NODE_ARGUMENTS  # noqa: E402
from spatialvlm_ros.ros.sim_scene import SceneOptions  # noqa: E402
from spatialvlm_ros.ros.sim_settings import SIM_INTERFACES, SIM_PARAMETERS, SimSettings  # noqa: E402

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "simulation_node.md").read_text(encoding="utf-8")


def test_parameters_make_a_scene() -> None:
    made = SimSettings.of({"seed": 4, "task": "place_in", "distractors": 2, "width": 320, "height": 200, "rate_hz": 5})
    assert made.scene == SceneOptions(4, "place_in", 2, 320, 200)
    assert made.rate_hz == 5.0 and made.reliability == "reliable"
    assert SimSettings.of({}).scene == SceneOptions()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("task", "dance"),
        ("rate_hz", 0.0),
        ("width", 63),
        ("encoding", "mono8"),
        ("depth_noise", "kinect"),
        ("publish_clock", 1),
    ],
)
def test_values_that_may_not_be_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        SimSettings.of({name: value})


def shown(default: object) -> str:
    if isinstance(default, float):
        return f"{default:g}"
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_the_page_names_every_parameter_with_its_default_and_every_topic() -> None:
    rows = {line.split("|")[1].strip(): line.split("|")[2] for line in PAGE.splitlines() if line.startswith("| `")}
    documented = {name.strip("` "): cell for names, cell in rows.items() for name in names.split(",")}
    for name, parameter in SIM_PARAMETERS.items():
        assert shown(parameter.default) in documented[name], name
    for interface in SIM_INTERFACES.values():
        short = interface.name.replace("/camera/aligned_depth_to_color/camera_info", ".../camera_info")
        assert f"`{short}`" in PAGE, interface.name


def test_the_launch_files_look_where_this_camera_publishes() -> None:
    defaults = {argument.name: argument.default for argument in NODE_ARGUMENTS}
    topics = {n: SIM_INTERFACES[n].name for n in ("color", "color_info", "depth", "depth_info")}
    looked = ("image_topic", "camera_info_topic", "depth_topic", "depth_camera_info_topic")
    assert [defaults[name] for name in looked] == list(topics.values())
