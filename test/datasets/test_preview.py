"""The preview page: self-contained, and what it draws lies where the geometry says."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from dataset_helpers import FaultyViews, a_view

from spatialvlm_ros.datasets.preview import images, overlay, projection
from spatialvlm_ros.datasets.preview.overview import length
from spatialvlm_ros.datasets.preview.page import chosen, write_preview
from spatialvlm_ros.datasets.preview.summary import FamilyCount, summarise
from spatialvlm_ros.datasets.preview.view_card import view_card
from spatialvlm_ros.datasets.reader import open_dataset
from spatialvlm_ros.errors import ConfigError, DatasetError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame


class Page(HTMLParser):
    """Texts and tags of a page; complains about tags closed in the wrong order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def page(dataset_folder, tmp_path_factory):
    path = write_preview(open_dataset(dataset_folder), tmp_path_factory.mktemp("page") / "p.html", "my <set>", 3)
    return Page(path.read_text(encoding="utf-8"))


def test_a_licence_that_is_not_known_is_said_to_be_that():
    card = view_card(replace(a_view(), licence="unknown"), [])
    assert "· licence unknown<" in card and "CC-BY-4.0<" in view_card(replace(a_view(), licence="CC-BY-4.0"), [])


def test_the_page_needs_nothing_else(page):
    for tag, attributes in page.tags:
        assert tag != "link"
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not re.search(r"url\(|@import", "".join(page.texts))


def test_the_page_shows_chosen_views_with_all_their_questions(page, dataset_folder):
    dataset = open_dataset(dataset_folder)
    text = " ".join(page.texts)
    assert "my <set>" in page.texts  # escaped in the file
    for index in chosen(10, 3):
        assert dataset[index]["view_id"] in page.texts
        for pair in dataset.qa(index):
            assert pair.question in text and pair.answer in text
        for item in dataset[index]["objects"]:
            assert item["label"] in page.texts
    assert dataset[1]["view_id"] not in page.texts
    assert [tag for tag, _ in page.tags].count("img") == 3 * 3


def test_skipped_views_are_told(tmp_path, make_dataset):
    make_dataset(tmp_path, FaultyViews({1: "nan_depth"}))
    html = write_preview(open_dataset(tmp_path), tmp_path / "p.html", "set").read_text(encoding="utf-8")
    assert "depth has no valid pixel" in html and "Views skipped" in html


def test_counts_are_those_of_the_rows(dataset_folder):
    summary = summarise(open_dataset(dataset_folder))
    rows = list(open_dataset(dataset_folder))
    assert (summary.views, summary.questions) == (10, 60)
    assert sum(count.total for count in summary.families.values()) == 60
    assert summary.objects == sum(len(row["objects"]) for row in rows)
    positive = sum(pair["value"] > 0 for row in rows for pair in row["qa"])
    assert sum(count.positive for count in summary.families.values()) == positive


def test_histogram_keeps_every_value():
    counts = FamilyCount(values=[0.0, 0.0001, 0.02, -0.5, 0.5, 9.99, 400.0]).histogram()
    assert sum(counts) == 7 and counts[0] == 2 and counts[-1] == 2
    assert sorted(counts, reverse=True)[:3] == [2, 2, 2]  # -0.5 and 0.5 share a bin


def test_views_are_spread_with_both_ends():
    assert chosen(100, 4) == [0, 33, 66, 99]
    assert chosen(3, 12) == [0, 1, 2]
    assert chosen(50, 1) == [0]


@pytest.mark.parametrize(
    ("metres", "text"),
    [
        (0.4321, "43.2 cm"),
        (1.2345, "1.234 m"),
        (-0.05, "−5.0 cm"),
        (12.3456, "12.35 m"),
        (0.9999, "1.000 m"),
        (0.0, "0.0 cm"),
    ],
)
def test_lengths_are_written_exactly(metres, text):
    assert length(metres) == text


