"""How the serving process starts, refuses to start, and ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from churnflow.modelling.bundle import write_bundle
from churnflow.serving.__main__ import main

BODY = json.dumps({"tenure": 5, "charges": 80.5, "contract": "Month-to-month"}).encode()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gracefully(bundle, start, sig) -> None:
    api = start(["--bundle", str(bundle)])
    idle = api.connect()
    idle.request("GET", "/health")
    assert idle.getresponse().read()
    assert api.stop(sig) == 0
    assert api.log == [f"listening on http://127.0.0.1:{api.port}"]


def test_it_ends_when_the_process_that_started_it_is_gone(bundle, start) -> None:
    api = start(["--bundle", str(bundle), "--stop-with-stdin"])
    assert api.get("/health")[0] == 200
    api.process.stdin.close()
    assert api.process.wait(10) == 0


def test_workers_end_with_their_parent_even_if_it_is_killed(bundle, start) -> None:
    api = start(["--bundle", str(bundle), "--workers", "2"])
    api.process.kill()
    api.process.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            api.connect().connect()
        except ConnectionRefusedError:
            return
        time.sleep(0.1)
    pytest.fail("a worker still listens")


def test_a_tampered_release_is_refused_at_start(shelf, start) -> None:
    path = shelf.bundle_path(shelf.ship("v1.0.0", 0.25))
    path.write_bytes(path.read_bytes().replace(b"Month", b"month"))
    api = start([*shelf.arguments, "--workers", "2"])
    assert api.process.wait(15) == 6
    assert len(api.log) == 2
    assert api.log[0].startswith("error: the bundle of v1.0.0 differs from its digest")
    assert api.log[1].startswith("hint: ")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command in this process, as it ends before it serves; return its exit code and the first line."""
    code = main([*arguments, "--port", "0"])
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    return code, lines[0]


def test_a_missing_bundle_is_refused_at_start(tmp_path, capsys) -> None:
    code, line = refused(capsys, "--bundle", str(tmp_path / "none.release"))
    assert (code, line) == (6, "error: the release bundle of none.release cannot be served: No such file or directory")


@pytest.mark.parametrize("data", [b"", b"\x80\x04K*.", b"PK\x05\x06" + b"\0" * 18])
def test_something_else_than_a_bundle_is_refused_at_start(tmp_path, capsys, data) -> None:
    (tmp_path / "x").write_bytes(data)
    code, line = refused(capsys, "--bundle", str(tmp_path / "x"))
    assert code == 6
    assert "bundle" in line


def test_a_bundle_without_its_parts_is_refused_at_start(tmp_path, capsys) -> None:
    write_bundle({"schema.json": b"{}", "card.json": b"{}"}, tmp_path / "x")
    code, line = refused(capsys, "--bundle", str(tmp_path / "x"))
    assert (code, line) == (6, "error: the release bundle of x cannot be served: model.bin is missing")


@pytest.mark.parametrize("data", [b"{}", b"", b"[]", b"x" * 70_000])
def test_a_broken_pointer_is_refused_at_start(shelf, capsys, data) -> None:
    shelf.pointer.write_bytes(data)
    code, line = refused(capsys, *shelf.arguments)
    assert code == 2
    assert "pointer" in line


def test_nothing_to_serve_is_a_usage_error(capsys) -> None:
    assert refused(capsys) == (2, "error: nothing to serve was named")


def test_a_strange_host_is_a_usage_error(bundle, capsys) -> None:
    assert refused(capsys, "--bundle", str(bundle), "--host", "no such host")[0] == 2


def test_a_taken_port_is_a_conflict(bundle, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        code = main(["--bundle", str(bundle), "--port", str(other.getsockname()[1])])
    assert code == 5
    assert capsys.readouterr().err.startswith("error: cannot listen on 127.0.0.1")


def test_serving_imports_no_data_or_training_library() -> None:
    heavy = ["pandas", "sklearn", "xgboost", "optuna", "git", "typer", "rich", "yaml", "scipy"]
    code = f"import sys, churnflow.serving.__main__; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert ended.stdout.strip() == "[]"


def test_a_slow_client_does_not_keep_others_waiting(bundle, start) -> None:
    api = start(["--bundle", str(bundle)])
    slow = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(50)]
    for one in slow:
        one.sendall(b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    started = time.monotonic()
    assert api.get("/health")[0] == 200
    assert time.monotonic() - started < 1
    for one in slow:
        one.close()
    assert api.call("POST", "/api/v1/predict", BODY)[0] == 200
    assert api.stop() == 0
    assert len(api.log) == 1
