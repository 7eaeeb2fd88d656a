"""API keys over HTTP: who is let in, to what, and how often."""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving.conftest import ROOT, Api, eventually

BODY = json.dumps({"tenure": 12, "charges": 70.35, "contract": "One year"}).encode()
PREDICT, FEEDBACK = "/api/v1/predict", "/api/v1/feedback"


class Keys:
    """The keys of a project, made by the real command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "init", "-q", folder], check=True)
        (folder / "workflows").mkdir()

    def run(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "churnflow", "--json", "-C", str(self.folder), "keys", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def add(self, name: str, *options: str) -> str:
        token: str = self.run("add", name, *options)["data"]["token"]
        return token

    @property
    def path(self) -> Path:
        return self.folder / ".git" / "churnflow" / "root" / "serving" / "keys.json"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    folder = tmp_path / "project"
    folder.mkdir()
    return Keys(folder)


def ask(api: Api, method: str, path: str, token: str | None = None, header: str = "Authorization") -> tuple[int, Any]:
    """Return status and headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers[header] = f"Bearer {token}" if header == "Authorization" else token
    connection.request(method, path, BODY if method == "POST" else None, headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_with_keys_nobody_is_let_in_without_one(bundle, start, keys, header) -> None:
    token = keys.add("crm")
    api = start(["--bundle", str(bundle), "--keys", str(keys.path)])
    assert ask(api, "POST", PREDICT, token, header)[0] == 200
    for wrong in (None, "", token[:-1], f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}", "cf_0_x", "ü" * 60):
        status, headers = ask(api, "POST", PREDICT, wrong and wrong.encode().decode("latin-1"), header)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")


def test_probes_are_answered_without_a_key(bundle, start, keys) -> None:
    keys.add("crm")
    api = start(["--bundle", str(bundle), "--keys", str(keys.path)])
    assert [ask(api, "GET", path)[0] for path in ("/health", "/ready", "/metrics", "/docs", "/api/v1/version")] == [
        200,
        200,
        401,
        401,
        401,
    ]


@pytest.mark.parametrize(
    ("scope", "answers"),
    [("predict", [200, 403, 403, 200]), ("feedback", [403, 404, 403, 200]), ("admin", [200, 404, 200, 200])],
)
def test_a_key_opens_what_its_scope_names(bundle, start, keys, scope, answers) -> None:
    token = keys.add("one", "--scope", scope)
    api = start(["--bundle", str(bundle), "--keys", str(keys.path)])
    asked = [("POST", PREDICT), ("POST", FEEDBACK), ("GET", "/metrics"), ("GET", "/api/v1/model")]
    assert [ask(api, method, path, token)[0] for method, path in asked] == answers


def test_a_running_server_follows_new_and_revoked_keys(bundle, start, keys) -> None:
    first = keys.add("first")
    api = start(["--bundle", str(bundle), "--keys", str(keys.path)])
    second = keys.add("second")
    eventually(lambda: ask(api, "POST", PREDICT, second)[0] == 200, 1.5)
    keys.run("revoke", "first")
    eventually(lambda: ask(api, "POST", PREDICT, first)[0] == 401, 1.5)
    keys.run("revoke", "second")
    eventually(lambda: ask(api, "POST", PREDICT, second)[0] == 401, 1.5)
    assert ask(api, "POST", PREDICT)[0] == 401


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_key_is_held_to_its_rate_over_all_workers(bundle, start, keys, workers) -> None:
    token = keys.add("slow", "--rate", "0.5", "--burst", "6")
    other = keys.add("other")
    api = start(["--bundle", str(bundle), "--keys", str(keys.path), "--workers", workers])
    answers = [ask(api, "POST", PREDICT, token) for _ in range(12)]
    assert [status for status, _ in answers].count(200) in {6, 7}
    assert {headers["retry-after"] for status, headers in answers if status == 429} <= {"1", "2"}
    assert ask(api, "POST", PREDICT, other)[0] == 200


def test_a_damaged_file_of_keys_lets_nobody_in_until_it_is_mended(bundle, start, keys) -> None:
    token = keys.add("crm")
    api = start(["--bundle", str(bundle), "--keys", str(keys.path)])
    whole = keys.path.read_bytes()
    keys.path.write_bytes(whole[:-20])
    eventually(lambda: ask(api, "POST", PREDICT, token)[0] == 401, 1.5)
    keys.path.write_bytes(whole)
    eventually(lambda: ask(api, "POST", PREDICT, token)[0] == 200, 1.5)


def test_the_file_holds_no_key_and_nobody_else_may_read_it(keys) -> None:
    token = keys.add("crm")
    # The secret itself may hold `_`, too.
    assert token.split("_", 2)[2] not in keys.path.read_text()
    assert keys.path.stat().st_mode & 0o777 == 0o600


def test_outside_of_loopback_a_server_without_a_key_does_not_start(bundle, start, keys) -> None:
    arguments = ["--bundle", str(bundle), "--keys", str(keys.path), "--host", "0.0.0.0"]
    refused = start(arguments)
    assert refused.ended() == 4
    assert "churnflow keys add" in refused.log[1]
    token = keys.add("crm")
    keys.run("revoke", "crm")
    assert start(arguments).ended() == 4
    token = keys.add("crm")
    api = start(arguments)
    assert [ask(api, "POST", PREDICT)[0], ask(api, "POST", PREDICT, token)[0]] == [401, 200]


@pytest.mark.parametrize(
    ("arguments", "exit_name", "text"),
    [
        (("add", "CRM!"), "usage", "name is wrong"),
        (("add", "x", "--scope", "root"), "usage", "there is no scope 'root'"),
        (("add", "x", "--rate", "0"), "usage", "rate is wrong"),
        (("add", "known"), "conflict", "there is an active key called 'known'"),
        (("revoke", "unknown"), "usage", "no active key called 'unknown'"),
    ],
)
def test_what_is_wrong_with_a_key_is_said_in_two_lines(keys, arguments, exit_name, text) -> None:
    keys.add("known")
    answer = keys.run(*arguments)
    assert answer["exit"]["name"] == exit_name
    assert answer["error"]["text"].startswith(text)


def test_the_list_shows_every_key_and_no_digest(keys) -> None:
    keys.add("known", "--scope", "predict", "--scope", "feedback")
    keys.run("revoke", "known")
    listed = keys.run()["data"]["keys"]
    assert [(key["name"], key["scopes"], key["revoked_at"] is None) for key in listed] == [
        ("known", ["predict", "feedback"], False)
    ]
    assert "sha256" not in listed[0]


def test_a_line_break_behind_a_path_opens_nothing(bundle, start, keys) -> None:
    token = keys.add("crm", "--scope", "predict")
    api = start(["--bundle", str(bundle), "--keys", str(keys.path)])
    assert ask(api, "GET", "/metrics%0A", token)[0] == 404
    assert ask(api, "POST", f"{FEEDBACK}%0A", token)[0] == 404


def test_a_file_of_keys_that_is_gone_lets_nobody_in(bundle, start, keys) -> None:
    token = keys.add("crm")
    api = start(["--bundle", str(bundle), "--keys", str(keys.path)])
    away = keys.path.with_name("away")
    keys.path.rename(away)
    eventually(lambda: ask(api, "POST", PREDICT, token)[0] == 401, 1.5)
    assert ask(api, "POST", PREDICT)[0] == 401
    away.rename(keys.path)
    eventually(lambda: ask(api, "POST", PREDICT, token)[0] == 200, 1.5)
