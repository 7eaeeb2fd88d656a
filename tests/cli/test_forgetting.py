"""`churnflow forget`: a person is gone from the log whatever name it kept, and what is left is said."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from churnflow.modelling.prediction_log import PredictionLog
from churnflow.modelling.pseudonyms import pseudonym, secret_at
from tests.cli.conftest import Cli
from tests.databases import execute
from tests.predictions import opened, outcome, prediction, read

NOBODY = {"predictions": 0, "outcomes": 0}


@pytest.fixture
def serving(project: Path) -> Path:
    return project / ".git" / "churnflow" / "root" / "serving"


@pytest.fixture
def log(serving: Path) -> Iterator[PredictionLog]:
    """A log that has kept customers 7 and 8 by pseudonym, and by their ids before."""
    with opened(f"sqlite:///{serving / 'predictions.db'}") as log:
        fill(log, secret_at(serving / "pseudonym.key"))
        yield log


def fill(log: PredictionLog, secret: bytes) -> None:
    names = ("7", "8", pseudonym(secret, 7), pseudonym(secret, 8))
    log.write([prediction(n, customer=name, at=time.time() - 100 * 86_400 * n) for n, name in enumerate(names)], [])
    log.add_outcomes([outcome(time.time(), 1, customer=names[2]), outcome(time.time(), 0, of="00000000-0")])


def test_a_person_is_removed_by_pseudonym_and_by_id(here: Cli, log: PredictionLog, serving: Path) -> None:
    removed = here("forget", "7")
    assert (removed.code, removed.out.splitlines()[0]) == (0, "removed 2 predictions and 2 outcomes")
    assert "sources and artifacts of runs, which checkpoints hold, and backups of the log" in removed.out
    key = secret_at(serving / "pseudonym.key")
    assert [row.customer for row in read(log)] == [pseudonym(key, 8), "8"]
    again = here("forget", "7")
    assert (again.code, again.out.splitlines()[0]) == (0, "the predictions log knows no such customer")


def test_a_program_is_told_how_many_rows_were_removed(here: Cli, log: PredictionLog) -> None:
    answer = here("--json", "forget", "7").json
    assert (answer["command"], answer["ok"], answer["data"]) == ("forget", True, {"predictions": 2, "outcomes": 2})
    assert here("--json", "forget", "9").json["data"] == NOBODY


def test_without_the_key_of_pseudonyms_it_warns_and_makes_none(here: Cli, log: PredictionLog, serving: Path) -> None:
    (serving / "pseudonym.key").unlink()
    answer = here("--json", "forget", "7").json
    assert answer["data"] == {"predictions": 1, "outcomes": 1}
    assert "there is no key of pseudonyms" in answer["warnings"][0]
    assert not (serving / "pseudonym.key").exists()


def test_what_is_older_than_an_age_is_removed(here: Cli, log: PredictionLog) -> None:
    assert "removed 1 prediction older than 210 days" in here("forget", "--older-than", "30w").out
    assert here("--json", "forget", "--older-than", "90d").json["data"] == {"predictions": 2}
    assert [row.customer for row in read(log)] == ["7"]


@pytest.mark.parametrize("arguments", [(), ("7", "--older-than", "90d"), ("--older-than", "soon")])
def test_it_removes_nothing_unless_it_is_clear_what(here: Cli, log: PredictionLog, arguments) -> None:
    refused = here("forget", *arguments)
    assert (refused.code, len(refused.error)) == (2, 2)
    assert len(read(log)) == 4


@pytest.mark.parametrize("named_by", ["option", "environment"])
def test_a_log_in_postgresql_is_named_by_its_url(
    here: Cli, postgres: str, serving: Path, named_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(postgres, "DROP TABLE IF EXISTS predictions, service, outcomes, log_schema")
    if named_by == "environment":
        monkeypatch.setenv("CHURNFLOW_LOG", postgres)
    arguments = ["--log", postgres] if named_by == "option" else []
    none = here("forget", "7", *arguments)
    assert (none.code, none.error[0][:40]) == (2, "error: there is no predictions log in po")
    with opened(postgres) as log:
        fill(log, secret_at(serving / "pseudonym.key"))
        assert "removed 2 predictions and 2 outcomes" in here("forget", "7", *arguments).out
        assert len(read(log)) == 2


def test_a_log_that_is_not_there_is_said_in_two_lines(here: Cli) -> None:
    refused = here("forget", "7")
    assert (refused.code, len(refused.error)) == (2, 2)
    unreachable = here("forget", "7", "--log", "postgresql://u:gehe1m@127.0.0.1:1/x")
    assert (unreachable.code, len(unreachable.error)) == (5, 2)
    assert "gehe1m" not in unreachable.out + unreachable.err


def test_a_log_that_is_locked_is_said_in_two_lines_and_keeps_what_it_has(here: Cli, log, serving: Path) -> None:
    holder = sqlite3.connect(serving / "predictions.db")
    holder.execute("BEGIN IMMEDIATE")
    refused = here("forget", "7")
    holder.close()
    assert (refused.code, refused.error[0]) == (
        5,
        "error: the predictions log can not be written: database is locked",
    )
    assert "run the same command again" in refused.error[1]
    assert len(read(log)) == 4
