"""How the serving process starts, refuses to start, and ends."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing

import pytest

from churnflow.modelling.bundle import write_bundle
from churnflow.serving.__main__ import main
from tests.serving.conftest import eventually, serving_workers

BODY = json.dumps({"tenure": 5, "charges": 80.5, "contract": "Month-to-month"}).encode()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gracefully(bundle, start, sig) -> None:
    api = start(["--bundle", str(bundle)])
    with closing(api.connect()) as idle:
        idle.request("GET", "/health")
        assert idle.getresponse().read()
        assert api.stop(sig) == 0
    assert api.complaints == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_that_has_begun_is_answered_before_it_ends(bundle, start, workers) -> None:
    api = start(["--bundle", str(bundle), "--workers", str(workers)])
    head = f"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}"
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as begun:
        begun.sendall(head.encode() + b"\r\n\r\n" + BODY[:9])
        time.sleep(0.3)
        api.process.terminate()
        time.sleep(1.0)
        begun.sendall(BODY[9:])
        assert begun.recv(100).startswith(b"HTTP/1.1 200 ")
    assert api.ended() == 0
    assert api.complaints == []


def test_ctrl_c_at_a_terminal_ends_all_workers_without_a_traceback(bundle, start) -> None:
    api = start(["--bundle", str(bundle), "--workers", "2"])
    # A terminal sends it to the whole group.
    workers = serving_workers(api)
    for process in [*workers, api.process]:
        process.send_signal(signal.SIGINT)
    assert api.ended() == 0
    assert api.complaints == []
    assert not any(worker.is_running() for worker in workers)


def test_a_second_ctrl_c_waits_for_no_client(bundle, start) -> None:
    api = start(["--bundle", str(bundle)])
    with socket.create_connection(("127.0.0.1", api.port)) as slow:
        slow.sendall(b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        time.sleep(0.2)
        api.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert api.process.poll() is None
        assert api.stop(signal.SIGINT) == 0


def test_a_worker_that_dies_is_replaced(bundle, start) -> None:
    api = start(["--bundle", str(bundle), "--workers", "2"])
    before = serving_workers(api)
    before[0].kill()
    eventually(lambda: before[0] not in serving_workers(api) and len(serving_workers(api)) == 2, seconds=10)
    eventually(lambda: answers(api), seconds=10)
    assert api.stop() == 0


def test_workers_started_beside_a_bad_release_say_why_they_do_not_answer(shelf, start) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--workers", "2"])
    shelf.point("v1.1.0", "0" * 64)
    for worker in serving_workers(api):
        worker.kill()
    eventually(lambda: "v1.1.0 cannot be served" in refusal(api), seconds=15)
    shelf.ship("v1.2.0", 0.5)
    eventually(lambda: answers(api), seconds=10)
    assert api.stop() == 0


def answers(api) -> bool:
    try:
        return api.call("POST", "/api/v1/predict", BODY)[0] == 200
    except OSError:
        return False


def refusal(api) -> str:
    try:
        answer = api.get("/ready")[1]
    except OSError:
        return ""
    return answer["detail"][0]["problem"] if "detail" in answer else ""


def test_it_ends_when_the_process_that_started_it_is_gone(bundle, start) -> None:
    api = start(["--bundle", str(bundle), "--stop-with-stdin"])
    assert api.get("/health")[0] == 200
    api.process.stdin.close()
    assert api.ended() == 0


def test_workers_end_with_their_parent_even_if_it_is_killed(bundle, start) -> None:
    api = start(["--bundle", str(bundle), "--workers", "2"])
    api.process.kill()
    api.process.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", api.port)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.1)
    pytest.fail("a worker still listens")


def test_a_tampered_release_is_refused_at_start(shelf, start) -> None:
    path = shelf.bundle_path(shelf.ship("v1.0.0", 0.25))
    path.write_bytes(path.read_bytes().replace(b"Month", b"month"))
    api = start([*shelf.arguments, "--workers", "2"])
    assert api.ended() == 6
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


@pytest.mark.parametrize("host", ["no such host", "a..b", "x" * 300, "203.0.113.1", "fe80::1"])
def test_a_host_that_is_not_this_machine_is_a_usage_error(bundle, capsys, host) -> None:
    code, line = refused(capsys, "--bundle", str(bundle), "--host", host)
    assert code == 2
    assert line.startswith(f"error: cannot listen on {host} port 0")


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [("--port", "70000", "0 to 65535"), ("--port", "-1", "0 to 65535"), ("--workers", "0", "1 to 64")],
)
def test_a_number_out_of_range_is_a_usage_error(bundle, capsys, option, value, wanted) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--bundle", str(bundle), option, value])
    assert ended.value.code == 2
    assert f"argument {option}: must be {wanted}" in capsys.readouterr().err


@pytest.mark.parametrize(("host", "shown", "asked"), [("127.0.0.2", "127.0.0.2", "127.0.0.2"), ("::1", "[::1]", "::1")])
def test_it_listens_where_it_is_told_to(bundle, start, host, shown, asked) -> None:
    api = start(["--bundle", str(bundle), "--host", host])
    if not api.port and not has_address(host):
        assert api.ended() == 2
        return
    assert api.log[0] == f"listening on http://{shown}:{api.port}"
    assert f"http://{shown}:{api.port}/docs" in api.log[1]
    with closing(http.client.HTTPConnection(asked, api.port, timeout=10)) as connection:
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200


def has_address(host: str) -> bool:
    """Say whether this machine has the address; one without IPv6 has no ::1."""
    try:
        socket.create_server((host, 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_a_taken_port_is_a_conflict(bundle, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        code = main(["--bundle", str(bundle), "--port", str(other.getsockname()[1])])
    assert code == 5
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == ["error", "hint"]
    assert said[0].startswith("error: cannot listen on 127.0.0.1")


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
    # Nobody waits for the ten seconds that a slow client is given.
    assert time.monotonic() - started < 5
    for one in slow:
        one.close()
    assert api.call("POST", "/api/v1/predict", BODY)[0] == 200
    assert api.stop() == 0
    assert api.complaints == []
