"""The whole way: what one machine released is cloned, pulled, verified, gone back to, served and scored by another."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.monitoring.conftest import released_once  # noqa: F401 - a project that serves a real release
from tests.cli.sharing.conftest import At, Team, git, store_of
from tests.customers import make_customers
from tests.keys import make_key


@pytest.fixture
def released(released_once: Path, tmp_path: Path, at: At) -> Team:  # noqa: F811 - the fixture is asked for by its name
    """A project that serves a real release, pushed."""
    team = Team(tmp_path)
    shutil.copytree(released_once, team.project)
    git(team.project, "add", "-A")
    git(team.project, "commit", "-qm", "code")
    git(team.folder, "init", "-q", "--bare", "-b", "main", "bare.git")
    git(team.project, "remote", "add", "origin", "../bare.git")
    git(team.project, "push", "-q", "origin", "main")
    assert at(team.project, "remote", "set", str(team.bytes)).code == 0
    assert at(team.project, "push").code == 0
    return team


def test_a_clone_scores_the_same_customers_alike(released: Team, at: At) -> None:
    customers = released.folder / "customers.csv"
    make_customers(50, 7).drop(columns="churn", errors="ignore").to_csv(customers, index=False)
    clone = released.clone()
    for command in ("pull", "verify"):
        assert at(clone, command).code == 0
    assert at(clone, "rollback", "shipped").code == 0
    lists = []
    for folder in (released.project, clone):
        outcome = at(folder, "score", str(customers), "-o", str(folder.parent / f"{folder.name}.csv"))
        assert outcome.code == 0, outcome.err
        lists.append(pd.read_csv(folder.parent / f"{folder.name}.csv"))
    pd.testing.assert_frame_equal(lists[0], lists[1])
    assert len(lists[1]) == 50


@pytest.mark.parametrize(
    "command", [("serve", "--port", "0"), ("score", "customers.csv", "-o", "out.csv"), ("verify",)]
)
def test_what_needs_the_bundle_says_which_command_fetches_it(released: Team, at: At, command: tuple[str, ...]) -> None:
    clone = released.clone()
    assert at(clone, "pull").code == 0
    assert at(clone, "rollback", "shipped").code == 0
    (clone / "customers.csv").write_text("tenure\n1\n")
    shutil.rmtree(store_of(clone) / "sha256")
    outcome = at(clone, *command)
    assert (outcome.code, len(outcome.error)) == (6, 2)
    assert "`churnflow pull`" in outcome.error[1]
    assert at(clone, "pull").code == 0
    assert at(clone, "verify").code == 0


def test_a_release_from_before_the_first_list_of_reviewers_is_proved_as_it_was_then(released: Team, at: At) -> None:
    ann = str(make_key(released.folder, "ann"))
    listed = ("reviewers", "add", "ann", "--key", f"{ann}.pub", "--role", "admin", "--sign-with", ann)
    assert at(released.project, *listed).code == 0
    assert at(released.project, "push").code == 0
    git(released.folder, "clone", "-q", "--no-local", "--no-tags", "bare.git", "clone")
    clone = released.folder / "clone"
    assert at(clone, "remote", "set", str(released.bytes)).code == 0
    outcome = at(clone, "pull")
    assert outcome.code == 0, outcome.err
    assert at(clone, "verify").code == 0


def test_a_report_that_tells_of_a_release_is_proved_by_a_clone_that_serves_nothing(released: Team, at: At) -> None:
    report = released.folder / "r.md"
    assert at(released.project, "report", "-o", str(report)).code == 0
    clone = released.clone()
    assert at(clone, "pull").code == 0
    assert at(clone, "verify", str(report)).code == 0
    text = report.read_text()
    at_ = text.index("served=") + len("served=")
    report.write_text(f"{text[:at_]}{'0' * 64}{text[at_ + 64 :]}")
    outcome = at(clone, "verify", str(report))
    assert (outcome.code, len(outcome.error)) == (5, 2)
    assert "a release that is in no checkpoint here" in outcome.error[0]


def test_a_version_that_was_never_served_in_a_clone_can_be_gone_back_to(released: Team, at: At) -> None:
    clone = released.clone()
    assert at(clone, "pull").code == 0
    shown = at(clone, "--json", "show", "v1.0.0").json["checkpoint"]
    assert shown == at(released.project, "--json", "show", "served").json["checkpoint"]
    assert at(clone, "rollback", "v1.0.0").code == 0
    assert at(clone, "--json", "show", "served").json["checkpoint"] == shown
    assert at(clone, "show", "v9.9.9").code == 2