def test_box_edges_connect_projected_corners():
    camera = Camera.from_hfov(200, 100, np.deg2rad(60))
    box = Boxes(np.array([[0.1, 0.05, 2.0]]), np.array([[0.3, 0.2, 0.5]]), np.eye(3)[None])
    lines = projection.box_edges(camera, box)
    assert len(lines) == 12
    lengths = sorted(np.linalg.norm(np.diff(box.corners()[0][list(edge)], axis=0)) for edge in projection._EDGES)
    np.testing.assert_allclose(lengths, [0.2] * 4 + [0.3] * 4 + [0.5] * 4)
    ends = {tuple(np.round(p, 6)) for pixels in lines for p in (pixels[0], pixels[-1])}
    assert ends == {tuple(np.round(p, 6)) for p in camera.project(box.corners()[0])}


def test_lines_are_cut_at_the_camera():
    camera = Camera.from_hfov(200, 100, np.deg2rad(60))
    pixels = projection.line(camera, np.array([0.0, 0.02, -1.0]), np.array([0.0, 0.02, 3.0]))
    np.testing.assert_allclose(pixels[-1], camera.project(np.array([[0.0, 0.02, 3.0]]))[0])
    assert np.isfinite(pixels).all()
    assert projection.line(camera, np.array([0, 0, -1.0]), np.array([0, 0, -2.0])) is None


def test_the_frame_stands_on_the_plane_and_off_the_objects():
    view = a_view(width=320, height=240)
    point = projection.anchor(view.scene)
    frame = view.scene.frame
    assert point @ frame.up == pytest.approx(-frame.camera_height)
    pixel = view.observation.camera.project(point[None])[0]
    for item in view.scene.objects:
        x0, y0, x1, y1 = item.box2d
        assert not (x0 <= pixel[0] <= x1 and y0 <= pixel[1] <= y1)


def test_axes_point_as_the_frame_says():
    view = a_view(width=320, height=240)
    svg = overlay.svg(view.scene)
    for label in ("x forward", "y left", "z up"):
        assert label in svg
    unknown = replace(view.scene, frame=CanonicalFrame.unknown())
    assert "forward" not in overlay.svg(unknown)


def test_names_are_inside_the_picture_and_do_not_overlap():
    view = a_view(width=320, height=240)
    svg = overlay.svg(view.scene)
    tags = [
        tuple(float(v) for v in match)
        for match in re.findall(r'<rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)" height="([\d.]+)" rx', svg)
    ]
    assert len(tags) == len(view.scene.objects)
    for i, (x, y, w, h) in enumerate(tags):
        assert x >= 0 and y >= 0 and x + w <= 320.1 and y + h <= 240.1
        assert not any(x < b + d and b < x + w and y < c + e and c < y + h for b, c, d, e in tags[:i])


def test_hostile_labels_are_escaped():
    view = a_view()
    objects = (replace(view.scene.objects[0], label="<script>alert(1)</script>"), *view.scene.objects[1:])
    assert "<script>" not in overlay.svg(replace(view.scene, objects=objects))


def test_depth_colours_run_from_near_to_far_and_mark_invalid():
    depth = np.linspace(1, 4, 400, dtype=np.float32).reshape(10, 40)
    depth[0, 0] = np.nan
    picture, near, far = images.depth_picture(depth)
    assert 1 <= near < 1.1 and 3.9 < far <= 4
    red_near, red_far = picture[0, 5].astype(int), picture[-1, -1].astype(int)
    assert red_near[0] > red_near[2] and red_far[2] > red_far[0]  # red near, blue far
    assert len(set(picture[0, 0].tolist())) == 1  # grey
    empty, _, _ = images.depth_picture(np.full((4, 4), np.nan, dtype=np.float32))
    assert (empty == empty[0, 0]).all()


def test_errors(dataset_folder, tmp_path):
    dataset = open_dataset(dataset_folder)
    with pytest.raises(ConfigError):
        write_preview(dataset, tmp_path / "p.html", "x", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot write the page"):
        write_preview(dataset, tmp_path / "file" / "p.html", "x")


def test_a_view_of_an_ordinary_camera_without_depth_and_frame(tmp_path, make_dataset):
    make_dataset(tmp_path, FaultyViews(dict.fromkeys(range(5), "plain_picture")))
    html = write_preview(open_dataset(tmp_path), tmp_path / "p.html", "set", 10).read_text(encoding="utf-8")
    Page(html)
    assert "no canonical frame" in html and "No depth and no instances." in html and "x forward" in html  # other views
