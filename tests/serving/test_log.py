"""The predictions log from the side of the API: complete, private, and never in the way of a prediction."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from churnflow.domain.serving import Privacy
from churnflow.modelling.prediction_log import PredictionLog, PredictionRow
from tests.databases import execute
from tests.serving.conftest import ROOT, Api, eventually
from tests.serving.test_traffic import Traffic

CUSTOMER = {"tenure": 12, "charges": 70.35, "contract": "One year"}
FEEDBACK = "/api/v1/feedback"


def rows(url: str) -> list[PredictionRow]:
    with closing(PredictionLog.open(url)) as log:
        return [row for batch in log.predictions(0.0, 1e12) for row in batch]


def lost_of_service(url: str) -> int:
    with closing(PredictionLog.open(url)) as log:
        return sum(row.lost for row in log.service(0, 10**12))


def labels(url: str) -> dict[str, int]:
    with closing(PredictionLog.open(url)) as log:
        return {one.prediction.id: one.label for batch in log.labelled(0.0, 1e12) for one in batch}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'log' / 'predictions.db'}"


def secret(folder: Path) -> list[str]:
    return ["--secret", str(folder / "pseudonym.key")]


def feedback(api: Api, *outcomes: dict[str, Any]) -> Any:
    return api.call("POST", FEEDBACK, json.dumps({"outcomes": list(outcomes)}).encode())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_prediction_is_taken_down_as_it_was_answered(shelf, start, url, workers, tmp_path) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", url, "--workers", workers, *secret(tmp_path)])
    answers = [api.predict({"customers": [{**CUSTOMER, "tenure": n}, CUSTOMER]})[1] for n in range(20)]
    assert api.stop() == 0
    expected = {one["prediction_id"]: one["probability"] for answer in answers for one in answer["predictions"]}
    found = rows(url)
    assert {row.id: row.probability for row in found} == expected
    assert {(row.version, row.release, row.key) for row in found} == {("v1.0.0", answers[0]["release"]["sha256"], None)}
    assert all(0 < row.latency_ms < 5_000 and row.decision == (row.probability >= 0.4) for row in found)
    assert all(abs(row.at - time.time()) < 300 for row in found)


@pytest.mark.parametrize(
    ("privacy", "customer", "inputs"),
    [
        (None, "pseudonym", False),
        (Privacy(customer="plain", inputs="values"), "plain", True),
        (Privacy(customer="none", inputs="none"), "none", False),
    ],
)
def test_of_a_customer_it_keeps_what_the_workflow_says(shelf, start, url, tmp_path, privacy, customer, inputs) -> None:
    digest = shelf.put(0.25)
    shelf.point("v1.0.0", digest, privacy)
    api = start([*shelf.arguments, "--log", url, *secret(tmp_path)])
    api.predict({**CUSTOMER, "customer_id": "C-17"})
    assert api.stop() == 0
    (row,) = rows(url)
    shown = {"plain": row.customer == "C-17", "none": row.customer is None}
    assert shown.get(customer, str(row.customer).startswith("p:") and "C-17" not in str(row.customer))
    assert (json.loads(row.inputs or "null") == CUSTOMER) is inputs


def test_outcomes_find_their_predictions_by_id_and_by_customer(shelf, start, url, tmp_path) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", url, *secret(tmp_path)])
    first, second, third = (
        api.predict({**CUSTOMER, "customer_id": name})[1]["predictions"][0]["prediction_id"] for name in ("a", "b", 7)
    )
    eventually(lambda: len(rows(url)) == 3)
    assert feedback(api, {"prediction_id": first, "churned": True}) == (200, {"accepted": 1, "unknown": []})
    told = feedback(api, {"customer_id": "b", "churned": "No"}, {"customer_id": "z", "churned": True})
    assert told == (200, {"accepted": 2, "unknown": [1]})
    assert feedback(api, {"customer_id": 7, "churned": "Yes"})[0] == 200
    assert labels(url) == {first: 1, second: 0, third: 1}


def test_without_a_log_there_is_nothing_to_tell_outcomes_to(api) -> None:
    status, answer = feedback(api, {"prediction_id": "0a-0", "churned": True})
    assert (status, answer["detail"][0]["field"]) == (404, "log")


def test_a_full_disk_is_said_and_counted_and_fails_no_prediction(shelf, start, url) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", url])
    process = writer_of(api)
    unlimited = process.rlimit(psutil.RLIMIT_FSIZE)
    # No file may grow beyond this: what a full disk is to a process.
    process.rlimit(psutil.RLIMIT_FSIZE, (300_000, unlimited[1]))
    traffic = Traffic(api.port, connections=4)
    traffic.start(3.0)
    heard = traffic.end()
    assert set(heard.statuses) == {200}
    assert "churnflow_log_up 0.0" in api.get("/metrics")[1]
    assert any("the predictions log can not be written" in line for line in api.log)
    process.rlimit(psutil.RLIMIT_FSIZE, unlimited)
    # Those whose client had gone when they were answered are in it, too.
    eventually(lambda: 0 <= len(rows(url)) - heard.statuses[200] <= 4, 20)
    assert any("the predictions log is back" in line for line in api.log)


def writer_of(api: Api) -> psutil.Process:
    """Return the process that writes the log of a server with one worker."""
    children = psutil.Process(api.process.pid).children()
    return next(child for child in children if "churnflow.serving.log_writer" in child.cmdline())


def test_a_writer_that_is_killed_is_started_again(shelf, start, url) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", url])
    api.predict(CUSTOMER)
    eventually(lambda: len(rows(url)) == 1)
    time.sleep(1.1)
    writer_of(api).kill()
    traffic = Traffic(api.port, connections=2)
    traffic.start(2.0)
    assert set(traffic.end().statuses) == {200}
    eventually(lambda: len(rows(url)) > 100)
    assert api.stop() == 0


def test_what_a_killed_writer_took_with_it_is_counted_as_lost(shelf, start, url) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", url])
    time.sleep(1.1)
    writer = writer_of(api)
    # It takes in nothing more, and then it is gone: only the worker knows of what it was told.
    writer.suspend()
    for _ in range(20):
        assert api.predict(CUSTOMER)[0] == 200
    assert lost(api) == 0
    writer.kill()
    eventually(lambda: lost(api) == 20)
    api.predict(CUSTOMER)
    eventually(lambda: len(rows(url)) == 1)
    eventually(lambda: lost_of_service(url) == 20)
    # What was written is not counted when the next one is gone, too.
    time.sleep(1.1)
    writer_of(api).kill()
    eventually(lambda: len([line for line in api.log if "has ended" in line]) == 2)
    assert lost(api) == 20
    assert api.stop() == 0


def lost(api) -> float:
    (line,) = [line for line in api.get("/metrics")[1].splitlines() if line.startswith("churnflow_log_lost_total ")]
    return float(line.split()[1])


def test_outcomes_that_can_not_be_kept_are_not_taken(shelf, start) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", "sqlite:////proc/none/predictions.db"])
    assert api.predict(CUSTOMER)[0] == 200
    status, answer = feedback(api, {"prediction_id": "0a-0", "churned": True})
    assert (status, answer["detail"][0]["field"]) == (503, "log")


def test_a_database_that_stops_under_load_fails_no_prediction_and_misses_none(
    shelf, start, postgres, postgres_server
) -> None:
    execute(postgres, *(f"DROP TABLE IF EXISTS {name}" for name in ("predictions", "service", "outcomes")))
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", postgres])
    traffic = Traffic(api.port, connections=2)
    traffic.start(7.0)
    eventually(lambda: len(rows(postgres)) > 50)
    postgres_server.stop()
    eventually(lambda: any("the predictions log can not be written" in line for line in api.log))
    assert api.predict(CUSTOMER)[0] == 200
    postgres_server.start()
    heard = traffic.end()
    assert set(heard.statuses) == {200}
    eventually(lambda: any("the predictions log is back" in line for line in api.log), 20)
    assert api.stop() == 0
    assert 0 <= len(rows(postgres)) - (heard.statuses[200] + 1) <= 2


def test_a_lost_file_of_the_log_is_made_again(shelf, start, tmp_path) -> None:
    shelf.ship("v1.0.0", 0.25)
    path = tmp_path / "log" / "predictions.db"
    api = start([*shelf.arguments, "--log", f"sqlite:///{path}"])
    api.predict(CUSTOMER)
    eventually(lambda: path.exists() and len(rows(f"sqlite:///{path}")) == 1)
    for file in path.parent.iterdir():
        file.unlink()
    api.predict(CUSTOMER)
    eventually(lambda: path.exists() and len(rows(f"sqlite:///{path}")) >= 1, 10)


def test_the_minutes_say_how_many_were_answered_and_that_the_server_lived(shelf, start, url) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", url])
    for _ in range(5):
        api.predict(CUSTOMER)
    api.predict({})
    assert api.stop() == 0
    with closing(PredictionLog.open(url)) as log:
        service = log.service(0, 10**12)
    counts: dict[tuple[str, int], int] = {}
    for row in service:
        counts[row.route, row.status] = counts.get((row.route, row.status), 0) + row.requests
    assert counts == {("predict", 200): 5, ("predict", 422): 1, ("alive", 0): 0}


def test_forget_removes_a_person_from_the_log_of_the_project(shelf, start, tmp_path) -> None:
    folder = tmp_path / "project"
    (folder / "workflows").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", folder], check=True)
    serving = folder / ".git" / "churnflow" / "root" / "serving"
    url = f"sqlite:///{serving / 'predictions.db'}"
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", url, *secret(serving)])
    for name in ("a", "b", "a"):
        api.predict({**CUSTOMER, "customer_id": name})
    assert feedback(api, {"customer_id": "a", "churned": True})[0] == 200
    eventually(lambda: len(rows(url)) == 3)
    run = command_in(folder)
    assert run("forget", "a")["data"] == {"predictions": 2, "outcomes": 1}
    assert run("forget", "a")["data"] == {"predictions": 0, "outcomes": 0}
    assert len(rows(url)) == 1
    assert run("forget", "--older-than", "1d")["data"] == {"predictions": 0}
    for wrong in (("forget",), ("forget", "a", "--older-than", "1d"), ("forget", "--older-than", "soon")):
        assert run(*wrong)["exit"]["name"] == "usage"


def test_forget_says_when_there_is_no_log(tmp_path) -> None:
    (tmp_path / "workflows").mkdir()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    answer = command_in(tmp_path)("forget", "a")
    assert (answer["exit"]["name"], answer["error"]["text"][:28]) == ("usage", "there is no predictions log ")


def command_in(folder: Path) -> Callable[..., dict[str, Any]]:
    def run(*arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "churnflow", "--json", "-C", str(folder), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run


def test_another_privacy_of_the_same_bundle_counts_from_the_switch_on(shelf, start, url, tmp_path) -> None:
    digest = shelf.put(0.25)
    shelf.point("v1.0.0", digest, Privacy(customer="plain", inputs="values"))
    api = start([*shelf.arguments, "--log", url, *secret(tmp_path)])
    api.predict({**CUSTOMER, "customer_id": "open"})
    shelf.point("v1.0.1", digest, Privacy(customer="none", inputs="none"))
    eventually(lambda: api.get("/api/v1/version")[1]["version"] == "v1.0.1")
    api.predict({**CUSTOMER, "customer_id": "hidden"})
    assert api.stop() == 0
    assert sorted((str(row.version), row.customer, row.inputs is None) for row in rows(url)) == [
        ("v1.0.0", "open", False),
        ("v1.0.1", None, True),
    ]


def test_what_waits_at_a_stop_is_written(shelf, start, url) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", url])
    customers = [{**CUSTOMER, "tenure": number % 70} for number in range(1_000)]
    assert {api.predict({"customers": customers})[0] for _ in range(12)} == {200}
    assert api.stop() == 0
    assert len(rows(url)) == 12_000
    assert api.complaints == []


def test_a_number_of_any_size_is_taken_down(shelf, start, url) -> None:
    shelf.ship("v1.0.0", 0.25)
    api = start([*shelf.arguments, "--log", url])
    assert api.predict({**CUSTOMER, "tenure": "12", "charges": 10**30})[0] == 200
    assert api.stop() == 0
    assert len(rows(url)) == 1
    assert api.complaints == []
