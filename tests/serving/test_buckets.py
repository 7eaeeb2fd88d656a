"""Token buckets: as many requests as the rate and the burst allow, over all processes that share them."""

import multiprocessing
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnflow.serving.buckets import Buckets


class Clock:
    """Seconds that a test moves on."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@given(
    st.floats(0.5, 1_000),
    st.integers(1, 50),
    st.lists(st.floats(0, 2), min_size=1, max_size=80),
)
def test_it_lets_through_what_a_counted_bucket_would(rate: float, burst: int, pauses: list[float]) -> None:
    clock = Clock()
    buckets = Buckets(2, clock=clock)
    tokens = float(burst)
    for pause in pauses:
        clock.now += pause
        tokens = min(burst, tokens + pause * rate)
        # Within rounding of one token both answers are right.
        if abs(tokens - 1) > 1e-5:
            assert (buckets.take(1, rate, burst) == 0) == (tokens >= 1)
            tokens -= tokens >= 1
        else:
            tokens = 0.0 if buckets.take(1, rate, burst) == 0 else tokens


def test_it_says_how_long_to_wait_for_the_next_token() -> None:
    clock = Clock()
    buckets = Buckets(1, clock=clock)
    assert [buckets.take(0, 4.0, 2) for _ in range(3)] == [0, 0, pytest.approx(0.25)]
    clock.now += 0.25
    assert buckets.take(0, 4.0, 2) == 0


def test_buckets_do_not_know_each_other() -> None:
    buckets = Buckets(2, clock=Clock())
    assert [buckets.take(0, 1.0, 1), buckets.take(0, 1.0, 1) > 0, buckets.take(1, 1.0, 1)] == [0, True, 0]


def take_many(path: Path, answers: "multiprocessing.Queue[int]") -> None:
    buckets = Buckets(4, path)
    answers.put(sum(buckets.take(3, 1e-3, 500) == 0 for _ in range(1_000)))
    buckets.close()


def test_processes_share_the_tokens_of_a_key_and_none_is_taken_twice(tmp_path: Path) -> None:
    path = tmp_path / "rates"
    path.touch()
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=take_many, args=(path, answers)) for _ in range(3)]
    for process in processes:
        process.start()
    taken = [answers.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(30)
    assert sum(taken) == 500


def test_a_full_bucket_stays_full_however_long_nobody_comes() -> None:
    clock = Clock()
    buckets = Buckets(1, clock=clock)
    clock.now += 1e6
    assert [buckets.take(0, 10.0, 2) == 0 for _ in range(3)] == [True, True, False]


def test_the_usual_clock_is_one_that_all_processes_agree_on() -> None:
    before = time.monotonic()
    buckets = Buckets(1)
    assert buckets.take(0, 1.0, 1) == 0
    assert 0 < buckets.take(0, 1.0, 1) <= 1 + time.monotonic() - before
