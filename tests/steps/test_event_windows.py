"""The odd logs of `from_events`: a right answer, or two lines that say what to do."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest

from churnflow import InputError, Measure, StepResult
from churnflow.steps.from_events import LogFormat
from tests.events import DAYS, FIRST, make_events, run, write_events

HEADER: Final = "customer,time,amount,kind\n"
CUT: Final = FIRST + timedelta(days=DAYS - 60)
LAST: Final = FIRST + timedelta(days=DAYS - 1)


def visits(days: dict[str, list[int]]) -> str:
    """Write the log of customers who come on these days, counted from the first."""
    rows = [f"{name},{FIRST + timedelta(days=day)},1,x" for name, own in days.items() for day in own]
    return HEADER + "\n".join(rows) + "\n"


def customers(result: StepResult) -> pd.DataFrame:
    return pd.DataFrame(result.outputs["customers"])


def said(result: StepResult) -> str:
    return "; ".join(issue.text for issue in result.issues)


def refused(path: Path, **given: Any) -> tuple[str, str]:
    with pytest.raises(InputError) as raised:
        run(path, **given)
    assert len(f"{raised.value}{raised.value.hint}".splitlines()) == 1
    return str(raised.value), raised.value.hint


@pytest.mark.parametrize("given", [{}, {"cut": "auto"}, {"cut": CUT.isoformat()}])
def test_the_cut_is_the_newest_day_whose_outcome_is_known_where_no_other_is_named(
    tmp_path: Path, given: dict[str, str]
) -> None:
    result = run(write_events(tmp_path, make_events()), **given)
    named = "" if given.get("cut", "auto") != "auto" else "; the newest day whose outcome the log covers"
    assert result.facts["cut"] == f"{CUT}{named}"
    assert result.facts["outcome"] == f"{CUT} to {LAST}"


def test_what_is_approved_first_is_how_many_customers_and_how_many_of_them_left(tmp_path: Path) -> None:
    result = run(write_events(tmp_path, make_events()), cuts=8, every="7d")
    assert list(result.metrics)[:2] == ["customers", "churn_ratio"]
    ratio = result.metrics["churn_ratio"]
    assert isinstance(ratio, Measure)
    assert ratio.value == customers(result)["churn"].mean()
    cuts = sorted(customers(result)["cut"].unique())
    newest = "the newest of 8; the last is the newest day whose outcome the log covers"
    assert result.facts["cut"] == f"{', '.join(cuts[-5:])}, {newest}"


ODD: Final = {
    "one event": (visits({"A": [0]}), "nothing to observe", "give a longer log"),
    "one day": (visits({"A": [0], "B": [0]}), "nothing to observe", "give a longer log"),
    "one customer who stays": (visits({"A": list(range(0, 200, 9))}), "only one customer", "`customer` names"),
    "one customer who leaves": (visits({"A": [0, 9], "B": [200]}), "only one customer", "`customer` names"),
    "all who stay": (visits({name: list(range(0, 200, 9)) for name in "AB"}), "no customer of 2 counts", "shorter"),
    "all who leave": (visits({"A": [0], "B": [3], "C": [200]}), "every one of 2 customers", "log: {until: DAY}"),
    "a header alone": (HEADER, "no row with a value under 'time'", "another column"),
}


@pytest.mark.parametrize("case", ODD)
def test_a_log_of_which_no_model_can_learn_is_refused(tmp_path: Path, case: str) -> None:
    text, message, hint = ODD[case]
    (tmp_path / "events.csv").write_text(text)
    found = refused(tmp_path / "events.csv")
    assert message in found[0]
    assert hint in found[1]


def test_two_parts_of_an_event_in_one_column_are_refused(tmp_path: Path) -> None:
    message, hint = refused(write_events(tmp_path, make_events()), amount="customer")
    assert message == "customer and amount name the same column, 'customer'"
    assert "a column of its own" in hint


def test_a_log_of_returns_alone_says_how_negative_amounts_become_events(tmp_path: Path) -> None:
    events = make_events()
    path = write_events(tmp_path, events.assign(amount=-events["amount"].abs() - 1))
    assert "with: {log: {negative: event}}" in refused(path)[1]
    assert len(customers(run(path, log=LogFormat(negative="event")))) == events["customer"].nunique()


def test_events_that_all_cost_nothing_are_events(tmp_path: Path) -> None:
    events = make_events()
    free = customers(run(write_events(tmp_path, events.assign(amount=0.0))))
    unpriced = customers(run(write_events(tmp_path, events.assign(amount=events["amount"].abs()))))
    assert free["events"].tolist() == unpriced["events"].tolist()


@pytest.mark.parametrize(
    ("day", "side"),
    [("1969-12-31", "and the oldest is of 1969-12-31"), ("2026-06-01", "and the newest is of 2026-06-01")],
)
def test_an_event_far_away_from_all_others_is_named(tmp_path: Path, day: str, side: str) -> None:
    events = make_events()
    stray = pd.DataFrame([("0001", pd.Timestamp(day), 1.0, "visit")], columns=events.columns)
    path = write_events(tmp_path, pd.concat([events, stray]))
    assert f"{side}: a stray time?" in said(run(path))
    assert "stray time" not in said(run(write_events(tmp_path, events)))


def test_an_event_after_the_day_until_which_the_log_runs_is_set_apart(tmp_path: Path) -> None:
    events = make_events()
    stray = pd.DataFrame([("0001", pd.Timestamp("2026-06-01"), 1.0, "visit")], columns=events.columns)
    wanted = customers(run(write_events(tmp_path, events)))
    path = write_events(tmp_path, pd.concat([events, stray]))
    result = run(path, log=LogFormat(until=LAST.isoformat()))
    assert result.metrics["rejected_future"] == 1
    pd.testing.assert_frame_equal(customers(result), wanted)


def test_times_of_different_zones_are_days_of_one_zone(tmp_path: Path) -> None:
    events = make_events()
    wanted = customers(run(write_events(tmp_path, events)))
    zones = ["Asia/Tokyo", "America/New_York", "UTC"]
    instants = events["time"].dt.tz_localize("UTC")
    spelled = [time.tz_convert(zones[row % 3]).isoformat() for row, time in enumerate(instants)]
    pd.testing.assert_frame_equal(customers(run(write_events(tmp_path, events.assign(time=spelled)))), wanted)


@pytest.mark.parametrize(("unit", "name"), [("us", "microseconds since 1970"), ("ns", "nanoseconds since 1970")])
def test_times_as_fractions_of_seconds_are_read(tmp_path: Path, unit: str, name: str) -> None:
    events = make_events()
    wanted = customers(run(write_events(tmp_path, events)))
    since = (events["time"] - pd.Timestamp(0)) // pd.Timedelta(1, unit=unit)  # type: ignore[call-overload]
    result = run(write_events(tmp_path, events.assign(time=since)))
    assert name in result.facts["read as"]
    pd.testing.assert_frame_equal(customers(result), wanted)


def test_times_with_morning_and_afternoon_are_read(tmp_path: Path) -> None:
    events = make_events()
    wanted = customers(run(write_events(tmp_path, events)))
    spelled = events["time"].dt.strftime("%m/%d/%Y %I:%M %p")
    pd.testing.assert_frame_equal(customers(run(write_events(tmp_path, events.assign(time=spelled)))), wanted)


def test_times_written_in_two_ways_are_refused_with_both(tmp_path: Path) -> None:
    events = make_events()
    spelled = [time.strftime("%d.%m.%Y") if row % 2 else str(time) for row, time in enumerate(events["time"])]
    message, hint = refused(write_events(tmp_path, events.assign(time=spelled)))
    assert f"{len(events) // 2} as ISO 8601, {len(events) // 2} as day.month.year" in message
    assert "in one way" in hint


def test_a_city_alone_is_no_zone_and_the_zone_of_its_name_is_told(tmp_path: Path) -> None:
    _, hint = refused(write_events(tmp_path, make_events()), log=LogFormat(timezone="berlin"))
    assert hint == "write a name such as Europe/Berlin"


@pytest.mark.parametrize(("duplicates", "times"), [("keep", 2), ("drop", 1)])
def test_a_log_written_twice_counts_once_where_equal_rows_are_dropped(
    tmp_path: Path, duplicates: str, times: int
) -> None:
    events = make_events().assign(time=lambda frame: frame["time"].dt.floor("s") + pd.to_timedelta(frame.index, "s"))
    once = customers(run(write_events(tmp_path, events)))
    twice = run(write_events(tmp_path, pd.concat([events, events])), duplicates=duplicates)
    assert twice.metrics["duplicate_events"] == len(events)
    assert customers(twice)["events"].tolist() == (once["events"] * times).tolist()


def test_amounts_that_are_none_for_the_declared_mark_are_refused_by_its_name(tmp_path: Path) -> None:
    events = make_events()
    written = events["amount"].map(lambda amount: f"{amount:.2f}".replace(".", ","))
    path = write_events(tmp_path, events.assign(amount=written), sep=";")
    message, hint = refused(path, decimal=".")
    assert "most rows are set apart as not_a_number" in message
    assert "with: {decimal: ...}" in hint
