"""The whole way: picture and question out, distribution in; against a scripted server."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scripted_server import Reply, completion

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.backend import Backend
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.quantities import OVERFLOW_BIN, bin_values
from spatialvlm_ros.models.query import Query, Region
from spatialvlm_ros.models.remote.backend import RemoteBackend
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.observation import Observation

VALUES = bin_values()[:OVERFLOW_BIN]


def median(masses):
    return float(VALUES[np.searchsorted(np.cumsum(masses[:OVERFLOW_BIN]), 0.5)])


def picture(request):
    head, data = request.picture.split(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)


def test_it_is_a_backend(backend):
    made = backend()
    assert (
        isinstance(made, Backend) and made.name.startswith("openai:http://127.0.0.1:") and made.name.endswith("#tiny")
    )


def test_the_picture_arrives_scaled_with_its_focal_length(server, backend, observation):
    server.script = [Reply(completion("0.5 m"))]
    made = backend(longest_side=240, jpeg_quality=95)
    encoded = made.encode(observation)
    assert not server.requests  # nothing is sent before a question
    made.read(encoded, [Query("mug", "box")])
    sent = picture(server.requests[0])
    assert sent.shape == (160, 240, 3)
    assert (np.abs(sent[:, :110] - [200, 0, 0]) < 12).all() and (np.abs(sent[:, 130:] - [0, 200, 0]) < 12).all()
    focal = observation.camera.fx / 2
    assert f"240 x 160 pixels, taken with a focal length of {focal:.0f} pixels" in server.requests[0].text
    assert "60 degrees" in server.requests[0].text


def test_quality_and_size_are_those_asked_for(backend):
    rgb = np.random.default_rng(0).integers(0, 255, (120, 200, 3), dtype=np.uint8)
    observation = Observation(rgb, Camera.from_hfov(200, 120, 1.0))
    small, large = (len(backend(jpeg_quality=q).encode(observation).url) for q in (20, 95))
    assert small < large / 2
    assert backend(longest_side=1000).encode(observation).rgb.shape == rgb.shape  # never scaled up


def test_lengths_and_predicates_are_read(server, backend, observation):
    def answer(request):
        if "yes or no" in request.text:
            return Reply(completion("Yes."))
        return Reply(completion("about 20 cm" if "tall" in request.text else "1.5 m"))

    server.answer = answer
    made = backend()
    readings = made.read(
        made.encode(observation), [Query("mug", "box"), Query("mug", None, "height"), Query("mug", "box", "left")]
    )
    assert median(readings.lengths[0]) == pytest.approx(1.5, rel=0.06)
    assert median(readings.lengths[1]) == pytest.approx(0.2, rel=0.06)
    assert np.isnan(readings.lengths[2]).all() and np.isnan(readings.p_true[:2]).all()
    assert readings.p_true[2] == pytest.approx(2 / 3)
    assert readings.subjects.presence[:, 0].min() > 0.6 and np.isnan(readings.references.presence[1]).all()
    assert np.isnan(readings.subjects.boxes).all()


def test_signed_answers_keep_their_sign(server, backend, observation):
    server.script = [Reply(completion("0.4 m to the right"))]
    made = backend()
    readings = made.read(
        made.encode(observation), [Query("mug", "box", "left_diff"), Query("mug", "box", "right_diff")]
    )
    assert median(readings.lengths[0]) == pytest.approx(-0.4, rel=0.1)
    assert median(readings.lengths[1]) == pytest.approx(0.4, rel=0.1)


def test_a_remark_is_about_the_name_that_it_ends_with(server, backend, observation):
    """One name may hold the other."""
    made = backend()
    for said, subject in (("Not visible: red mug.", "mug"), ("not visible: the red mug", "the mug")):
        server.script = [Reply(completion(said))]
        (sampled,) = made.sample(made.encode(observation), [Query(subject, "red mug")])
        assert np.isnan(sampled.presences[0]).all() and sampled.presences[1].argmax() == 1


def test_what_one_query_tells_of_a_thing_holds_for_the_others(server, backend, observation):
    """An answer that cannot be read says nothing; the next one says that the thing is not there."""
    said = {"tall": "Bowls are nice.", "apart": "not visible: bowl"}
    server.answer = lambda request: Reply(completion(next(t for word, t in said.items() if word in request.text)))
    view = SpatialVLM(backend(samples=3)).look(observation)
    for found in view.measure_many([Query("bowl", None, "height"), Query("mug", "bowl", "distance")]):
        assert found.reason is Reason.NOT_VISIBLE and "bowl" in found.detail


def test_outcomes_are_counted(server, backend, observation):
    said = ["0.5 m", "not visible: mug", "several: box", "I'm sorry, I cannot measure distances.", "blue", "0.5", None]
    server.script = [Reply(completion(*said))]
    made = backend(samples=len(said))
    (sampled,) = made.sample(made.encode(observation), [Query("mug", "box")])
    assert sampled.counts == {"answered": 1, "absent": 1, "ambiguous": 1, "refused": 1, "unparsable": 3}
    assert list(sampled.values) == [0.5] and sampled.texts[1] == "not visible: mug"
    np.testing.assert_allclose(sampled.presences[0], np.array([4, 4, 1]) / 9)  # the mug: once answered, once missing
    np.testing.assert_allclose(sampled.presences[1], np.array([4, 1, 4]) / 9)  # the box: once answered, once several


@pytest.mark.parametrize("text", ["I can't tell.", "", "12", "https://example.com/0.5", "{{config}} $(reboot)"])
def test_no_answer_is_nan_and_never_zero(server, backend, observation, text):
    server.script = [Reply(completion(text))]
    made = backend(samples=2)
    readings = made.read(made.encode(observation), [Query("mug", "box"), Query("mug", "box", "touching")])
    assert np.isnan(readings.lengths).all() and np.isnan(readings.p_true).all()


def test_tool_calls_and_links_trigger_nothing(server, backend, observation):
    call = {"id": "1", "type": "function", "function": {"name": "run", "arguments": "{}"}}
    body = completion(f"0.5 m, see {server.url}/files/evil")
    body["choices"][0]["message"]["tool_calls"] = [call]
    server.script = [Reply(body)]
    made = backend()
    assert made.ask(made.encode(observation), "q").startswith("0.5 m")
    assert len(server.requests) == 1


def test_content_in_parts(server, backend, observation):
    server.script = [Reply(completion([{"type": "text", "text": "0.5 m"}, {"type": "image"}, 7]))]
    made = backend()
    assert made.ask(made.encode(observation), "q") == "0.5 m"


def test_more_samples_are_narrower(server, backend, observation):
    server.answer = lambda request: Reply(completion(*["0.5 m"] * request.body.get("n", 1)))
    widths = []
    for samples in (1, 4, 16):
        made = backend(samples=samples)
        masses = made.read(made.encode(observation), [Query("mug", "box")]).lengths[0]
        widths.append(np.sqrt(np.nansum(masses[:OVERFLOW_BIN] * np.log(np.maximum(VALUES, 1e-3) / 0.5) ** 2)))
    assert widths[0] > widths[1] > widths[2]


def test_a_server_that_takes_n_is_asked_once_per_query(server, backend, observation):
    server.answer = lambda request: Reply(completion(*["0.5 m"] * request.body.get("n", 1)))
    made = backend(samples=6)
    sampled = made.sample(made.encode(observation), [Query("mug", "box"), Query("cup", "box")])
    assert [len(s.texts) for s in sampled] == [6, 6] and len(server.requests) == 2
    assert {r.body["temperature"] for r in server.requests} == {0.8}


def test_a_server_that_ignores_n_is_asked_again(server, backend, observation):
    server.script = [Reply(completion("0.5 m"))]
    made = backend(samples=4)
    sampled = made.sample(made.encode(observation), [Query("mug", "box"), Query("cup", "box")])
    assert [len(s.texts) for s in sampled] == [4, 4] and len(server.requests) == 8
    seeds = [r.body["seed"] for r in server.requests if "cup" in r.text]
    assert len(set(seeds)) == 4  # not the same answer four times
    made.sample(made.encode(observation), [Query("mug", "box")])
    assert len(server.requests) == 12 and "n" not in server.requests[-1].body  # it has learnt


def test_a_server_that_refuses_n_is_asked_one_by_one(server, backend, observation):
    server.answer = lambda r: Reply("only one choice", 400) if r.body.get("n", 1) > 1 else Reply(completion("2 m"))
    made = backend(samples=3)
    (sampled,) = made.sample(made.encode(observation), [Query("mug", "box")])
    assert list(sampled.values) == [2, 2, 2]


def test_answers_stay_with_their_questions(server, backend, observation):
    def answer(request):
        number = int(request.text.split("thing ")[1].split()[0])
        return Reply(completion(f"{number} cm"), delay_s=0.02 if number % 2 else 0.0)

    server.answer = answer
    made = backend(concurrency=6)
    queries = [Query(f"thing {i} x", None, "width") for i in range(10, 34)]
    sampled = made.sample(made.encode(observation), queries)
    np.testing.assert_allclose([s.values[0] for s in sampled], np.arange(10, 34) / 100)


def test_no_more_requests_at_once_than_allowed(server, backend, observation):
    server.script = [Reply(completion("1 m"), delay_s=0.03)]
    made = backend(concurrency=3)
    made.read(made.encode(observation), [Query("mug", None, "width")] * 12)
    assert server.most_at_once == 3


def test_log_probabilities_of_yes_and_no(server, backend, observation):
    top = [
        {"token": t, "logprob": float(np.log(p))} for t, p in ((" Yes", 0.5), ("yes", 0.1), ("No", 0.2), ("It", 0.1))
    ]
    logprobs = {"content": [{"token": "\n", "logprob": 0.0}, {"token": " Yes", "logprob": -0.7, "top_logprobs": top}]}
    server.script = [Reply(completion("Yes", logprobs=logprobs))]
    made = backend(logprobs=True)
    readings = made.read(made.encode(observation), [Query("mug", "box", "on")])
    assert readings.p_true[0] == pytest.approx(0.6 / 0.8)
    assert server.requests[0].body["logprobs"] is True and server.requests[0].body["top_logprobs"] == 20


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": [5]}, {"content": [{"token": "Y"}]}])
def test_without_usable_log_probabilities_answers_are_counted(server, backend, observation, logprobs):
    server.script = [Reply(completion("No", logprobs=logprobs))]
    made = backend(logprobs=True)
    assert made.read(made.encode(observation), [Query("mug", "box", "on")]).p_true[0] == pytest.approx(1 / 3)


def test_regions_are_drawn_where_they_are(server, backend, observation):
    server.script = [Reply(completion("0.5 m"))]
    made = backend(longest_side=240, jpeg_quality=95)
    box, point = Region((100, 60, 160, 200), "mug"), Region((400, 160))
    readings = made.read(made.encode(observation), [Query(box, point)])
    sent = picture(server.requests[0])
    blue = sent[:, :, 2] > 150
    rows, columns = np.nonzero(blue)
    assert abs(rows.mean() - 80) < 3 and abs(columns.mean() - 200) < 3
    frame = sent[30:100, 50:80]  # the box's outline is full red on the 200 of the picture
    assert frame[0, 5:25, 0].mean() > 235 and abs(frame[35, 15, 0] - 200) < 15
    assert "the mug in the red box" in server.requests[0].text
    np.testing.assert_allclose(readings.subjects.boxes[0], [100, 60, 160, 200])
    np.testing.assert_allclose(readings.references.centers[0], [400, 160])
    np.testing.assert_allclose(readings.subjects.presence[0], [1, 0, 0])


def test_camera_rows(server, backend, observation):
    server.script = [Reply(completion("2 m"))]
    made = backend()
    readings = made.read(made.encode(observation), [Query("mug", "camera")])
    np.testing.assert_allclose(readings.references.presence[0], [1, 0, 0])
    assert np.isnan(readings.references.boxes[0]).all() and "camera that took" in server.requests[0].text


def test_relations_without_words_are_nan_and_not_asked(server, backend, observation):
    made = backend()
    readings = made.read(made.encode(observation), [Query("mug", None, "volume")])
    assert np.isnan(readings.lengths).all() and not server.requests


@pytest.mark.parametrize("boxes", ["I see nothing.", '{"boxes": [[300, 300, 500, 500]]}'])
def test_a_thing_that_is_said_to_be_missing_is_not_measured_where_a_box_is_made_up(server, backend, observation, boxes):
    """With depth a box makes metres: of a thing that every answer says is not there, it shows something else."""
    server.answer = lambda request: Reply(completion(boxes if "JSON" in request.text else "not visible: bowl"))
    with_depth = replace(observation, depth=np.full((320, 480), 1.5, np.float32))
    view = SpatialVLM(backend(samples=3)).look(with_depth)
    found = view.measure("bowl", "camera")
    assert found.reason is Reason.NOT_VISIBLE


def test_no_queries_no_requests(server, backend, observation):
    made = backend()
    assert len(made.read(made.encode(observation), [])) == 0 and len(made.locate(made.encode(observation), [])) == 0
    assert made.frame(made.encode(observation)) is None and not server.requests


def test_locate(server, backend, observation):
    boxes = {
        "mug": '{"boxes": [[500, 250, 750, 500]]}',
        "cup": '{"boxes": [[0, 0, 100, 100], [500, 500, 700, 700]]}',
        "cat": '{"boxes": []}',
        "fog": "I am not sure.",
    }
    server.answer = lambda r: Reply(completion(next(v for k, v in boxes.items() if f"the {k} " in r.text)))
    made = backend(longest_side=240)
    located = made.locate(made.encode(observation), ["mug", "cup", "cat", "fog", "camera", Region((10, 20, 30, 60))])
    np.testing.assert_allclose(located.boxes[0], [240, 80, 360, 160])
    np.testing.assert_allclose(located.centers[0], [299.5, 119.5])
    assert list(located.presence[:3].argmax(axis=1)) == [0, 2, 1]
    assert np.isnan(located.presence[3]).all() and np.isnan(located.boxes[[2, 3, 4]]).all()
    np.testing.assert_allclose(located.boxes[5], [10, 20, 30, 60])
    assert np.isnan(located.log_ranges).all() and (located.box_stds[0] >= 1).all()
    assert len(server.requests) == 4


def test_boxes_that_disagree_are_uncertain(server, backend, observation):
    texts = [f"[{a}, 200, {a + 200}, 400]" for a in (100, 200, 300)]
    server.script = [Reply(completion(*texts))]
    made = backend(samples=3)
    located = made.locate(made.encode(observation), ["mug"])
    np.testing.assert_allclose(located.boxes[0], [96, 64, 192, 128])  # the median box
    assert located.box_stds[0, 0] > 35 and located.box_stds[0, 1] < 5


def test_what_stands_behind_the_path_of_a_url_stays_there(server, observation):
    """Some hosted servers want their version named so."""
    server.script = [Reply(completion("A mug."))]
    with RemoteBackend(f"openai:{server.url}/deployments/tiny/?api-version=2024-10-21#tiny") as backend:
        assert backend.ask(backend.encode(observation), "What is this?") == "A mug."
    assert [r.path for r in server.requests] == ["/v1/deployments/tiny/chat/completions?api-version=2024-10-21"]


def test_ask_is_greedy_and_as_long_as_wanted(server, backend, observation):
    server.script = [Reply(completion("  A mug.\n"))]
    made = backend(samples=5, extra={"reasoning_effort": "low"}, token_field="max_completion_tokens")
    assert made.ask(made.encode(observation), "What is it?", 7) == "A mug."
    body = server.requests[0].body
    assert body["temperature"] == 0 and body["max_completion_tokens"] == 7 and "n" not in body
    assert body["model"] == "tiny" and body["reasoning_effort"] == "low" and server.requests[0].text == "What is it?"


@pytest.mark.parametrize(
    ("said", "heard"),
    [("<think>A box? No, a mug.</think>\n\nA mug.", "A mug."), ("<think>A box? No, a", ""), ("A mug.", "A mug.")],
)
def test_a_model_that_thinks_aloud_has_room_for_it_and_is_heard_after_it(server, backend, observation, said, heard):
    server.script = [Reply(completion(said))]
    answer = SpatialVLM(backend(max_answer_tokens=2000)).look(observation).ask("What is this?")
    assert (answer.text, answer.valid) == (heard, bool(heard))
    assert server.requests[0].body["max_tokens"] == 2000


def test_a_box_that_is_a_point_in_the_sent_picture_is_marked(server, backend):
    """Three pixels of a large picture are less than one of what is sent."""
    server.script = [Reply(completion("0.5 m"))]
    rgb = np.zeros((3000, 4000, 3), np.uint8)
    large = Observation(rgb, Camera.from_hfov(4000, 3000, np.radians(60)))
    made = backend()
    read = made.read(made.encode(large), [Query((2000, 1500, 2003, 1502), "camera")])
    assert np.isfinite(read.lengths).all()
    sent = picture(server.requests[-1])
    red = (sent[..., 0] > 100) & (sent[..., 1] < 100)
    assert red[380:388, 508:516].any()
