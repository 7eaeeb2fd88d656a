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
