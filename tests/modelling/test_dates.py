"""Dates as they are written: what a text means in an order, and in which order a column has them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnflow.modelling.dates import EPOCH, ORDERS, Calendar, Order, iso, parse, recognise, recognise_unix

# What hypothesis takes as the ends of a range says no zone.
LOW, HIGH = (datetime.fromisoformat(f"{year}-01-01") for year in (1800, 2400))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "order", "moment"),
    [
        ("2024-01-31", "ymd", utc(2024, 1, 31)),
        ("2024/1/31", "ymd", utc(2024, 1, 31)),
        ("20240131", "ymd", utc(2024, 1, 31)),
        ("2024-01", "ymd", utc(2024, 1, 1)),
        ("2024-01-31T10:05:00.25+02:00", "ymd", utc(2024, 1, 31, 8, 5, 0, 250_000)),
        ("2024-01-31 10:05Z", "ymd", utc(2024, 1, 31, 10, 5)),
        ("2024-01-31 01:00:00 -0530", "ymd", utc(2024, 1, 31, 6, 30)),
        ("31.01.2024", "dmy", utc(2024, 1, 31)),
        ("1/2/2024", "dmy", utc(2024, 2, 1)),
        ("1/2/2024", "mdy", utc(2024, 1, 2)),
        ("1/31/24 3:05 PM", "mdy", utc(2024, 1, 31, 15, 5)),
        ("12/31/1999 12:10 am", "mdy", utc(1999, 12, 31, 0, 10)),
        ("31/12/69", "dmy", utc(1969, 12, 31)),
        ("31/12/68", "dmy", utc(2068, 12, 31)),
        ("2024-01-31", "dmy", utc(2024, 1, 31)),
        ("15 Jan 2024", "mdy", utc(2024, 1, 15)),
        ("15-January-24", "dmy", utc(2024, 1, 15)),
        ("Jan 15, 2024", "ymd", utc(2024, 1, 15)),
        ("1706659200", "unix_s", utc(2024, 1, 31)),
        ("1706659200123", "unix_ms", utc(2024, 1, 31, 0, 0, 0, 123_000)),
        ("2024-01-31", "unix_s", utc(2024, 1, 31)),
        ("2024-02-30", "ymd", None),
        ("31/01/2024", "mdy", None),
        ("31/01/2024", "ymd", None),
        ("31/01/2024", "unix_s", None),
        ("1/31/24 13:05 PM", "mdy", None),
        ("2024-01-31 25:00", "ymd", None),
        ("15 Foo 2024", "dmy", None),
        ("1e300", "unix_s", None),
        ("tomorrow", "ymd", None),
        ("", "ymd", None),
    ],
)
def test_a_text_is_the_moment_that_it_means_in_its_order(text: str, order: Order, moment: datetime | None) -> None:
    assert parse(text, order) == moment


@pytest.mark.parametrize(
    ("texts", "order", "because"),
    [
        (["2024-01-31", "2024-02-01"], "ymd", "year first"),
        (["31/01/2024", "01/02/2024"], "dmy", "the first number goes above 12"),
        (["01/31/2024", "01/02/2024"], "mdy", "the second number goes above 12"),
        (["01.02.2024", "03.04.2024"], "dmy", "points stand between"),
        (["15 Jan 2024", "Feb 1, 2024"], "ymd", "the month in letters"),
    ],
)
def test_the_order_of_a_column_is_found_with_its_reason(texts: list[str], order: Order, because: str) -> None:
    found = recognise(dict.fromkeys(texts, 1), 0.99)
    assert found is not None
    assert (found.order, found.doubt) == (order, "")
    assert because in found.because


@pytest.mark.parametrize(
    ("texts", "doubt"),
    [
        (["01/02/2024", "03/04/2024"], "day and month can not be told apart"),
        (["13/02/2024", "02/14/2024"], "some begin with the day and others with the month"),
    ],
)
def test_an_order_that_is_open_is_doubted_and_not_guessed(texts: list[str], doubt: str) -> None:
    found = recognise(dict.fromkeys(texts, 1), 0.99)
    assert found is not None
    assert doubt in found.doubt


@pytest.mark.parametrize("texts", [[], ["a", "b"], ["2024-01-31", "x", "y"], ["2024-02-30", "2024-13-01"]])
def test_what_is_mostly_no_date_is_none(texts: list[str]) -> None:
    assert recognise(dict.fromkeys(texts, 1), 0.99) is None


@pytest.mark.parametrize(
    ("numbers", "order"),
    [
        ([1.6e9, 1.7e9], "unix_s"),
        ([1.6e12, 1.7e12], "unix_ms"),
        ([1.6e9, 1.7e12], None),
        ([1.6e9, 1.5], None),
        ([5.0, 6.0], None),
        ([float("nan")], None),
        ([], None),
    ],
)
def test_whole_numbers_of_the_years_1990_to_2100_are_unix_times(numbers: list[float], order: Order | None) -> None:
    assert recognise_unix(numbers) == order


@given(st.datetimes(LOW, HIGH, timezones=st.just(UTC)), st.sampled_from(list(ORDERS)))
def test_days_are_written_and_read_back_alike_in_every_order(moment: datetime, order: Order) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    calendar = Calendar(order, utc(2024, 5, 31, 12, 30))
    days = calendar.days(iso(moment, time=True))
    assert calendar.days(calendar.written(days)) == days
    assert calendar.days(calendar.in_source(days)) == days
    assert Calendar.from_json(calendar.as_json()) == calendar


@pytest.mark.parametrize(
    "value", [1, {}, {"order": "ymd"}, {"order": "x", "reference": "2024-01-01"}, {"reference": "x"}]
)
def test_a_calendar_that_is_none_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match="no order or no reference"):
        Calendar.from_json(value)


def test_a_text_that_is_no_date_has_no_days() -> None:
    with pytest.raises(ValueError, match="not a date"):
        Calendar("ymd", EPOCH).days("soon")
