"""The figures of a monitoring report: how far each feature has moved, since when, and F1 by period."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from churnflow.reporting.svg import BLUE, GREEN, GREY, ORANGE, Plot, shortened

Values = Mapping[str, Any]

CAPTIONS: Final[Mapping[str, str]] = {
    "drift.svg": "Population stability index of the window beside training, against what chance alone gives",
    "drift-by-period.svg": "The same by period, less what chance gives, of what has drifted most",
    "f1-by-period.svg": "F1 by period with its 95% interval, where outcomes are known",
}
DRIFT: Final = "churnflow/drift@1"
TRACKING: Final = "churnflow/tracking@1"
MOST_BARS: Final = 12
MOST_LINES: Final = 3
MOST_PERIODS: Final = 31
LONGEST_LABEL: Final = 24
LONGEST_NAME: Final = 10
# The least that the axis of an index shows: below it, everything would look like drift.
LEAST_SPAN: Final = 0.1
COLOURS: Final = (ORANGE, BLUE, GREEN)


def monitor_plots(drift: Values, tracking: Values) -> dict[str, str]:
    """Return the figures as SVG by file name, in the order of `CAPTIONS`; what is of another schema is left alone."""
    drift = drift if drift.get("schema") == DRIFT else {}
    tracking = tracking if tracking.get("schema") == TRACKING else {}
    makers: Mapping[str, Callable[[], str | None]] = {
        "drift.svg": lambda: _drift(drift.get("tests", [])),
        "drift-by-period.svg": lambda: _by_period(drift),
        "f1-by-period.svg": lambda: _f1(tracking.get("rows", [])),
    }
    drawn = {name: make() for name, make in makers.items()}
    return {name: text for name, text in drawn.items() if text is not None}


def _ranked(tests: Sequence[Values]) -> list[Values]:
    return sorted(tests, key=lambda each: (-(each["psi"] - each["by_chance"]), each["name"]))


def _drift(tests: Sequence[Values]) -> str | None:
    top = _ranked(tests)[:MOST_BARS]
    if not top:
        return None
    high = max(LEAST_SPAN, *(each["psi"] for each in top), 0.0)
    plot = Plot("Drift", "population stability index", "", x=(0.0, high * 1.08), left=168)
    for place, each in enumerate(top):
        row, label = (place, len(top)), shortened(str(each["name"]), LONGEST_LABEL)
        plot.dot(row, label, each["psi"], (0.0, each["psi"]), ORANGE if each["drifted"] else BLUE)
        plot.dot(row, "", each["by_chance"], None, GREY)
    for name, colour in (("drifted", ORANGE), ("within noise", BLUE), ("by chance", GREY)):
        plot.named(name, colour)
    return plot.svg(y_ticks=False, legend="title")


def _by_period(drift: Values) -> str | None:
    names = [each["name"] for each in _ranked(drift.get("tests", []))[:MOST_LINES]]
    known = [each for each in drift.get("periods", []) if each["psi"]][-MOST_PERIODS:]
    if not names or not known:
        return None
    high = max(LEAST_SPAN, *(each["psi"].get(name, 0.0) for each in known for name in names), 0.0)
    plot = Plot("Drift by period", "index less what chance gives", "", x=(0.0, high * 1.08), left=168)
    for place, each in enumerate(known):
        for name, colour in zip(names, COLOURS, strict=False):
            label = str(each["period"]) if name == names[0] else ""
            plot.dot((place, len(known)), label, each["psi"].get(name, 0.0), None, colour)
    for name, colour in zip(names, COLOURS, strict=False):
        plot.named(shortened(str(name), LONGEST_NAME), colour)
    return plot.svg(y_ticks=False, legend="title")


def _f1(rows: Sequence[Values]) -> str | None:
    known = [row for row in rows if row["f1"] is not None][-MOST_PERIODS:]
    if not known:
        return None
    plot = Plot("F1 by period", "F1", "", left=168)
    for place, row in enumerate(known):
        plot.dot((place, len(known)), str(row["period"]), row["f1"], (row["f1_low"], row["f1_high"]))
    return plot.svg(y_ticks=False)
