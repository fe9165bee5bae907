"""The documents say what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_table_of_relations_is_the_one_in_the_code():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import relation_table
    finally:
        sys.path.pop(0)
    assert relation_table.PAGE.read_text(encoding="utf-8") == relation_table.page(), "run tools/relation_table.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_make_targets_named_in_the_readme_exist():
    named = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M))
    assert {"demo", "test"} <= named
    for target in named:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert "No rule to make target" not in done.stderr, target


def test_commands_named_in_the_documents_exist():
    from spatialvlm_ros.cli.main import COMMANDS

    for page in PAGES:
        for command in re.findall(r"`spatialvlm ([a-z][a-z-]*)", page.read_text(encoding="utf-8")):
            assert command in COMMANDS, f"{page.name}: spatialvlm {command}"


def test_nothing_names_a_place_on_one_machine():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    pattern = re.compile(r"(^|[^a-z.])/(work|root|home/[a-z]+)/")
    for name in files:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".yaml", ".sh", ".toml", ".cfg", ".xml", ".txt", ""} and path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
                assert not pattern.search(line), f"{name}:{number}: {line.strip()[:80]}"
