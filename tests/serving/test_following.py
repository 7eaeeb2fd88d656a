"""A running API follows the pointer: whole, verified, and without a request that notices."""

import json
import threading
import time
from contextlib import closing
from typing import Self

import pytest

from churnflow.serving.predicting import NOT_READY
from tests.serving.conftest import eventually

BODY = json.dumps({"tenure": 5, "charges": 80.5, "contract": "Month-to-month"}).encode()


def version(api) -> str:
    return api.get("/api/v1/version")[1]["version"]


class Load:
    """Clients that ask without pause over kept connections, and note every answer."""

    def __init__(self, api, clients: int = 3) -> None:
        self.answers: list[tuple[int, str | None, float]] = []
        self._api, self._stopped = api, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        with closing(self._api.connect()) as connection:
            while not self._stopped.is_set():
                connection.request("POST", "/api/v1/predict", BODY, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = json.loads(response.read())
                one = answer.get("predictions", [{"probability": -1.0}])[0]
                self.answers.append((response.status, answer.get("release", {}).get("sha256"), one["probability"]))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("workers", [1, 2])
def test_swaps_under_load_lose_and_mix_no_answer(shelf, start, workers) -> None:
    digests = {shelf.put(bias): bias for bias in (0.25, -0.75)}
    expected: dict[str, float] = {}
    shelf.point("v1.0.0", next(iter(digests)))
    api = start([*shelf.arguments, "--workers", str(workers)])
    with Load(api) as load:
        for count in range(6):
            sha256 = list(digests)[count % 2]
            shelf.point(f"v1.{count}.0", sha256)
            # Several workers follow within a second, each in its own time.
            wanted = {f"v1.{count}.0"}
            eventually(lambda wanted=wanted: {version(api) for _ in range(10 * workers)} == wanted, seconds=1.5)
            expected[sha256] = api.call("POST", "/api/v1/predict", BODY)[1]["predictions"][0]["probability"]
    assert len(load.answers) > 200
    assert {status for status, _, _ in load.answers} == {200}
    assert len(set(expected.values())) == 2
    assert {(sha256, probability) for _, sha256, probability in load.answers} == set(expected.items())


def test_before_the_first_release_requests_get_503_and_each_release_is_followed_within_a_second(shelf, start) -> None:
    api = start(shelf.arguments)
    for path in ("/ready", "/api/v1/version", "/api/v1/model"):
        assert api.get(path) == (503, {"detail": [{"field": "release", "problem": NOT_READY}]})
    assert api.call("POST", "/api/v1/predict", BODY)[0] == 503
    assert api.get("/health")[0] == 200
    assert api.get("/docs")[0] == 200
    assert api.get("/openapi.json")[0] == 200
    shelf.ship("v1.0.0", 0.25)
    eventually(lambda: api.get("/ready")[0] == 200, seconds=1.0)
    assert api.call("POST", "/api/v1/predict", BODY)[0] == 200
    shelf.ship("v1.1.0", 0.5)
    eventually(lambda: version(api) == "v1.1.0", seconds=1.0)
    assert api.get("/openapi.json")[1]["info"]["version"] == "v1.1.0"


def test_a_bad_new_release_is_refused_and_the_old_one_serves_on(shelf, start) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start(shelf.arguments)
    bad = shelf.put(0.5)
    path = shelf.bundle_path(bad)
    whole = path.read_bytes()
    path.write_bytes(whole[:400] + bytes([whole[400] ^ 1]) + whole[401:])
    shelf.point("v1.1.0", bad)
    eventually(lambda: any("refused a release: the bundle of v1.1.0 differs" in line for line in api.log))
    told = api.get("/api/v1/version")[1]
    assert (told["version"], told["refused"].partition(" its digest")[0]) == (
        "v1.0.0",
        "the bundle of v1.1.0 differs from",
    )
    shelf.point("v1.2.0", "0" * 64)
    eventually(lambda: any("v1.2.0 cannot be served: No such file" in line for line in api.log))
    shelf.pointer.write_bytes(b'{"version": 1}')
    eventually(lambda: any("the pointer file does not name a release" in line for line in api.log))
    shelf.pointer.unlink()
    time.sleep(0.5)
    assert version(api) == "v1.0.0"
    assert "the pointer file does not name a release" in api.get("/api/v1/version")[1]["refused"]
    assert api.call("POST", "/api/v1/predict", BODY)[0] == 200
    assert len([line for line in api.log if "refused" in line]) == 3
    assert all("serving goes on with v1.0.0" in line for line in api.log if "refused" in line)
    path.write_bytes(whole)
    shelf.point("v1.1.0", bad)
    eventually(lambda: version(api) == "v1.1.0")
    assert api.get("/api/v1/version")[1]["refused"] is None


def test_a_pointer_that_is_mended_serves_what_was_served(shelf, start) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start(shelf.arguments)
    whole = shelf.pointer.read_bytes()
    shelf.pointer.write_bytes(b"{")
    eventually(lambda: api.get("/api/v1/version")[1]["refused"] is not None)
    shelf.pointer.write_bytes(whole)
    eventually(lambda: api.get("/api/v1/version")[1]["refused"] is None)
    assert version(api) == "v1.0.0"
