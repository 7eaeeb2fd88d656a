"""Where calls run: threads of this machine, or the workers of a Dask cluster; the results are the same."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from churnflow.errors import UsageError
from churnflow.modelling.extras import no_dask

Shared = TypeVar("Shared")
Call = tuple[int, Callable[[Any], Any]]


class Workers(Generic[Shared]):
    """Runs calls, each on one of the parts that all workers share."""

    def __init__(self, executor: Executor, parts: Sequence[Any], here: Sequence[Shared]) -> None:
        """Take who runs the calls, and the parts as the workers know them and as they are in this process."""
        self._executor = executor
        self._parts = parts
        self._here = here

    def run(self, calls: Sequence[Call], deadline: float = float("inf")) -> list[Any]:
        """Return what each call, a function and the number of its part, gives; None for one not begun by `deadline`.

        deadline: on the clock of time.monotonic. A call that has begun is waited for.
        """
        futures: list[Future[Any]] = [self._executor.submit(call, self._parts[number]) for number, call in calls]
        late: set[Future[Any]] = set()
        if deadline < float("inf"):
            wait(futures, timeout=min(threading.TIMEOUT_MAX, max(0.0, deadline - time.monotonic())))
            late = {future for future in futures if not future.cancelled() and future.cancel()}
        calls_of = zip(futures, calls, strict=True)
        return [None if future in late else self._result(future, call) for future, call in calls_of]

    def _result(self, future: Future[Any], call: Call) -> Any:
        try:
            return future.result()
        except CancelledError:
            # A part was lost with the workers that held it, and with it Dask gives up every call on it.
            number, function = call
            return function(self._here[number])


@contextmanager
def open_workers(parts: Sequence[Shared], cluster: str | None = None) -> Iterator[Workers[Shared]]:
    """Yield workers that share `parts`: threads on this machine's processors, or those of a Dask cluster.

    cluster: address of its scheduler, as `tcp://host:8786`. Raises UsageError when Dask is not installed or nobody
    answers at the address.
    """
    if cluster is None:
        slots = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # Libraries of linear algebra wait for each other by spinning: a thread to each call is faster.
        with threadpool_limits(limits=1), ThreadPoolExecutor(slots) as threads:
            yield Workers(threads, parts, parts)
        return
    with _connected(cluster) as client:
        known = client.scatter(list(parts), broadcast=True, hash=False)
        executor = client.get_executor(pure=False, retries=_RETRIES)
        yield Workers(executor, known, parts)


# How often a call is begun again when the worker that ran it is gone.
_RETRIES = 3
_SECONDS_TO_ANSWER = 10


def _connected(cluster: str) -> Any:
    if error := no_dask(cluster):
        raise error
    from distributed import Client  # noqa: PLC0415 - an extra

    # A client that fails to connect can lock up the next one while it is collected, so that none may fail.
    _knock(cluster)
    return Client(cluster, timeout="10s", set_as_default=False)  # type: ignore[no-untyped-call]


def _knock(cluster: str) -> None:
    parts = urlsplit(cluster)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in {"tcp", "tls"} or not parts.hostname or port is None:
        message = f"{cluster!r} is no address of a Dask scheduler"
        raise UsageError(message, hint="write it as tcp://host:8786, or leave cluster out")
    try:
        with socket.create_connection((parts.hostname, port), timeout=_SECONDS_TO_ANSWER) as peer:
            # A scheduler greets whoever connects; behind TLS it waits for the other side.
            silent = parts.scheme == "tcp" and not peer.recv(1)
        why = "something else listens there" if silent else ""
    except (OSError, UnicodeError) as error:
        why = str(getattr(error, "strerror", None) or error)
    if why:
        message = f"no Dask scheduler answers at {cluster}: {why}"
        raise UsageError(message, hint="start one (dask scheduler, dask worker), or leave cluster out")
