"""The process that writes the log of a worker: one thread reads what the worker tells, another writes it.

It is a process of its own because a thread would take the interpreter from the predictions. It ends when the worker
does, once all is written. What does not fit into its queue while the database is away is counted as lost.
"""

import logging
import os
import random
import signal
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, Final

import msgspec

from churnflow.domain.failures import keep_messages_out_of_logs
from churnflow.errors import ChurnflowError
from churnflow.modelling.prediction_log import ALIVE, PREDICT, LogError, PredictionLog, PredictionRow, ServiceRow
from churnflow.modelling.pseudonyms import kept_customer, secret_at
from churnflow.modelling.reference import Reference
from churnflow.serving.log_messages import Answered, Counted, Frames, Served, State, framed
from churnflow.serving.settings import KEY_FILE_VARIABLE, KEY_VARIABLE, LOG_VARIABLE

FLUSH_SECONDS: Final = 0.2
PRUNE_SECONDS: Final = 3600.0
LONGEST_PAUSE: Final = 10.0
END_SECONDS: Final = 5.0
# Customers that wait for the database at most: some 30 MB.
MOST_WAITING: Final = 50_000
BATCH: Final = 2_000
PIECE: Final = 50
NICENESS: Final = 5
_CHUNK: Final = 1 << 16
_MINUTE: Final = 60

logger = logging.getLogger(__name__)

Minutes = dict[tuple[int, str, int], "Minute"]


@dataclass
class Minute:
    """Requests of a minute, route and status."""

    requests: int = 0
    seconds: float = 0.0
    lost: int = 0

    def add(self, other: "Minute") -> None:
        """Count those of another, too."""
        self.requests += other.requests
        self.seconds += other.seconds
        self.lost += other.lost


@dataclass(frozen=True)
class Release:
    """A release that answers refer to, with its reference read."""

    told: Served
    reference: Reference | None

    def rows(self, entries: Sequence[Answered], secret: bytes) -> list[PredictionRow]:
        """Return answers as the log keeps them."""
        told = self.told
        bins, inputs = self._kept(entries)
        kept = zip(bins, inputs, strict=True)
        return [
            PredictionRow(
                id=f"{entry.id}-{place}",
                at=entry.at,
                customer=kept_customer(secret, identifier, told.customer),
                key=entry.key,
                version=told.version,
                release=told.sha256,
                latency_ms=entry.seconds * 1000,
                probability=probability,
                decision=int(probability >= told.threshold),
                bins=codes,
                inputs=values,
            )
            for entry in entries
            for place, (identifier, probability, (codes, values)) in enumerate(
                zip(entry.ids, entry.probabilities, kept)  # noqa: B905 - `kept` goes on with the next entry
            )
        ]

    def _kept(self, entries: Sequence[Answered]) -> tuple[Sequence[str | None], Sequence[str | None]]:
        """Return the bins and the values of each customer, as far as they are to be kept."""
        nothing: list[str | None] = [None] * sum(len(entry.probabilities) for entry in entries)
        told = [entry.values for entry in entries if entry.values is not None]
        if len(told) < len(entries):
            return nothing, nothing
        # All at once: for one customer at a time it would be half of the work.
        columns = {name: list(chain(*parts)) for name, *parts in zip(self.told.names, *told, strict=True)}
        bins: Sequence[str | None] = nothing
        if self.reference is not None:
            bins = [codes.tobytes().hex() for codes in self.reference.codes(columns)]
        return bins, nothing if self.told.inputs == "bins" else _as_json(columns)


