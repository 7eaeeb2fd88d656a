"""The figures: well-formed, the same bytes for the same data, true to the numbers, and inert whatever the names."""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from churnflow.reporting.plots import CAPTIONS, plots
from churnflow.reporting.svg import Plot, cells, shortened, ticks

SVG = "{http://www.w3.org/2000/svg}"
EVALUATION: Mapping[str, Any] = {
    "schema": "churnflow/evaluation@1",
    "positive": "yes",
    "negative": "no",
    "threshold": 0.3047,
    "roc": {"fpr": [0.0, 0.25, 1.0], "tpr": [0.0, 0.75, 1.0]},
    "pr": {"recall": [0.0, 0.5, 1.0], "precision": [1.0, 0.6, 0.25]},
    "calibration": [{"predicted": 0.2, "observed": 0.25, "low": 0.2, "high": 0.3}],
    "confusion": {"tp": 270, "fn": 102, "fp": 230, "tn": 1806},
    "importance": [
        {"feature": "tenure", "mean": 0.06, "low": 0.05, "high": 0.07},
        {"feature": "noise", "mean": -0.01, "low": -0.02, "high": 0.0},
    ],
    "lift": [
        {"share": 0.1, "lift": 2.8, "captured": 0.28},
        {"share": 0.5, "lift": 1.6, "captured": 0.8},
        {"share": 1.0, "lift": 1.0, "captured": 1.0},
    ],
    "calibration_before": [{"predicted": 0.4, "observed": 0.25, "low": 0.2, "high": 0.3}],
    "thresholds": {"threshold": [0.9, 0.5, 0.1], "precision": [0.8, 0.6, 0.3], "recall": [0.0, 0.7, 1.0]},
    "profit": {
        "curve": {"share": [0.0, 0.3, 1.0], "profit": [0.0, 9.5, -4.0]},
        "decided": {"share": 0.4, "profit": 8.25},
    },
    "shap": {
        "features": [
            {"feature": "tenure", "mean_abs": 0.6, "values": [-1.2, 0.1, 0.1, 1.1], "ranks": [1.0, 0.5, 0.4, 0.0]},
            {"feature": "plan", "mean_abs": 0.2, "values": [0.2, 0.2, -0.3, 0.1], "ranks": [None] * 4},
            {"feature": "noise", "mean_abs": 0.0},
        ]
    },
    "groups": [
        {
            "column": "plan",
            "group": group,
            "recall": 0.7,
            "recall_low": 0.6,
            "recall_high": 0.8,
            "false_positive_rate": 0.2,
            "false_positive_rate_low": 0.1,
            "false_positive_rate_high": 0.3,
        }
        for group in ("basic", "plus")
    ],
}
LEADERBOARD: Mapping[str, Any] = {
    "schema": "churnflow/leaderboard@1",
    "chosen": "forest",
    "models": [
        {"model": "svm", "mean": 0.84, "low": 0.82, "high": 0.86},
        {"model": "forest", "mean": 0.85, "low": 0.83, "high": 0.87},
        {"model": "stump", "mean": 0.7},
    ],
}


def texts(svg: str) -> list[str]:
    """Return the words of a figure in order."""
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


def drawn(**changes: Any) -> dict[str, str]:
    return plots({**EVALUATION, **changes}, LEADERBOARD)


def test_every_figure_is_drawn_and_has_a_caption() -> None:
    assert list(drawn()) == list(CAPTIONS)


def test_the_same_data_in_another_order_of_keys_give_the_same_bytes() -> None:
    turned = dict(reversed(EVALUATION.items()))
    assert plots(turned, dict(reversed(LEADERBOARD.items()))) == drawn()


@pytest.mark.parametrize("name", CAPTIONS)
def test_a_figure_is_well_formed_and_named_for_those_who_can_not_see_it(name: str) -> None:
    root = ET.fromstring(drawn()[name])  # noqa: S314 - our own
    assert root.tag == f"{SVG}svg"
    assert root.get("aria-label") == texts(drawn()[name])[0]
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "rect", "line", "polyline", "circle", "text", "g"),
    }


@pytest.mark.parametrize("name", CAPTIONS)
def test_nothing_is_drawn_outside_the_figure(name: str) -> None:
    root = ET.fromstring(drawn()[name])  # noqa: S314 - our own
    places = [float(element.get(key, "0")) for element in root.iter() for key in ("x", "x1", "x2", "cx", "y", "y1")]
    assert all(0 <= place <= 520 for place in places)


