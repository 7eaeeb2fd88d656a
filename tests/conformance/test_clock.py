"""What every clock does."""

from datetime import timedelta

import pytest

from churnflow.engine.ports import Clock
from churnflow.project import SystemClock
from tests.fakes import FakeClock


@pytest.fixture
def clock(kind: str) -> Clock:
    return FakeClock() if kind == "fake" else SystemClock()


def test_the_time_is_in_utc_and_to_the_second_as_records_keep_it(clock: Clock) -> None:
    now = clock.now()
    assert now.utcoffset() == timedelta(0)
    assert now.microsecond == 0


def test_neither_the_time_nor_the_stopwatch_runs_backwards(clock: Clock) -> None:
    times = [clock.now() for _ in range(3)]
    laps = [clock.stopwatch() for _ in range(3)]
    assert times == sorted(times)
    assert laps == sorted(laps)
