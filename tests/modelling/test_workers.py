"""Where calls run: the same results on this machine's threads and on a real cluster, and none lost with a worker."""

import os
import signal
import socketserver
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

from churnflow.errors import UsageError
from churnflow.modelling.search import Folded, Plan, deal, search
from churnflow.modelling.split import Dealt, equal_rows
from churnflow.modelling.workers import open_workers
from tests.customers import make_customers

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Start a scheduler and two worker processes of one thread each."""
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as started:
        yield started.scheduler_address


def make_folded() -> Folded:
    frame = make_customers(300)
    target = frame["churn"].to_numpy()
    return deal(frame, KINDS, target, Dealt.of(equal_rows(frame, list(KINDS)), target, 3, 0))


def test_a_search_on_two_worker_processes_finds_what_it_finds_on_threads(cluster: str) -> None:
    folded = make_folded()
    plan = Plan(("logistic_regression", "xgboost", "extra_trees", "svm"), 9, 600, 1)
    found = []
    for address in (None, cluster):
        with open_workers(folded.parts, address) as workers:
            found.append(search(folded, plan, lambda *_: None, workers))
    here, there = found
    assert [entry.params for entry in here.tried] == [entry.params for entry in there.tried]
    for mine, theirs in zip(here.tried, there.tried, strict=True):
        np.testing.assert_array_equal(mine.margins, theirs.margins)


def _slow_process_id(part: int) -> int:
    time.sleep(0.2)
    return os.getpid() * 0 + part


def _dies_once(marker: str, part: int) -> int:
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return part


def test_calls_of_a_killed_worker_are_done_again_and_no_finished_one_is_lost(tmp_path: Path) -> None:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as started,
        open_workers([10, 20], started.scheduler_address) as workers,
    ):
        marker = str(tmp_path / "died")
        calls: list[tuple[int, Callable[[Any], Any]]] = [(place % 2, _slow_process_id) for place in range(6)]
        calls.insert(3, (1, _Bound(marker)))
        assert workers.run(calls) == [10, 20, 10, 20, 20, 10, 20]
        assert Path(marker).exists()


def test_calls_on_a_part_that_was_lost_with_its_only_worker_are_done_all_the_same(tmp_path: Path) -> None:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as started,
        open_workers([10, 20], started.scheduler_address) as workers,
    ):
        calls: list[tuple[int, Callable[[Any], Any]]] = [(1, _Bound(str(tmp_path / "died"))), (0, _slow_process_id)]
        assert workers.run(calls) == [20, 10]


class _Bound:
    """A call that takes its worker down the first time."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __call__(self, part: int) -> int:
        return _dies_once(self.marker, part)


def test_what_has_not_begun_when_the_time_is_over_is_left_undone() -> None:
    with open_workers([1, 2]) as workers:
        began = time.monotonic()
        results = workers.run([(0, _slow_process_id)] * 50, time.monotonic() + 0.3)
        assert time.monotonic() - began < 5
    assert results[0] == 1
    assert results[-1] is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://127.0.0.1:9", "no Dask scheduler answers at"),
        ("tcp://no-such-host.invalid:8786", "no Dask scheduler answers at"),
        ("nowhere", "no address"),
        ("carrier-pigeon://home:1", "no address"),
        ("tcp://host:many", "no address"),
    ],
)
def test_a_cluster_that_can_not_be_reached_is_named_with_what_to_do(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised, open_workers([1], address):
        pass
    assert "leave cluster out" in raised.value.hint


def test_something_else_behind_the_address_is_no_scheduler_and_nobody_waits_for_it() -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), _Mute) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(UsageError, match="something else listens there"), open_workers([1], address):
            pass
        server.shutdown()


class _Mute(socketserver.BaseRequestHandler):
    """A server that hangs up without a word."""

    def handle(self) -> None:
        self.request.close()