@dataclass
class Writer:
    """Takes in what was answered, and writes it in a thread of its own.

    secret: what customers are pseudonymised with. tell: is given each state that differs from the one before.
    """

    open: Callable[[], PredictionLog]
    secret: bytes
    tell: Callable[[State], None]
    worker: str = field(default_factory=lambda: f"{os.getppid()}-{random.getrandbits(32):08x}")
    _releases: dict[str, Release] = field(default_factory=dict)
    _waiting: deque[Answered] = field(default_factory=deque)
    _customers: int = 0
    _lost: int = 0
    _settled: int = 0
    _minutes: Minutes = field(default_factory=lambda: defaultdict(Minute))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _wake: threading.Event = field(default_factory=threading.Event)
    _ending: threading.Event = field(default_factory=threading.Event)
    _log: PredictionLog | None = None
    _complaint: str = ""
    _told: State | None = None
    _pruned_at: float = 0.0
    _retention_days: int | None = None
    _alive_at: int = 0

    def run(self, read: Callable[[int], bytes]) -> None:
        """Take in what comes through a pipe until its other end closes; then write the rest and end."""
        thread = threading.Thread(target=self._write_on, name="prediction-log", daemon=True)
        thread.start()
        frames = Frames()
        while data := read(_CHUNK):
            for message in frames.feed(data):
                self._take(message)
        self._ending.set()
        self._wake.set()
        thread.join(END_SECONDS)

    def _take(self, message: Served | Answered | Counted) -> None:
        match message:
            case Served():
                reference = None if message.reference is None else Reference.from_bytes(message.reference)
                self._releases[message.told] = Release(message, reference)
                self._retention_days = message.retention_days
            case Counted():
                with self._lock:
                    one = Minute(message.requests, message.seconds, message.lost)
                    self._minutes[message.minute, message.route, message.status].add(one)
            case Answered():
                self._queue(message)

    def _queue(self, entry: Answered) -> None:
        customers = len(entry.probabilities)
        with self._lock:
            if self._customers + customers > MOST_WAITING:
                self._minutes[int(entry.at) // _MINUTE, PREDICT, 200].lost += customers
                self._lost += customers
                self._settled += customers
                return
            self._waiting.append(entry)
            self._customers += customers
        if self._customers > BATCH:
            self._wake.set()

    def _write_on(self) -> None:
        pause, well = FLUSH_SECONDS, True
        while not self._ending.is_set():
            # A full queue is written sooner, but not while the database is away.
            (self._wake if well else self._ending).wait(pause)
            self._wake.clear()
            try:
                well = self._flush()
            except Exception:  # the thread must outlive a bug: what waits would fill the queue and be lost
                logger.exception("taking down predictions failed")
                well = False
            self._say(well=well)
            pause = FLUSH_SECONDS if well else min(2 * pause, LONGEST_PAUSE)
        self._flush()
        if self._log is not None:
            self._log.close()

    def _say(self, *, well: bool) -> None:
        with self._lock:
            state = State(well, self._lost, self._settled)
            self._lost = self._settled = 0
        if state != self._told or state.settled:
            self._told = state
            self.tell(state)

    def _flush(self) -> bool:
        """Write what waits, batch after batch; return whether the log took it."""
        while True:
            entries = self._next()
            with self._lock:
                minutes, self._minutes = self._minutes, defaultdict(Minute)
            if not self._written(entries, minutes):
                self._count_again(minutes)
                return False
            with self._lock:
                for entry in entries:
                    self._waiting.popleft()
                    self._customers -= len(entry.probabilities)
                    self._settled += len(entry.probabilities)
            if self._customers < BATCH and not (self._ending.is_set() and self._waiting):
                return True

    def _next(self) -> list[Answered]:
        """Return the oldest entries, some BATCH customers; they wait on until they are written."""
        with self._lock:
            entries: list[Answered] = []
            room = BATCH
            for entry in islice(self._waiting, BATCH):
                if room <= 0:
                    break
                entries.append(entry)
                room -= len(entry.probabilities)
            return entries

    def _written(self, entries: Sequence[Answered], minutes: Minutes) -> bool:
        service = [
            ServiceRow(minute, self.worker, route, status, one.requests, one.seconds * 1000, one.lost)
            for (minute, route, status), one in minutes.items()
        ]
        now = int(time.time()) // _MINUTE
        if not entries and not service and now == self._alive_at:
            return True
        service.append(ServiceRow(now, self.worker, ALIVE, 0, 0, 0.0, 0))
        try:
            if self._log is None:
                self._log = self.open()
            rows = [row for told, some in _pieces(entries) for row in self._releases[told].rows(some, self.secret)]
            self._log.write(rows, service, between=os.sched_yield)
        except (LogError, ChurnflowError) as error:
            self._failed(str(error))
            return False
        except Exception:  # what can not be written now can not be later: it would keep all that follows from the log
            logger.exception("an answer could not be taken down")
            self._give_up(entries, minutes)
            return True
        self._prune()
        if self._complaint:
            logger.warning("the predictions log is back")
            self._complaint = ""
        self._alive_at = now
        return True

    def _give_up(self, entries: Sequence[Answered], minutes: Minutes) -> None:
        """Count customers as lost, and write their minutes the next time, without them."""
        lost = sum(len(entry.probabilities) for entry in entries)
        with self._lock:
            self._lost += lost
        if entries:
            self._count_again(minutes)
            self._count_again({(int(entries[-1].at) // _MINUTE, PREDICT, 200): Minute(lost=lost)})

    def _count_again(self, minutes: Minutes) -> None:
        with self._lock:
            for key, one in minutes.items():
                self._minutes[key].add(one)

    def _failed(self, complaint: str) -> None:
        if self._log is not None:
            # Opened anew at the next try: a database that was made again has no tables yet.
            self._log.close()
            self._log = None
        # Only what changed is said, as the same complaint comes back at every try.
        if complaint != self._complaint:
            self._complaint = complaint
            logger.warning("the predictions log can not be written: %s; the API goes on answering", complaint)

    def _prune(self) -> None:
        """Remove what is too old, once an hour; what is written already stays written if that fails."""
        now = time.time()
        if self._log is None or self._retention_days is None or now - self._pruned_at < PRUNE_SECONDS:
            return
        self._pruned_at = now
        try:
            self._log.prune(now - self._retention_days * 24 * 3600)
        except LogError as error:
            logger.warning("what is too old could not be removed from the predictions log: %s", error)


def _pieces(entries: Sequence[Answered]) -> Iterator[tuple[str, Sequence[Answered]]]:
    """Yield entries of one release, a few at a time, and let the worker have the processor before each."""
    for told, group in groupby(entries, key=lambda entry: entry.told):
        while some := list(islice(group, PIECE)):
            os.sched_yield()
            yield told, some


def _as_json(columns: Mapping[str, Sequence[Any]]) -> list[str | None]:
    rows = zip(*columns.values(), strict=True)
    return [msgspec.json.encode(dict(zip(columns, row, strict=True))).decode() for row in rows]


def main() -> None:
    """Write what comes through standard input to the log at the URL in the environment; standard output tells how."""
    keep_messages_out_of_logs()
    # Ctrl-C goes to all processes at a terminal; this one ends when its worker has told all.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Where there are fewer processors than processes the worker comes first: this one has a quarter of what both want,
    # which is enough for all that a worker can answer.
    os.nice(NICENESS)
    url, secret = os.environ[LOG_VARIABLE], os.environ.get(KEY_FILE_VARIABLE)
    key = secret_at(Path(secret)) if secret else bytes.fromhex(os.environ[KEY_VARIABLE])

    def tell(state: State) -> None:
        sys.stdout.buffer.write(framed(state))
        sys.stdout.buffer.flush()

    Writer(lambda: PredictionLog.open(url), key, tell).run(lambda size: os.read(sys.stdin.fileno(), size))


if __name__ == "__main__":
    main()
