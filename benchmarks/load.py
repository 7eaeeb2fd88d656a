"""A load generator for HTTP/1.1 over kept connections: closed loop (each waits for its answer) or open (a set rate).

One process, one event loop, requests as ready bytes: so that it takes little of the two cores that the server shares.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvloop


@dataclass
class Heard:
    """Answers by status (0: the connection broke), and the seconds of each by status, in the order of their coming."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: dict[int, list[float]] = field(default_factory=dict)
    sent: int = 0
    unsent: int = 0

    def quantile(self, share: float, status: int = 200) -> float:
        """Return a quantile of the latencies of a status, in milliseconds."""
        times = self.latencies.get(status)
        return float(np.quantile(times, share)) * 1000 if times else float("nan")

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.statuses[200] / self.seconds

    def as_json(self) -> dict[str, object]:
        """Return the figures."""
        return {
            "requests_per_second": round(self.rate, 1),
            "p50_ms": round(self.quantile(0.5), 4),
            "p99_ms": round(self.quantile(0.99), 4),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "unsent": self.unsent,
        }


class Client(asyncio.Protocol):
    """One kept connection that sends a request and waits for the whole answer, over and over or when it is told to."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.buffer = b""
        self.needed = -1
        self.busy = False

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport = transport
        self.load.clients.append(self)
        if self.load.rate is None:
            self.send()
        else:
            self.load.idle.append(self)

    def send(self) -> None:
        """Send the next request."""
        self.busy = True
        self.started = time.perf_counter()
        self.load.heard.sent += 1
        self.transport.write(self.load.next_request())

    def data_received(self, data: bytes) -> None:
        """Read on until an answer is whole."""
        self.buffer = self.buffer + data if self.buffer else data
        if self.needed < 0:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            start = head.index(b"content-length:") + 15
            stop = head.find(b"\r\n", start)
            length = int(head[start:] if stop < 0 else head[start:stop])
            self.needed, self.status = end + 4 + length, int(head[9:12])
        if len(self.buffer) >= self.needed:
            self.finished()

    def finished(self) -> None:
        """Note the answer, and go on."""
        load = self.load
        load.note(self.status, time.perf_counter() - self.started)
        if load.each is not None:
            load.each(self.status, self.buffer)
        self.buffer, self.needed, self.busy = b"", -1, False
        if load.rate is None and not load.over:
            self.send()
        elif load.rate is not None:
            load.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the library's signature
        """Count the request that got no answer, and connect again."""
        if self.busy and not self.load.over:
            self.load.note(0, time.perf_counter() - self.started)
        if self in self.load.idle:
            self.load.idle.remove(self)
        if not self.load.over:
            self.load.reconnect()


class Load:
    """A run against one address.

    rate: requests a second however many are answered, None for closed loops. each: gets every answer, status and bytes.
    """

    def __init__(
        self,
        port: int,
        requests: list[bytes],
        *,
        connections: int,
        rate: float | None = None,
        each: Callable[[int, bytes], None] | None = None,
    ) -> None:
        self.port, self.requests, self.connections, self.rate, self.each = port, requests, connections, rate, each
        self.heard, self.over, self.place = Heard(), False, 0
        self.idle: list[Client] = []
        self.clients: list[Client] = []
        self.waiting: set[asyncio.Task[None]] = set()

    def next_request(self) -> bytes:
        """Return the requests in turn."""
        self.place = (self.place + 1) % len(self.requests)
        return self.requests[self.place]

    def note(self, status: int, seconds: float) -> None:
        """Take down an answer."""
        self.heard.statuses[status] += 1
        self.heard.latencies.setdefault(status, []).append(seconds)

    def reconnect(self) -> None:
        """Open a connection in the place of one that was closed."""
        task = asyncio.get_running_loop().create_task(self.connect())
        self.waiting.add(task)
        task.add_done_callback(self.waiting.discard)

    async def connect(self) -> None:
        """Open one connection, again and again until it is there."""
        while not self.over:
            try:
                await asyncio.get_running_loop().create_connection(lambda: Client(self), "127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                return

    async def run(self, seconds: float) -> Heard:
        """Send for so many seconds."""
        await asyncio.gather(*(self.connect() for _ in range(self.connections)))
        started = time.perf_counter()
        due = 0.0
        while not self.over and (now := time.perf_counter() - started) < seconds:
            if self.rate is not None:
                due = self._send_due(now * self.rate, due)
            await asyncio.sleep(0.001 if self.rate is not None else 0.05)
        self.over = True
        self.heard.seconds = time.perf_counter() - started
        for client in self.clients:
            client.transport.abort()
        await asyncio.sleep(0.01)
        return self.heard

    def _send_due(self, until: float, due: float) -> float:
        while due <= until:
            due += 1
            if self.idle:
                self.idle.pop().send()
            else:
                self.heard.unsent += 1
        return due


def request(path: str, body: bytes, headers: str = "") -> bytes:
    """Return a POST as bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def drive(
    port: int, requests: list[bytes], *, connections: int = 1, seconds: float = 3.0, rate: float | None = None
) -> Heard:
    """Run a load in this process and return what was heard."""
    return uvloop.run(Load(port, requests, connections=connections, rate=rate).run(seconds))


def main() -> None:
    """Run a load from the command line: the bodies come from a file, one JSON document a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--path", default="/api/v1/predict")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    requests = [request(given.path, line.encode()) for line in given.bodies.read_text().splitlines() if line]
    heard = drive(given.port, requests, connections=given.connections, seconds=given.seconds, rate=given.rate)
    json.dump(heard.as_json(), sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
