"""The webhook: what is posted arrives as JSON, and whatever goes wrong there is told without the address's secret."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from churnflow.adapters.webhook import checked, post
from churnflow.errors import UsageError


class Receiver(BaseHTTPRequestHandler):
    """Answers as the path says and keeps what came."""

    taken: ClassVar[list[tuple[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.headers["Content-Type"], json.loads(body)))
        code = int(self.path.strip("/").split("/")[0])
        self.send_response(code)
        if code in {302, 307}:
            self.send_header(
                "Location", "file:///etc/hostname" if code == 302 else f"{self.path.replace('307', '200')}"
            )
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Receiver.taken.clear()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_what_is_posted_arrives_as_json(server: str) -> None:
    assert post(f"{server}/200/secret", {"verdict": "fix", "text": "caf\u00e9"}) is None
    assert Receiver.taken == [("application/json; charset=utf-8", {"verdict": "fix", "text": "caf\u00e9"})]


@pytest.mark.parametrize("code", [302, 307, 404, 500])
def test_an_answer_that_is_not_yes_is_told_and_no_redirect_is_followed(server: str, code: int) -> None:
    told = post(f"{server}/{code}/secret", {})
    assert told == f"the webhook at 127.0.0.1 answered {code}"
    assert len(Receiver.taken) == 1


def test_a_host_that_does_not_answer_is_told_without_the_secret_in_the_path() -> None:
    told = post("http://127.0.0.1:9/services/secret", {})
    assert told is not None
    assert told.startswith("the webhook at 127.0.0.1 was not reached: ")
    assert "secret" not in told


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host/x", "hooks.example.com", "http://", "http://[x", "https://a b/", "http://h:0"],
)
def test_an_address_of_another_kind_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UsageError, match="the webhook is no address") as refused:
        checked(url)
    assert "passwd" not in f"{refused.value}{refused.value.hint}"


def test_addresses_of_http_are_taken_as_they_are() -> None:
    for url in ("http://localhost:8080/x", "https://hooks.example.com/services/T0/B0?key=1"):
        assert checked(url) == url
