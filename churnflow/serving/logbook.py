"""The predictions log from the side of a worker: what is answered is told to a process that writes it.

Nothing here waits: what the pipe to that process has no room for stays in memory, and what that has no room for is
counted as lost. A writer that died is started again.
"""

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any, Final

from churnflow.modelling.pseudonyms import kept_customer, secret_at
from churnflow.serving import measures
from churnflow.serving.current import Served
from churnflow.serving.log_messages import Answered, Counted, Frames, framed
from churnflow.serving.log_messages import Served as ServedMessage
from churnflow.serving.reading import Asked
from churnflow.serving.settings import KEY_FILE_VARIABLE, KEY_VARIABLE, LOG_VARIABLE, Settings

TELL_SECONDS: Final = 0.02
RESTART_SECONDS: Final = 1.0
END_SECONDS: Final = 6.0
MOST_BYTES: Final = 32 * 1024 * 1024
_MINUTE: Final = 60
_ROUTE: Final = "predict"

logger = logging.getLogger(__name__)


class Logbook:
    """Tells a writer what was answered; `start` begins, in the event loop of the worker, and `stop` ends it."""

    def __init__(self, settings: Settings) -> None:
        """Take the URL of the log and the file of the secret; nothing is started before `start`."""
        self.url = settings.log or ""
        self._secret_path = settings.secret
        self._secret = secret_at(settings.secret) if settings.secret else os.urandom(32)
        self._writer: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._buffer = bytearray()
        self._known: set[str] = set()
        self._states = Frames.of_states()
        self._counts: dict[tuple[int, str, int], list[float]] = defaultdict(lambda: [0, 0.0, 0])
        # Customers that a writer was told of, or will be, and has not said what became of.
        self._unsettled = 0
        self._due = False
        self._stopping = False

    def start(self) -> None:
        """Start the writer."""
        self._loop = asyncio.get_running_loop()
        self._begin()

    async def stop(self) -> None:
        """Tell the rest, and wait until it is written, for at most END_SECONDS."""
        self._tell()
        writer, self._stopping = self._writer, True
        if writer is None or writer.stdin is None or writer.stdout is None:
            return
        self._loop.remove_reader(writer.stdout.fileno())
        # From here on nobody else writes into that pipe.
        self._writer = None
        await asyncio.to_thread(_finish, writer, bytes(self._buffer))

    def take(self, entry: Answered, served: Served) -> None:
        """Tell of an answer; what there is no room for is counted as lost."""
        if served.told not in self._known:
            self._known.add(served.told)
            self._buffer += framed(_described(served))
        try:
            message = b"" if len(self._buffer) > MOST_BYTES else framed(entry)
        except (OverflowError, ValueError, TypeError):
            message = b""
        if message:
            self._buffer += message
            self._unsettled += len(entry.probabilities)
        else:
            self._count_lost(len(entry.probabilities))
        self._tell_soon()

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a request for the table of the service."""
        count = self._counts[int(time.time()) // _MINUTE, route, status]
        count[0] += 1
        count[1] += seconds
        self._tell_soon()

    def customer(self, identifier: str | int | None, kept: str) -> str | None:
        """Return what the log keeps of a customer's id."""
        return kept_customer(self._secret, identifier, kept)

    def _count_lost(self, customers: int) -> None:
        self._counts[int(time.time()) // _MINUTE, _ROUTE, 200][2] += customers
        measures.lost(customers)

    def _tell_soon(self) -> None:
        if not self._due and not self._stopping:
            self._due = True
            self._loop.call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._due = False
        if self._stopping:
            return
        for (minute, route, status), (requests, seconds, lost) in self._counts.items():
            self._buffer += framed(Counted(minute, route, status, int(requests), seconds, int(lost)))
        self._counts.clear()
        writer = self._writer
        if writer is None or writer.stdin is None:
            self._begin_again()
            return
        try:
            while self._buffer:
                # The pipe takes what it has room for; the rest is told a little later.
                del self._buffer[: os.write(writer.stdin.fileno(), self._buffer)]
        except BlockingIOError:
            self._tell_soon()
        except OSError:
            self._lose(writer)

    def _begin(self) -> None:
        named = {KEY_FILE_VARIABLE: str(self._secret_path)}
        secret = named if self._secret_path else {KEY_VARIABLE: self._secret.hex()}
        self._started_at = time.monotonic()
        self._known.clear()
        self._writer = subprocess.Popen(
            [sys.executable, "-P", "-m", "churnflow.serving.log_writer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, LOG_VARIABLE: self.url, **secret},
            start_new_session=True,
            bufsize=0,
        )
        assert self._writer.stdin is not None  # noqa: S101 - they are pipes; for the type checker
        assert self._writer.stdout is not None  # noqa: S101
        for pipe in (self._writer.stdin, self._writer.stdout):
            os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(self._writer.stdout.fileno(), self._hear, self._writer)

    def _begin_again(self) -> None:
        """Start another writer, but not one after the other without a pause."""
        if time.monotonic() - self._started_at > RESTART_SECONDS:
            self._begin()
        self._tell_soon()

    def _lose(self, writer: subprocess.Popen[bytes]) -> None:
        """Let a writer go that has ended; what is told later goes to the next.

        Customers whose being written it has not said are counted as lost: a few of them may have been written.
        """
        if self._writer is not writer:
            return
        logger.warning("the process that writes the predictions log has ended; it is started again")
        measures.log_written(well=False)
        self._writer = None
        # It may have got a part of the first message that waits here; and the next one knows no release.
        self._buffer.clear()
        self._known.clear()
        if self._unsettled:
            self._count_lost(self._unsettled)
            self._unsettled = 0
        _close(writer, self._loop)
        self._tell_soon()

    def _hear(self, writer: subprocess.Popen[bytes]) -> None:
        assert writer.stdout is not None  # noqa: S101 - it is a pipe; for the type checker
        data = b""
        with suppress(BlockingIOError):
            data = os.read(writer.stdout.fileno(), 1 << 16)
            if not data:
                self._lose(writer)
        for state in self._states.feed(data):
            measures.log_written(well=state.well)
            self._unsettled -= state.settled
            if state.lost:
                measures.lost(state.lost)


def answered(identifier: str, key: str | None, served: Served, asked: Asked, probabilities: list[float]) -> Any:
    """Return a function from the seconds that an answer took to what is told of it."""
    at = time.time()
    values = None if served.privacy.inputs == "none" else list(asked.columns.values())
    return lambda seconds: Answered(identifier, at, seconds, key, served.told, asked.ids, probabilities, values)


def _described(served: Served) -> ServedMessage:
    privacy = served.privacy
    return ServedMessage(
        served.told,
        served.sha256,
        served.release.version if served.release else None,
        served.model.threshold,
        privacy.inputs,
        privacy.customer,
        privacy.retention_days,
        [column.name for column in served.request.fields],
        served.reference.to_bytes() if served.reference is not None else None,
    )


def _finish(writer: subprocess.Popen[bytes], rest: bytes) -> None:
    """Tell the rest and wait until the writer has written it; it is left alone after END_SECONDS."""
    assert writer.stdin is not None  # noqa: S101 - it is a pipe; for the type checker
    assert writer.stdout is not None  # noqa: S101
    os.set_blocking(writer.stdin.fileno(), True)
    with suppress(OSError):
        writer.stdin.write(rest)
    with suppress(OSError):
        writer.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        writer.wait(END_SECONDS)
    writer.stdout.close()


def _close(writer: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
    if writer.stdout is not None:
        loop.remove_reader(writer.stdout.fileno())
    for pipe in (writer.stdin, writer.stdout):
        if pipe is not None:
            pipe.close()
    writer.wait()
