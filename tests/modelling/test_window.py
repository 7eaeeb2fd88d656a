"""A window: whole days or weeks of UTC, the present one among them."""

from datetime import UTC, datetime

import numpy as np
import pytest

from churnflow.errors import UsageError
from churnflow.modelling.window import window

NOON = "2026-11-25T12:00:00+00:00"


def test_two_weeks_by_the_day_are_today_so_far_and_the_thirteen_days_before() -> None:
    span = window("14d", "day", NOON)
    assert span.names[0] == "2026-11-12"
    assert span.names[-1] == "2026-11-25"
    assert len(span.names) == 14
    assert span.spans[-1][1] - span.spans[-1][0] == 12 * 3600
    assert span.start == datetime(2026, 11, 12, tzinfo=UTC).timestamp()


def test_weeks_begin_on_monday_and_have_their_iso_number() -> None:
    span = window("2w", "week", NOON)
    assert span.names == ("2026-W47", "2026-W48")
    assert datetime.fromtimestamp(span.start, UTC).weekday() == 0


def test_a_time_of_another_zone_is_taken_as_what_it_is_in_utc() -> None:
    assert window("1d", "day", "2026-11-25T01:00:00+05:00").names == ("2026-11-24",)


def test_times_are_placed_in_their_period() -> None:
    span = window("3d", "day", NOON)
    middle = [(start + end) / 2 for start, end in span.spans]
    assert span.place(np.array(middle)).tolist() == [0, 1, 2]


def test_without_a_time_the_window_ends_now() -> None:
    before = datetime.now(UTC).timestamp()
    assert before <= window("1d", "day", "").end <= datetime.now(UTC).timestamp()


@pytest.mark.parametrize("length", ["", "14", "0d", "2h", "-3d", "99999d"])
def test_a_length_of_another_form_is_refused(length: str) -> None:
    with pytest.raises(UsageError, match="the window is written as 14d"):
        window(length, "day", NOON)


@pytest.mark.parametrize("until", ["yesterday", "2026-11-25T12:00:00", "1969-01-01T00:00:00+00:00"])
def test_an_end_that_is_no_time_with_a_zone_is_refused(until: str) -> None:
    with pytest.raises(UsageError, match="until"):
        window("14d", "day", until)
