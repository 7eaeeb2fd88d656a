"""A clone has tags of checkpoints, at first without their bytes or a current run: it says so, and what helps."""

import pytest

from tests.cli.sharing.conftest import At, Team, git

SAID = "checkpoints of 1 run are here (churnflow log), none is current"


@pytest.mark.parametrize("command", ["verify", "report"])
def test_before_a_pull_a_command_that_needs_a_run_names_the_pull(pushed: Team, at: At, command: str) -> None:
    outcome = at(pushed.clone(), command)
    assert outcome.code in {5, 6}
    assert outcome.error[0] == f"error: {SAID}"
    assert outcome.error[1].startswith("hint: `churnflow pull` fetches what is missing")


def test_before_a_pull_status_says_whose_checkpoints_are_here_and_log_lists_them(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    outcome = at(clone, "status")
    assert outcome.out.splitlines()[0] == SAID
    assert outcome.out.endswith(f"next: churnflow -C {clone} pull\n")
    listed = at(clone, "--json", "log").json
    assert (listed["run"], len(listed["data"]["checkpoints"])) == (pushed.run, 4)


def test_after_a_pull_status_leads_to_the_newest_checkpoint(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    assert at(clone, "pull").code == 0
    outcome = at(clone, "status")
    assert outcome.out.splitlines()[0] == SAID
    back = f"rollback churnflow/{pushed.run}/04-shipped"
    assert outcome.out.endswith(f"next: churnflow -C {clone} {back}\n")
    assert at(clone, *back.split()).code == 0
    assert "none is current" not in at(clone, "status").out


def test_a_run_of_which_only_tags_came_is_told_with_the_pull_that_fetches_it(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    assert at(clone, "pull", "shipped").code == 0
    outcome = at(clone, "export", "shipped", "-o", str(pushed.folder / "x.tar"))
    assert outcome.code == 6
    assert outcome.error[1].startswith("hint: `churnflow pull` fetches it")
    assert at(clone, "pull").code == 0
    assert at(clone, "verify", "shipped").code == 0


def test_a_clone_of_code_alone_has_no_run(pushed: Team, at: At) -> None:
    git(pushed.folder, "clone", "-q", "--no-local", "--no-tags", "bare.git", "bare-code")
    assert at(pushed.folder / "bare-code", "status").out.splitlines()[0] == "no run has begun"


def test_whoever_names_the_remote_first_pulls_where_no_run_is_here_and_pushes_where_one_is(
    pushed: Team, at: At
) -> None:
    clone = pushed.clone()
    assert at(clone, "remote", "set", str(pushed.bytes)).out.endswith(f"next: churnflow -C {clone} pull\n")
    told = at(pushed.project, "remote", "set", str(pushed.bytes)).out
    assert told.endswith(f"next: churnflow -C {pushed.project} push\n")