def test_names_from_data_stay_text() -> None:
    attack = '</text><script>alert(1)</script>"\x00\x1b\ud800'
    importance = [{"feature": attack, "mean": 0.1, "low": 0.1, "high": 0.1}]
    found = plots(
        {**EVALUATION, "positive": attack, "negative": attack, "importance": importance},
        {**LEADERBOARD, "models": [{"model": attack, "mean": 0.8}]},
    )
    for svg in found.values():
        assert "<script" not in svg
        svg.encode()
        ET.fromstring(svg)  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("left_out", "gone"),
    [
        ("roc", "roc.svg"),
        ("pr", "precision-recall.svg"),
        ("calibration", "calibration.svg"),
        ("confusion", "confusion.svg"),
        ("importance", "importance.svg"),
        ("thresholds", "threshold.svg"),
        ("profit", "profit.svg"),
        ("shap", "shap.svg"),
        ("groups", "groups.svg"),
    ],
)
def test_what_was_not_measured_is_left_out(left_out: str, gone: str) -> None:
    found = plots({key: value for key, value in EVALUATION.items() if key != left_out}, LEADERBOARD)
    assert set(CAPTIONS) - set(found) == {gone}


def test_without_a_table_of_lift_there_are_neither_lift_nor_gains() -> None:
    found = plots({key: value for key, value in EVALUATION.items() if key != "lift"}, LEADERBOARD)
    assert set(CAPTIONS) - set(found) == {"lift.svg", "gains.svg"}


def circles(svg: str) -> list[dict[str, str]]:
    found = ET.fromstring(svg).iter(f"{SVG}circle")  # noqa: S314 - our own
    return [dict(element.items()) for element in found]


def test_calibration_is_shown_before_and_after_only_where_the_model_has_one() -> None:
    both, alone = drawn()["calibration.svg"], drawn(calibration_before=[])["calibration.svg"]
    assert (len(circles(both)), len(circles(alone))) == (2, 1)
    assert "before calibration" in texts(both)
    assert "before calibration" not in texts(alone)


def test_the_chosen_threshold_is_marked_where_it_is_known() -> None:
    assert "chosen: 0.305" in texts(drawn()["threshold.svg"])
    unknown = plots({key: value for key, value in EVALUATION.items() if key != "threshold"}, LEADERBOARD)
    assert not any(text.startswith("chosen") for text in texts(unknown["threshold.svg"]))


def test_the_profit_as_decided_lies_on_its_own_place_of_the_curve() -> None:
    (decided,) = circles(drawn()["profit.svg"])
    assert "as decided: 8.25" in texts(drawn()["profit.svg"])
    assert pytest.approx(float(decided["cx"]), abs=0.1) == 64 + 0.4 * 438
    assert "as decided: 0" in texts(drawn(profit={**EVALUATION["profit"], **FLAT})["profit.svg"])


FLAT: Mapping[str, Any] = {
    "curve": {"share": [0.0, 1.0], "profit": [0.0, 0.0]},
    "decided": {"share": 0.0, "profit": 0.0},
}


def test_each_customer_is_a_point_coloured_by_its_value_and_grey_where_that_has_no_order() -> None:
    tenure, plan = circles(drawn()["shap.svg"])[:4], circles(drawn()["shap.svg"])[4:]
    assert len({point["fill"] for point in tenure}) == 3
    assert len({point["fill"] for point in plan}) == 1
    assert [float(point["cx"]) for point in tenure] == sorted(float(point["cx"]) for point in tenure)
    # Two customers of one value lie one above the other.
    assert tenure[1]["cx"] == tenure[2]["cx"]
    assert tenure[1]["cy"] != tenure[2]["cy"]
    assert "noise" not in texts(drawn()["shap.svg"])


def test_a_crowd_of_customers_stays_in_the_row_of_its_column() -> None:
    crowd = [{"feature": name, "values": [0.0] * 300, "ranks": [0.5] * 300} for name in ("one", "two")]
    points = [float(point["cy"]) for point in circles(drawn(shap={"features": crowd})["shap.svg"])]
    assert max(points[:300]) < min(points[300:])


def test_groups_are_shown_with_both_rates_and_their_intervals() -> None:
    svg = drawn()["groups.svg"]
    assert len(circles(svg)) == 4
    assert {"plan: basic", "plan: plus", "positives found", "negatives marked"} <= set(texts(svg))
    assert "groups.svg" not in drawn(groups=[{"column": "plan", "group": "basic", "recall": 0.5}])


