"""A report is the same in every clone: what was pulled since changes nothing, and no honest one is called false."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.sharing.conftest import At, Team, git


@pytest.fixture
def colleague(team: Team, at: At) -> Path:
    """A copy of the project in which a colleague has shipped a run of their own; it is not pushed yet."""
    copy = Path(shutil.copytree(team.project, team.folder / "colleague"))
    (copy / "data" / "number.txt").write_text("6\n")
    assert at(copy, "run", "--new", "--answers", "answers.yaml").code == 0
    return copy


def run_here(team: Team, at: At) -> None:
    """Ship a second run in the project, after the colleague's."""
    (team.project / "data" / "number.txt").write_text("8\n")
    assert at(team.project, "run", "--new", "--answers", "answers.yaml").code == 0


def pull_the_colleagues(team: Team, colleague: Path, at: At) -> None:
    assert at(colleague, "push").code == 0
    assert at(team.project, "pull").code == 0


@pytest.mark.parametrize("name", ["r.md", "r.html", "r.json"])
def test_a_pull_of_an_older_run_makes_no_report_false(team: Team, colleague: Path, at: At, name: str) -> None:
    run_here(team, at)
    assert at(team.project, "report", "-o", name).code == 0
    before = json.loads(at(team.project, "report", "--format", "json", "-o", "-").out)["standings"]
    pull_the_colleagues(team, colleague, at)
    after = json.loads(at(team.project, "report", "--format", "json", "-o", "-").out)["standings"]
    assert after != before
    outcome = at(team.project, "verify", name)
    assert outcome.code == 0, outcome.err


def test_a_report_that_counts_runs_which_are_not_here_says_so_and_is_not_called_false(
    team: Team, colleague: Path, at: At
) -> None:
    run_here(team, at)
    pull_the_colleagues(team, colleague, at)
    report = team.folder / "r.md"
    assert at(team.project, "report", "-o", str(report)).code == 0
    assert at(team.project, "push").code == 0
    clone = team.clone()
    assert at(clone, "pull").code == 0
    assert at(clone, "verify", str(report)).code == 0
    theirs = at(colleague, "--json", "status").json["run"]
    for ref in git(clone, "for-each-ref", "--format=%(refname)").splitlines():
        if theirs in ref:
            git(clone, "update-ref", "-d", ref)
    outcome = at(clone, "verify", str(report))
    assert (outcome.code, len(outcome.error)) == (5, 2)
    assert f"r.md was made with other runs than are here: {theirs}/04" in outcome.error[0]


def test_a_checkpoint_is_exported_to_the_same_bytes_whatever_was_pulled_since(
    team: Team, colleague: Path, at: At, tmp_path: Path
) -> None:
    run_here(team, at)
    tars = [tmp_path / "before.tar", tmp_path / "after.tar", tmp_path / "clone.tar"]
    run = at(team.project, "--json", "status").json["run"]
    tag = f"churnflow/{run}/04-shipped"
    assert at(team.project, "export", tag, "-o", str(tars[0])).code == 0
    pull_the_colleagues(team, colleague, at)
    assert at(team.project, "export", tag, "-o", str(tars[1])).code == 0
    assert at(team.project, "push").code == 0
    clone = team.clone()
    assert at(clone, "pull").code == 0
    assert at(clone, "export", tag, "-o", str(tars[2])).code == 0
    assert len({tar.read_bytes() for tar in tars}) == 1


@pytest.fixture
def decided(team: Team, at: At) -> str:
    """The report of a run whose gate has decided since its last checkpoint; pushed. Return the run."""
    workflow = team.project / "workflows" / "churn.yaml"
    workflow.write_text(workflow.read_text().replace("    - checkpoint: shipped\n", ""))
    assert at(team.project, "run", "--new", "--answers", "answers.yaml").code == 0
    assert at(team.project, "report", "-o", str(team.folder / "r.md")).code == 0
    assert at(team.project, "push").code == 0
    return str(at(team.project, "--json", "status").json["run"])


def test_a_report_of_what_only_a_journal_holds_is_not_called_false_where_that_is_not(
    team: Team, decided: str, at: At
) -> None:
    report = str(team.folder / "r.md")
    assert at(team.project, "verify", report).code == 0
    clone = team.clone()
    assert at(clone, "pull").code == 0
    journal = team.project / ".git" / "churnflow" / "root" / "runs" / decided / "journal.jsonl"
    journal.unlink()
    for folder in (clone, team.project):
        outcome = at(folder, "verify", report)
        assert (outcome.code, len(outcome.error)) == (5, 2)
        assert "is in no checkpoint here as it says; its journal is gone, or in another clone" in outcome.error[0]
        assert f"`churnflow report churnflow/{decided}/03-reviewed`" in outcome.error[1]


def test_a_report_of_a_checkpoint_is_proved_in_every_clone(pushed: Team, at: At) -> None:
    reports = [str(pushed.folder / name) for name in ("then.md", "now.md")]
    assert at(pushed.project, "report", "shipped", "-o", reports[0]).code == 0
    assert at(pushed.project, "report", "-o", reports[1]).code == 0
    clone = pushed.clone()
    assert at(clone, "pull").code == 0
    for report in reports:
        outcome = at(clone, "verify", report)
        assert outcome.code == 0, outcome.err
