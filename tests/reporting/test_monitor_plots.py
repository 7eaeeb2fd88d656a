"""The figures of a monitoring report: drawn from its artifacts alone, and inert whatever columns are called."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from churnflow.reporting.monitor_plots import CAPTIONS, DRIFT, TRACKING, monitor_plots

HOSTILE = '<script>alert("1")</script>&\x00"\u202e' + "x" * 90


def drift(**changed: Any) -> dict[str, Any]:
    test = {"psi": 0.3, "by_chance": 0.01, "drifted": True}
    tests = [{"name": name, **test} for name in (HOSTILE, "bill", "plan", "the score")]
    tests.append({"name": "calm", "psi": 0.005, "by_chance": 0.01, "drifted": False})
    periods = [
        {"period": "2026-11-24", "customers": 200, "psi": {HOSTILE: 0.4, "bill": 0.0}, "shifted": []},
        {"period": "2026-11-25", "customers": 3, "psi": None, "shifted": []},
    ]
    return {"schema": DRIFT, "tests": tests, "periods": periods, **changed}


def tracking(**changed: Any) -> dict[str, Any]:
    row = {"period": "2026-11-24", "f1": 0.6, "f1_low": 0.5, "f1_high": 0.7}
    return {"schema": TRACKING, "rows": [row, {"period": "2026-11-25", "f1": None}], **changed}


def test_every_figure_has_a_caption_and_is_whole_xml_with_whatever_names() -> None:
    drawn = monitor_plots(drift(), tracking())
    assert list(drawn) == list(CAPTIONS)
    for text in drawn.values():
        root = ET.fromstring(text)  # noqa: S314 - made here
        assert root.find(".//{http://www.w3.org/2000/svg}script") is None
    assert "2026-11-24" in drawn["drift-by-period.svg"]
    assert "2026-11-25" not in drawn["drift-by-period.svg"]
    assert "2026-11-25" not in drawn["f1-by-period.svg"]


@pytest.mark.parametrize(
    ("tests", "table", "left"),
    [
        ({}, {}, []),
        (drift(schema="else"), tracking(schema="else"), []),
        (drift(tests=[]), tracking(rows=[]), []),
        (drift(periods=[]), {}, ["drift.svg"]),
        ({}, tracking(), ["f1-by-period.svg"]),
    ],
)
def test_what_was_not_measured_is_left_out(tests: dict[str, Any], table: dict[str, Any], left: list[str]) -> None:
    assert list(monitor_plots(tests, table)) == left
