"""The pages of episodes: they need nothing else, and show what is in the annotations."""

import re

import numpy as np
import pytest
from ruler import BROKEN, TASK, episode
from samples import write_bag, write_robomimic

from spatialvlm_ros.rewards.recordings.episode import Provenance
from spatialvlm_ros.rewards.recordings.page import episode_page, write_episode_page, write_index

pytest.importorskip("matplotlib")

DISTANCES = [30, 20, 10, 5, 1, 0.5, 0.25, 0.25, 0.25]


def page(done, number=0):
    info = done.recording.episodes()[number]
    return episode_page(done.recording, info, done.kept(number), Provenance(TASK, 0.95, "ruler", "front"))


def test_a_page_has_curves_and_pictures_and_needs_no_network(annotated, tmp_path):
    done = annotated(write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)]))
    text = page(done)
    assert text.count("data:image/jpeg;base64,") == 9 and text.count("<svg") == 1
    assert "90% interval" in text and "gap: gripper | target" in text
    assert not re.findall(r'(?:src|href)="(?!data:)[^"#]', text)
    assert "0.5 s" in text and "Not valid" not in text


def test_success_and_its_time_are_shown(annotated, tmp_path):
    text = page(annotated(write_bag(tmp_path / "bag", episode(DISTANCES))))
    assert re.search(r"<b>0\.5 s</b><span>done at", text)
    never = page(annotated(write_bag(tmp_path / "far", episode([40, 39, 38]))))
    assert "<b>never</b>" in never


def test_what_was_not_seen_is_shown_with_its_reason(annotated, tmp_path):
    pictures = episode(np.arange(40, 17, -1.0))
    for k in (3, 4):
        pictures[k][0, 0, 0] = BROKEN
    text = page(annotated(write_robomimic(tmp_path / "demo.hdf5", [pictures])))
    assert "Not valid" in text and "too red" in text and "model error" in text


def test_words_of_the_recording_are_not_taken_for_html(annotated, tmp_path):
    done = annotated(write_bag(tmp_path / "bag", episode(DISTANCES)))
    info = done.recording.episodes()[0]
    text = episode_page(done.recording, info, done.kept(), Provenance("<b>pick & place</b>", 0.95, "ruler", "front"))
    assert "&lt;b&gt;pick &amp; place&lt;/b&gt;" in text


def test_the_same_annotations_give_the_same_page(annotated, tmp_path):
    done = annotated(write_bag(tmp_path / "bag", episode(DISTANCES)))
    assert page(done) == page(done)


def test_one_picture_has_a_page_too(annotated, tmp_path):
    assert "<svg" in page(annotated(write_bag(tmp_path / "bag", episode([20]))))


def test_the_list_of_episodes_links_to_their_pages(annotated, tmp_path):
    done = annotated(write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), episode([40, 30, 20])]))
    judged = []
    for number, info in enumerate(done.recording.episodes()):
        path = done.writer.page(info)
        write_episode_page(path, done.recording, info, done.kept(number), Provenance(TASK, 0.95, "ruler", "front"))
        judged.append((info, done.kept(number), path.name))
    text = write_index(done.writer.folder, done.recording, judged, "demo_7 is empty.").read_text()
    links = re.findall(r"href='([^']+)'", text)
    assert links == ["demo_0.html", "demo_1.html"]
    assert all((done.writer.folder / link).is_file() for link in links)
    assert "demo_7 is empty." in text
