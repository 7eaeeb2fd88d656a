"""The ledger at the command line: conditions, evidence and waivers that end, from birth to end in the report."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from churnflow.domain.journal import IssueAnswer
from churnflow.project import Project
from tests.cli.conftest import Cli, at_terminal, ended


def lines(here: Cli) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = here("--json", "issues").json["data"]["issues"]
    return found


@pytest.fixture
def promised(project: Path, here: Cli) -> str:
    """A run that stopped at the gate, since its release was approved on a condition; return the id of that."""
    path = project / "answers.yaml"
    path.write_text(path.read_text().replace("! label it", "? label it"))
    assert here("run", "--answers", "answers.yaml").code == 8
    (line,) = lines(here)
    assert (line["kind"], line["state"]) == ("condition", "open")
    return str(line["id"])


def test_a_condition_is_closed_by_a_person_on_evidence_and_the_report_tells_it_all(
    project: Path, here: Cli, promised: str
) -> None:
    assert f"forbids to ship: {promised}: label it (open)" in here("status").out
    word = here("issues", "close", promised, "--reason", "it is on")
    assert (word.code, word.error[0]) == (4, f"error: a word alone does not close {promised}: evidence is missing")
    older = here("issues", "close", promised, "--reason", "it is on", "--evidence", "double")
    assert (older.code, older.error[0]) == (
        4,
        f"error: double was made before {promised} was noticed, and shows nothing of it",
    )
    arguments = ("issues", "close", promised, "--reason", "it is on", "--evidence", "reviewed", "--by", "Bo")
    unasked = here(*arguments)
    assert (unasked.code, "is promised: only a person at a terminal" in unasked.error[0]) == (3, True)
    screen = at_terminal(project, *arguments)
    screen.expect_exact(f"type {promised} to close it: ")
    screen.sendline(promised)
    assert ended(screen) == 0
    assert here("decide").code == 0
    (line,) = lines(here)
    assert (line["state"], line["evidence"]["kind"]) == ("closed", "checkpoint")
    text = here("report", "-o", "-").out
    told = text[text.index("### Issues found") :].split("\n\n")[1].splitlines()
    assert told[0].startswith("- release: promised, closed by Bo by checkpoint ")
    assert [entry.split()[1] for entry in told[1:]] == ["noticed", "closed"]
    shown = here("--json", "show", "HEAD").json["data"]["issues"]
    assert [(one["id"], one["state"]) for one in shown] == [(promised, "closed")]


def test_an_ended_waiver_is_open_again_in_status_and_for_the_gate(project: Path, here: Cli, promised: str) -> None:
    opened = Project.open(project)
    run = opened.journal.current()
    assert run is not None
    now = datetime.now(UTC).replace(microsecond=0)
    values = {"name": promised, "by": "Cleo", "reason": "soon", "at": now, "until": now + timedelta(days=3)}
    opened.journal.append(run, IssueAnswer.model_validate({**values, "action": "waive"}))
    assert here("decide").code == 0
    late = {**values, "at": now - timedelta(days=9), "until": now - timedelta(days=1)}
    run = opened.journal.current()
    assert run is not None
    opened.journal.append(run, IssueAnswer.model_validate({**late, "action": "waive"}))
    status = here("status")
    assert re.search(r"ship +stale", status.out)
    assert f"{promised}: label it (open again, the waiver of Cleo ended on {late['until']:%Y-%m-%d})" in status.out
    assert here("--json", "status").json["data"]["open_issues"][0]["id"] == promised
    assert "open again, the waiver of Cleo ended" in here("report", "-o", "-").out
    assert here("decide").code == 8


@pytest.mark.parametrize(
    ("until", "said"),
    [
        ("soon", "is no date and no number of days"),
        ("2020-01-01", "is past"),
        ("400d", "is more than 366 days from now"),
        ("9999w", "is more than 366 days from now"),
    ],
)
def test_a_waiver_ends_within_a_year(here: Cli, promised: str, until: str, said: str) -> None:
    outcome = here("issues", "waive", promised, "--reason", "later", "--until", until)
    assert outcome.code == 2
    assert said in outcome.error[0]


@pytest.mark.parametrize(
    ("declared", "given", "days"), [("", (), 90), ("waiver_days: 7\n", (), 7), ("", ("--until", "2w"), 14)]
)
def test_a_waiver_says_when_it_ends(project: Path, here: Cli, declared: str, given: tuple[str, ...], days: int) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("phases:", f"{declared}phases:", 1))
    assert here("run", "--answers", "answers.yaml").code == 0
    (line,) = lines(here)
    before = datetime.now(UTC).date()
    outcome = here("issues", "waive", line["id"], "--reason", "known", *given)
    ends = {before + timedelta(days), datetime.now(UTC).date() + timedelta(days)}
    assert outcome.code == 0
    assert any(f"it is open again after {day}" in outcome.out for day in ends)
    (line,) = lines(here)
    assert datetime.fromisoformat(line["until"]).date() in ends


def test_what_is_measured_no_more_stays_in_the_list_as_closed_by_that_step(project: Path, here: Cli) -> None:
    (project / "data" / "number.txt").write_text("4\n")
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("produces: {doubled", "needs: {}\n      produces: {doubled"))
    (project / "steps.py").write_text((project / "steps.py").read_text().replace("* factor", "* factor + 1"))
    assert here("build").code == 5
    assert here("run", "--answers", "answers.yaml", "--until", "double").code == 0
    assert [(line["text"], line["state"]) for line in lines(here)] == [("odd number", "open")]
    (project / "steps.py").write_text((project / "steps.py").read_text().replace("* factor + 1", "* factor"))
    assert here("run", "--answers", "answers.yaml", "--until", "double").code == 0
    (line,) = lines(here)
    assert (line["state"], line["evidence"]["name"]) == ("closed", "double")


def test_without_a_terminal_the_command_is_repeated_as_it_was_typed(here: Cli, promised: str) -> None:
    outcome = here("--json", "issues", "waive", promised, "--reason", "it's known", "--until", "30d")
    assert outcome.code == 3
    typed = f"churnflow issues waive {promised} --reason 'it'\"'\"'s known' --until 30d"
    assert outcome.json["error"]["hint"] == f"`{typed}` at a terminal"
    odd = here("--json", "issues", "waive", promised, "--reason", "see `churnflow gc` and\nmore")
    assert odd.json["error"]["hint"] == f"`churnflow issues waive {promised} --reason TEXT` at a terminal"
    assert odd.json["next"][0]["command"] == f"churnflow issues waive {promised} --reason TEXT"
