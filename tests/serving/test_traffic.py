"""The API under load: releases that change, workers that die, clients that crowd or crawl, with real processes."""

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress

import pytest
import uvloop

from benchmarks.load import Heard, Load, request
from tests.serving.conftest import eventually, serving_workers

CUSTOMER = {"tenure": 12, "charges": 70.35, "contract": "One year"}
ONE = request("/api/v1/predict", json.dumps(CUSTOMER).encode())


class Traffic:
    """A load that runs in a thread of its own until it is over."""

    def __init__(self, port: int, *, connections: int, rate: float | None = None) -> None:
        self.answers: Counter[tuple[str, float]] = Counter()
        self.load = Load(port, [ONE], connections=connections, rate=rate, each=self._look)
        self.heard: Heard | None = None

    def _look(self, status: int, data: bytes) -> None:
        if status == 200:
            answer = json.loads(data.partition(b"\r\n\r\n")[2])
            (prediction,) = answer["predictions"]
            self.answers[answer["release"]["version"], prediction["probability"]] += 1

    def start(self, seconds: float) -> None:
        def run() -> None:
            self.heard = uvloop.run(self.load.run(seconds))

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def end(self) -> Heard:
        self.thread.join()
        assert self.heard is not None
        return self.heard


def test_releases_change_under_load_without_a_failed_or_mixed_answer(shelf, start) -> None:
    digests = {version: shelf.ship(version, bias) for version, bias in (("v1.0.0", 0.25), ("v1.1.0", -2.0))}
    shelf.point("v1.0.0", digests["v1.0.0"])
    api = start([*shelf.arguments, "--workers", "2"])
    traffic = Traffic(api.port, connections=8)
    traffic.start(600.0)
    turn = 0
    while sum(traffic.answers.values()) < 20_000:
        turn += 1
        version = ("v1.0.0", "v1.1.0")[turn % 2]
        shelf.point(version, digests[version])
        time.sleep(0.3)
    traffic.load.over = True
    assert set(traffic.end().statuses) == {200}
    # Each release has one probability for this customer: a mixed answer would make a third pair.
    assert {version for version, _ in traffic.answers} == {"v1.0.0", "v1.1.0"}
    assert len(traffic.answers) == 2


def test_every_worker_follows_within_a_second(shelf, start) -> None:
    first, second = shelf.ship("v1.0.0", 0.25), shelf.ship("v1.1.0", -2.0)
    shelf.point("v1.0.0", first)
    api = start([*shelf.arguments, "--workers", "3"])
    shelf.point("v1.1.0", second)
    time.sleep(1.0)
    # New connections are spread over the workers.
    assert {api.get("/api/v1/version")[1]["version"] for _ in range(60)} == {"v1.1.0"}


def test_a_worker_killed_under_load_costs_its_own_connections_and_no_more(bundle, start) -> None:
    api = start(["--bundle", str(bundle), "--workers", "2"])
    traffic = Traffic(api.port, connections=16)
    traffic.start(4.0)
    eventually(lambda: sum(traffic.answers.values()) > 500)
    before = serving_workers(api)
    before[0].kill()
    heard = traffic.end()
    assert set(heard.statuses) <= {0, 200}
    assert heard.statuses[0] <= 16
    assert heard.statuses[200] > 1_000
    eventually(lambda: len(serving_workers(api)) == 2 and before[0] not in serving_workers(api))
    assert api.predict(CUSTOMER)[0] == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_crowd_is_answered_in_part_and_told_when_to_come_back(bundle, start, workers) -> None:
    api = start(["--bundle", str(bundle), "--workers", workers])

    async def crowd() -> list[tuple[int, bytes]]:
        connections = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(400)]
        for _, writer in connections:
            writer.write(ONE)
        heads = await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in connections))
        for _, writer in connections:
            writer.close()
        return [(int(head[9:12]), head.lower()) for head in heads]

    answers = asyncio.run(crowd())
    statuses = Counter(status for status, _ in answers)
    assert set(statuses) <= {200, 503}
    assert statuses[200] > 0
    assert all(b"retry-after: 1" in head for status, head in answers if status == 503)
    assert api.predict(CUSTOMER)[0] == 200


def test_a_thousand_slow_clients_keep_no_probe_waiting_and_are_let_go(bundle, start) -> None:
    api = start(["--bundle", str(bundle)])
    with ExitStack() as open_ones:
        slow = []
        for number in range(1_000):
            client = open_ones.enter_context(socket.create_connection(("127.0.0.1", api.port)))
            # They stop in the head of the request, in its body, or before it with a blank line that begins none.
            client.sendall((ONE[:-10], ONE[:40], b"\r\n")[number % 3])
            slow.append(client)
        for _ in range(5):
            began = time.monotonic()
            assert api.get("/health")[0] == 200
            assert time.monotonic() - began < 2
        assert api.predict(CUSTOMER)[0] == 200
        for client in slow[:3]:
            client.settimeout(20)
        assert slow[1].recv(1_000) == slow[2].recv(1_000) == b""
        assert slow[0].recv(1_000).startswith(b"HTTP/1.1 408 ")


def test_a_head_without_an_end_is_refused(bundle, start) -> None:
    api = start(["--bundle", str(bundle)])
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        with suppress(OSError):  # it is closed while we send
            for _ in range(20):
                client.sendall(b"X-More: " + b"y" * 8_000 + b"\r\n")
                time.sleep(0.01)
        answer = client.recv(1_000)
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert api.get("/health")[0] == 200


def test_a_dead_worker_does_not_speak_for_the_log(shelf, start, tmp_path) -> None:
    home = tmp_path / "log"
    home.mkdir()
    (home / "predictions.db").mkdir()  # nobody can write a file there
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--workers", "2", "--log", f"sqlite:///{home / 'predictions.db'}"])
    for _ in range(20):
        assert api.predict(CUSTOMER)[0] == 200
    eventually(lambda: "churnflow_log_up 0.0" in api.get("/metrics")[1])
    before = serving_workers(api)
    (home / "predictions.db").rmdir()
    for worker in before:
        worker.kill()
    eventually(lambda: len(serving_workers(api)) == 2 and not set(before) & set(serving_workers(api)), 20)

    def is_up() -> bool:
        with suppress(OSError):
            api.predict(CUSTOMER)
            return "churnflow_log_up 1.0" in api.get("/metrics")[1]
        return False

    eventually(is_up, 20)
