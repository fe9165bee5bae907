"""docs/interfaces.md is what the code and the interface files say."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.ros.parameters import PARAMETERS
from spatialvlm_ros.ros.topics import INTERFACES, Kind

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import interface_docs
    finally:
        sys.path.pop(0)
    return interface_docs


@pytest.fixture(scope="module")
def text(docs: ModuleType) -> ModuleType:
    return sys.modules["interface_text"]


def test_the_page_is_up_to_date(docs: ModuleType) -> None:
    assert docs.PAGE.read_text(encoding="utf-8") == docs.page(), "run tools/interface_docs.py"


def test_every_topic_parameter_and_interface_is_on_it(docs: ModuleType) -> None:
    page = docs.page()
    for entry in INTERFACES.values():
        assert f"| `{entry.topic()}` |" in page
    for name in PARAMETERS:
        assert f"| `{name}` |" in page
    for folder in ("msg", "srv", "action"):
        for path in (ROOT / folder).iterdir():
            assert f"### {path.stem}\n" in page
    for reason in Reason:
        assert f"`REASON_{reason.name}={reason.value}`" in page


def test_its_tables_have_equally_many_columns(docs: ModuleType) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", docs.page(), flags=re.M):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1, table


def test_its_links_lead_to_headings(docs: ModuleType) -> None:
    page = docs.page()
    headings = {h.lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", page, flags=re.M)}
    links = set(re.findall(r"\]\(#([^)]*)\)", page))
    assert links and links <= headings
    assert len(re.findall(r"^### ", page, flags=re.M)) == len(set(re.findall(r"^### (.*)", page, flags=re.M)))


def test_the_types_of_our_topics_have_files() -> None:
    for entry in INTERFACES.values():
        package, folder, name = entry.type.split("/")
        assert folder == {Kind.SERVICE: "srv", Kind.ACTION: "action"}.get(entry.kind, "msg")
        if package == "spatialvlm_ros":
            assert (ROOT / folder / f"{name}.{folder}").is_file(), entry.type


def test_comments_belong_to_what_they_stand_at(text: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "Sample.srv"
    lines = [
        "# What it is",
        "# for.",
        "float64 a  # at the side",
        "",
        "# over b,",
        "# in two lines",
        "pkg/Kind[] b # and at the side",
        "# not about anything",
        "",
        "string c",
        "string HELLO=a # b",
        "---",
        "# over d",
        "bool d",
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sample = text.read(file)
    assert (sample.name, sample.description) == ("Sample", "What it is for.")
    request, response = sample.sections
    assert [(f.type, f.name, f.comment) for f in request.fields if not f.value] == [
        ("float64", "a", "at the side"),
        ("pkg/Kind[]", "b", "over b, in two lines and at the side"),
        ("string", "c", ""),
    ]
    assert (response.title, response.fields) == ("Response", (text.Field("bool", "d", "over d"),))
    (constant,) = [f for f in request.fields if f.value]
    assert (constant.name, constant.value) == ("HELLO", "a")


def test_a_line_that_is_no_field_is_not_passed_over(text: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "Bad.msg").write_text("# Bad.\nfloat64\n", encoding="utf-8")
    with pytest.raises(ValueError, match="float64"):
        text.read(tmp_path / "Bad.msg")