@pytest.mark.parametrize("foreign", [{}, {"schema": "mine/1", "roc": 5, "models": "many"}])
def test_an_artifact_of_another_shape_is_left_alone(foreign: Mapping[str, Any]) -> None:
    assert plots(foreign, foreign) == {}
    assert list(plots(foreign, LEADERBOARD)) == ["leaderboard.svg"]


def test_without_a_confusion_matrix_the_share_of_positives_is_not_claimed() -> None:
    assert "share of positives" in texts(drawn()["precision-recall.svg"])
    assert "share of positives" not in texts(drawn(confusion={})["precision-recall.svg"])


def test_the_confusion_matrix_states_its_counts_and_shares_by_class() -> None:
    assert texts(drawn()["confusion.svg"]) == [
        "Confusion at the threshold 0.305",
        *("predicted yes", "predicted no"),
        *("was yes", "270", "11.2%", "102", "4.2%"),
        *("was no", "230", "9.6%", "1,806", "75.0%"),
    ]


def test_the_more_a_cell_holds_the_darker_it_is_but_never_too_dark_to_read() -> None:
    shades = [float(shade) for shade in re.findall(r'fill-opacity="([\d.]+)"', drawn()["confusion.svg"])]
    assert sorted(shades) == [shades[1], shades[2], shades[0], shades[3]]
    assert max(shades) < 0.7
    assert 'fill-opacity="0.680"' in cells("all in one", ["a"], [("b", [5])])
    assert texts(cells("empty", ["a"], [("b", [0])]))[-1] == "0.0%"


def bars(svg: str) -> list[dict[str, str]]:
    found = ET.fromstring(svg).iter(f"{SVG}rect")  # noqa: S314 - our own
    return [dict(element.items()) for element in found][1:]


def test_a_harmful_column_is_drawn_to_the_left_of_nought() -> None:
    tenure, noise = bars(drawn()["importance.svg"])
    assert float(tenure["x"]) == pytest.approx(float(noise["x"]) + float(noise["width"]), abs=0.15)
    assert float(tenure["width"]) == pytest.approx(6 * float(noise["width"]), rel=0.02)


def test_only_the_most_important_columns_are_drawn_and_long_names_cut_visibly() -> None:
    many = [{"feature": f"feature_{n:02d}_{'x' * 30}", "mean": n / 100, "low": 0, "high": 0.5} for n in range(30)]
    names = [text for text in texts(drawn(importance=many)["importance.svg"]) if text.startswith("feature")]
    assert len(names) == 12
    assert names[0] == f"feature_29_{'x' * 12}\N{HORIZONTAL ELLIPSIS}"
    assert shortened("short", 24) == "short"


def test_lift_columns_are_as_wide_as_the_share_of_customers_that_they_stand_for() -> None:
    widths = [float(bar["width"]) for bar in bars(drawn()["lift.svg"])]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    assert widths[2] == pytest.approx(5 * widths[0], rel=0.01)


def test_models_are_points_with_intervals_best_first_since_their_axis_does_not_begin_at_nought() -> None:
    svg = drawn()["leaderboard.svg"]
    assert [text for text in texts(svg) if text[:1].isalpha()][-4:-1] == ["forest (chosen)", "svm", "stump"]
    assert bars(svg) == []
    assert svg.count("<circle") == 3


def test_a_line_and_its_name_in_the_legend_are_drawn_alike() -> None:
    dashed = [line for line in drawn()["roc.svg"].splitlines() if "stroke-dasharray" in line]
    assert [line.split()[0] for line in dashed] == ["<polyline", "<line"]


def test_a_point_without_an_interval_and_a_bar_without_one_are_drawn_alone() -> None:
    plot = Plot("t", "x", "y")
    plot.point((0.5, 0.5))
    plot.bar((0, 1), "one", 0.5)
    plot.line([(0, 0), (1, 1)])
    svg = plot.svg()
    assert svg.count("<circle") == svg.count("<polyline") == 1
    assert 'stroke-width="1.5"' not in svg


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 0.063, [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06]),
        (-0.02, 0.07, [-0.02, 0, 0.02, 0.04, 0.06]),
        (0.0, 3.1, [0, 0.5, 1, 1.5, 2, 2.5, 3]),
        (0.0, 0.00105, [0, 0.0002, 0.0004, 0.0006, 0.0008, 0.001]),
        (0.81, 0.88, [0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.87, 0.88]),
        (0.0, 1200.0, [0, 200, 400, 600, 800, 1000, 1200]),
    ],
)
def test_axes_are_marked_at_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)
