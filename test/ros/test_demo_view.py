"""The demo's view as a function of values: these lines for that state, in any size of terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import PROBABILITY, Estimate, LocatedObject, Reason, Source
from spatialvlm_ros.ros.demo.bars import ASCII, UNICODE, axis_of, bar, glyphs_of, round_up
from spatialvlm_ros.ros.demo.picture import explained_picture
from spatialvlm_ros.ros.demo.screen import Lines, Terminal
from spatialvlm_ros.ros.demo.state import NAN, Annotation, Asked, DemoState, Rewarded, Row, Speed
from spatialvlm_ros.ros.demo.truth import TrueScene
from spatialvlm_ros.ros.demo.view import coloured, name_of, plain, render, summary_lines
from spatialvlm_ros.scenes.relations import Relation


def measured(relation: Relation, subject: str, reference: str, value: float, half: float, unit: str = "m") -> Estimate:
    return Estimate(
        relation, subject, reference, value, half / 2, (value - half, value + half), unit,
        frozenset({Source.DEPTH_SENSOR, Source.TF}), True, Reason.OK,
    )  # fmt: skip


UNICORN = Estimate.invalid(
    Relation.HEIGHT, "unicorn", "", Reason.UNKNOWN_NAME, detail="The model does not know the name 'unicorn'."
)
ROWS = (
    Row(measured(Relation.DISTANCE, "gripper", "apple", 0.2, 0.05), -0.12, 0.225),
    Row(measured(Relation.LEFT_DIFF, "apple", "stapler", -0.37, 0.06), 0.0, -0.46),
    Row(measured(Relation.LEFT, "apple", "stapler", 0.01, 0.0, PROBABILITY), truth=0.0),
    Row(measured(Relation.GAP, "apple", "stapler", 0.4, 0.1)),
    Row(UNICORN),
)
STATE = DemoState(
    elapsed_s=83.4,
    total_s=120.0,
    domain=57,
    processes={"robot": "running", "node": "running", "planner": "ended (1)"},
    recorded=212,
    speed=Speed("ready", 6.2, 182, 260, 131),
    sentence="go to the apple",
    target="apple",
    rows=ROWS,
    asked=Asked("How tall is the apple?", "It is 10 centimeters.", 0.34, 0.072),
)


def text(state: DemoState = STATE, width: int = 84, height: int = 24, **more: object) -> list[str]:
    return [plain(line) for line in render(state, width, height, **more)]  # type: ignore[arg-type]


def test_a_state_gives_these_lines() -> None:
    lines = text()
    assert lines == [
        "spatialvlm demo: metres from a robot's camera             1:23 of 2:00   Ctrl-C ends",
        "running   robot, node   planner ended (1)   ROS_DOMAIN_ID=57   212 messages recorded",
        "node      ready   6.2 pictures/s   latency 182 ms (95%: 260), model 131 ms",
        'planner   "go to the apple" → gripper is 0.20 m away, truly 0.23 m',
        "─" * 84,
        "STANDING QUERY                          MEASURED         CHANGE/S      TRUE    ERROR",
        "distance gripper - apple                0.200 ±0.025 m   -0.120 m   0.225 m -0.025 m",
        "     0 ├──────────────[━━━●━┃━]─────┤ 0.3 m   from TF, depth",
        "apple left of stapler by                -0.370 ±0.030 m  +0.000 m  -0.460 m +0.090 m",
        " -0.75 ├─────┃[●]───────────────────┤ 0.75 m  from TF, depth",
        "apple left of stapler?                  1% yes                           no    right",
        "    no ├◆───────────────────────────┤ yes     from TF, depth",
        "gap apple - stapler                     0.400 ±0.050 m",
        "     0 ├───────────[━━●━━━]─────────┤ 0.75 m  from TF, depth",
        "height unicorn                          unknown name",
        "   The model does not know the name 'unicorn'.",
        "─" * 84,
        "asked     How tall is the apple?",
        "answered  It is 10 centimeters.   truly 0.07 m   (0.3 s)",
        "[━━●━] measured, with its 90% interval   ┃ true (the simulation knows)   ◆ both",
        "The error is green where the true value lies in the interval, and red where not.",
    ]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 12), (200, 60), (20, 5)])
@pytest.mark.parametrize("waiting", ["", "waiting for the node: it loads the model's weights ..."])
def test_it_fits_into_any_terminal(width: int, height: int, waiting: str) -> None:
    long = "a very long name of an object " * 6
    rows = (*ROWS, Row(replace(UNICORN, detail=long)), Row(measured(Relation.DISTANCE, long, long, 0.2, 0.05)))
    state = replace(
        STATE, waiting=waiting, rows=rows, asked=Asked(long, long, steps=(long, long)),
        speed=replace(STATE.speed, warning=long), rewarded=Rewarded(long, long),
    )  # fmt: skip
    lines = text(state, width, height)
    assert len(lines) <= height and max(map(len, lines)) <= max(width, 60)
    if not waiting and height == 12:
        assert any("more: make the window higher" in line for line in lines)
    if waiting and height >= 12:
        assert waiting[: max(width, 60)] in lines


STEPS = tuple(f"measure: m{k} = 0.19 ± 0.07 m" for k in range(9))
THOUGHT = Asked("Which is nearest to the apple?", "Probably the stapler (84%).", 0.5, steps=STEPS)


def test_the_reward_has_its_line_with_its_reason_where_it_has_no_value() -> None:
    paid = Rewarded("reach the apple", "reach", 0.0042, 0.61)
    (line,) = [line for line in text(replace(STATE, rewarded=paid)) if line.startswith("reward")]
    assert line == "reward    reach the apple (reach)   potential 0.61   reward +0.004"
    (line,) = [line for line in text(replace(STATE, rewarded=Rewarded("x" * 99, reason="not_visible")))
               if line.startswith("reward")]  # fmt: skip
    assert line.endswith("not visible") and len(line) <= 84 and "nan" not in line


def test_a_chain_of_thought_shows_its_last_steps_where_there_is_room() -> None:
    lines = text(replace(STATE, asked=THOUGHT), 84, 60)
    first = lines.index("reasons   Which is nearest to the apple?")
    assert lines[first + 1 : first + 7] == [f"          {step}" for step in STEPS[-6:]]
    assert lines[first + 7] == "concludes Probably the stapler (84%).   (0.5 s)"
    low = text(replace(STATE, asked=THOUGHT, rows=(*ROWS, ROWS[0])), 84, 23)
    assert "concludes Probably the stapler (84%).   (0.5 s)" in low and not any("measure:" in line for line in low)
    assert any("..." in line for line in text(replace(STATE, asked=Asked("Which?", steps=()))))


def test_the_rewards_of_the_first_seconds_have_their_line() -> None:
    def line(annotation: Annotation, width: int = 84) -> str:
        (found,) = [x for x in text(replace(STATE, annotation=annotation), width) if x.startswith("recording")]
        return found

    begun = Annotation("reach the apple")
    assert line(begun) == 'recording rewards of the first seconds, "reach the apple": begins'
    assert line(replace(begun, done=4, total=9)).endswith(": 4 of 9 pictures")
    assert line(replace(begun, succeeded=True, message="7 of 9 are valid")).endswith("7 of 9 are valid")
    assert len(line(Annotation("x" * 200, message="y" * 200))) <= 84
    assert any(
        "4 of 9 pictures" in x for x in summary_lines(replace(STATE, annotation=replace(begun, done=4, total=9)))
    )
    rows = (*ROWS, ROWS[0])
    low = text(replace(STATE, rows=rows, annotation=begun, rewarded=Rewarded("reach the apple")), 80, 24)
    assert any(x.startswith("recording") for x in low) and not any("make the window" in x for x in low)
    lowest = text(replace(STATE, rows=rows, annotation=begun, rewarded=Rewarded("reach the apple")), 80, 23)
    assert "90% interval" in lowest[-1] and not any("make the window" in x for x in lowest)


def test_what_a_chain_of_thought_made_the_target_stands_behind_its_answer() -> None:
    state = replace(STATE, asked=replace(THOUGHT, target="stapler"))
    assert "concludes Probably the stapler (84%).   target: stapler   (0.5 s)" in text(state)
    assert "    the target is now the stapler" in summary_lines(state)
    assert not any("target" in line for line in summary_lines(replace(STATE, asked=THOUGHT)))


def test_in_80_columns_six_queries_a_reward_and_a_question_fit() -> None:
    paid = Rewarded("reach the apple", "reach", 0.0042, 0.61)
    lines = text(replace(STATE, rows=(*ROWS, ROWS[0]), rewarded=paid), 80, 24)
    assert len(lines) <= 24 and sum("distance gripper - apple" in line for line in lines) == 2
    assert "answered" in lines[-3] or "answered" in lines[-2]
    assert not any("make the window" in line for line in lines)


@pytest.mark.parametrize("reason", [r for r in Reason if r is not Reason.OK])
def test_what_has_no_value_shows_its_reason_and_no_number(reason: Reason) -> None:
    refused = Estimate.invalid(Relation.DISTANCE, "mug", "bowl", reason, detail="Because.")
    lines = text(replace(STATE, rows=(Row(refused, truth=0.4),)))
    (row,) = [line for line in lines if line.startswith("distance mug - bowl")]
    assert reason.value.replace("_", " ") in row and "nan" not in " ".join(lines) and "0.400 m" in row
    assert lines[lines.index(row) + 1] == "   Because."


def test_colours_say_whether_the_truth_lies_in_the_interval() -> None:
    styles = {
        name_of(row.estimate): span.style
        for row in ROWS
        for line in render(replace(STATE, rows=(row,)))
        if plain(line).startswith(name_of(row.estimate))
        for span in line[-1:]
    }
    assert styles["distance gripper - apple"] == "good" and styles["apple left of stapler by"] == "bad"
    assert styles["apple left of stapler?"] == "good" and styles["gap apple - stapler"] == ""
    line = render(STATE)[6]
    assert coloured(line).count("\x1b[") == 2 * sum(bool(span.style) for span in line) > 0


def test_bars_are_in_scale() -> None:
    row = Row(measured(Relation.DISTANCE, "a", "b", 0.25, 0.1), truth=0.45)
    assert axis_of(row) == (0.0, pytest.approx(0.75))
    assert bar(row, 17, ASCII) == "|---[=o=]!------|"
    drawn = bar(row, 103, ASCII)
    # 101 cells from 0 to 0.75 m; column 0 is the end of the axis.
    assert len(drawn) == 103 and [drawn.index(c) - 1 for c in "[o]!"] == [20, 33, 47, 60]
    # Without a truth that is far away the axis ends at 0.5 m.
    assert bar(replace(row, truth=0.25), 103, ASCII).index("#") == 51
    assert "!" not in bar(replace(row, truth=NAN), 103, ASCII)
    signed = Row(measured(Relation.ABOVE_DIFF, "a", "b", 0.0, 0.01), truth=0.0)
    assert axis_of(signed) == (-0.015, 0.015) and bar(signed, 103, ASCII).index("#") == 51
    nothing = bar(Row(UNICORN), 20, UNICODE)
    assert nothing == "├" + "─" * 18 + "┤"


def test_axes_end_in_round_numbers() -> None:
    assert [round_up(x) for x in (0.0, 0.0101, 0.3, 0.31, 0.8, 99.0)] == pytest.approx([1, 0.015, 0.3, 0.5, 1.0, 100])


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert glyphs_of("utf-8") is UNICODE and glyphs_of("latin-1") is ASCII and glyphs_of(None) is ASCII
    assert all(line.isascii() for line in text(glyphs=ASCII))


def test_pipes_get_lines() -> None:
    lines = summary_lines(STATE)
    assert lines[0] == "83 s: 6.2 pictures/s, latency 182 ms"
    assert lines[1] == "  distance gripper - apple: 0.200 ±0.025 m, true 0.225 m from TF, depth"
    assert lines[5] == "  height unicorn: unknown name" and "It is 10 centimeters." in lines[7]
    out = io.StringIO()
    waiting = replace(STATE, waiting="waiting ...")
    with Lines(out, every_s=1000) as screen:
        for state in (waiting, waiting, STATE, STATE):
            screen.show(state)
    printed = out.getvalue().splitlines()
    assert printed[0] == "waiting ..." and len(printed) == 1 + len(lines) and "\x1b" not in out.getvalue()


def test_a_hint_is_seen_before_and_after_the_first_answer() -> None:
    hinted = replace(STATE, hint="No asset pack.")
    assert any("No asset pack." in line for line in text(hinted))
    assert any("No asset pack." in line for line in text(replace(hinted, waiting="waiting ...")))
    assert summary_lines(replace(hinted, waiting="waiting ...")) == ["waiting ...", "No asset pack."]


def test_the_terminal_is_given_back_with_the_last_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "84")
    monkeypatch.setenv("LINES", "24")
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with pytest.raises(KeyError), Terminal(out, colours=False) as screen:
        screen.show(STATE)
        raise KeyError
    out.seek(0)
    written = out.read()
    assert written.startswith("\x1b[?1049h\x1b[?25l\x1b[H")
    live, _, after = written.partition("\x1b[?25h\x1b[?1049l")
    assert after.splitlines() == text() and "\x1b[J" in live


# ---- what stands beside the numbers ----


def test_truth_is_that_of_the_relations() -> None:
    # The camera looks along the world's x axis, 1 m over its origin: right is -y, down is -z.
    rotation = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    to_optical = Transform(rotation, -rotation @ np.array([0.0, 0, 1]))
    centers = np.array([[2.0, 0.5, 1.2], [3.0, -0.5, 1.0]])
    sizes = np.array([[0.1, 0.2, 0.4], [0.3, 0.2, 0.1]])  # left, forward, up
    scene = TrueScene(("mug", "bowl"), centers, sizes, to_optical, np.array([2.0, 0.5, 1.7]))

    def true(relation: Relation, subject: str, reference: str = "") -> float:
        return scene.value(Estimate.invalid(relation, subject, reference, Reason.OK))

    assert true(Relation.DISTANCE, "gripper", "mug") == pytest.approx(0.5)
    assert true(Relation.DISTANCE, "camera", "mug") == pytest.approx(np.sqrt(4 + 0.25 + 0.04))
    assert true(Relation.LEFT_DIFF, "mug", "bowl") == pytest.approx(1.0)
    assert true(Relation.BEHIND_DIFF, "bowl", "mug") == pytest.approx(1.0)
    assert (true(Relation.HEIGHT, "mug"), true(Relation.WIDTH, "bowl")) == pytest.approx((0.4, 0.3))
    assert true(Relation.ABOVE_DIFF, "mug", "bowl") == pytest.approx(1.4 - 1.05)
    assert (true(Relation.LEFT, "mug", "bowl"), true(Relation.LEFT, "bowl", "mug")) == (1.0, 0.0)
    # Not known: what is not there, and what hangs on the true shape.
    assert np.isnan([true(Relation.HEIGHT, "unicorn"), true(Relation.GAP, "mug", "bowl")]).all()
    assert np.isnan(
        replace(scene, gripper=None).value(Estimate.invalid(Relation.DISTANCE, "gripper", "mug", Reason.OK))
    )


def test_diagnostics_become_numbers() -> None:
    speed = Speed("ready").after({"rate_hz": "6.20", "latency_ms": "nan", "model_ms": "what"}, "stale: old")
    assert (speed.model, speed.rate_hz, speed.warning) == ("ready", 6.2, "stale: old")
    assert np.isnan([speed.latency_ms, speed.latency_p95_ms, speed.model_ms]).all()
    assert "stale: old" in " ".join(text(replace(STATE, speed=speed)))


def test_the_picture_has_the_table_below_it() -> None:
    rgb = np.full((240, 320, 3), (40, 90, 140), np.uint8)
    apple = LocatedObject("apple", True, Reason.OK, np.array([100.0, 80, 150, 130]), 0.9)
    picture = explained_picture(rgb, ROWS, [apple], [4])
    assert picture.shape[1] == 1280 and picture.dtype == np.uint8 and picture.shape[0] > 960
    # The box, four times as large, is drawn round the object, and what is outside is left as it was.
    changed = (picture[:960].astype(int) != (40, 90, 140)).any(axis=2)
    assert changed[320:520, 400].mean() > 0.9 and not changed[20:200, 700:].any()
    table = picture[960:]
    bright = (table.max(axis=2) > 150).any(axis=1)
    rows_of_text = np.flatnonzero(np.diff(bright.astype(int)) == 1).size + bright[0]
    assert rows_of_text >= len(ROWS) + 1
    other = explained_picture(rgb, [replace(ROWS[0], truth=0.9), *ROWS[1:]], [apple], [4])
    assert (other[960:] != table).any()
