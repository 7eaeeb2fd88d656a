"""push and pull of the list of reviewers: proved before it counts, and never exchanged, taken back or forced."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.reliability.approvals import STEPS, WORKFLOW
from churnflow.domain.reviewers import ReviewerList
from tests.cli.conftest import environment
from tests.cli.sharing.conftest import At, Team, git, refs_of
from tests.keys import make_key, signature

REF = "refs/churnflow/reviewers"


@pytest.fixture
def signed(waiting_once: Path, tmp_path: Path, at: At) -> Team:
    """A project with remotes whose release Bo has signed; Ann is the list's admin, and nothing has been pushed yet."""
    team = Team(Path(shutil.copytree(waiting_once, tmp_path / "team")))
    git(team.folder, "init", "-q", "--bare", "-b", "main", "bare.git")
    git(team.project, "add", "-A")
    git(team.project, "commit", "-qm", "code")
    git(team.project, "remote", "add", "origin", "../bare.git")
    git(team.project, "push", "-q", "origin", "HEAD:main")
    key = str(team.folder / "bo")
    assert at(team.project, "approve", "release", "--answers", "answers.yaml", "--key", key).code == 0
    assert at(team.project, "run").code == 0
    assert at(team.project, "remote", "set", str(team.bytes)).code == 0
    return team


@pytest.fixture
def sent(signed: Team, at: At) -> Team:
    """The same, after a push."""
    assert at(signed.project, "push").code == 0
    return signed


def bare_clone(team: Team, at: At, name: str = "clone") -> Path:
    """Clone the code alone: no tag of a checkpoint comes along."""
    git(team.folder, "clone", "-q", "--no-local", "--no-tags", "bare.git", name)
    assert at(team.folder / name, "remote", "set", str(team.bytes)).code == 0
    return team.folder / name


def lists(folder: Path, at: At) -> tuple[str, str]:
    """Return the digests of the first and of the newest version."""
    data = at(folder, "--json", "reviewers").json["data"]
    return data["first"], data["newest"]


def require(folder: Path, at: At, team: Team, *demanded: str) -> None:
    """Have Ann make the next version of the list."""
    ann = ("--sign-with", str(team.folder / "ann"))
    assert at(folder, "reviewers", "require", "signed", *demanded, *ann).code == 0


def put_list(team: Team, listed: ReviewerList, by: Path, parent: str | None) -> None:
    """Make a version the newest one at the remote, whoever signs it."""
    entries = ""
    for name, data in (
        ("reviewers.json", listed.text()),
        ("reviewers.json.sig", signature(by, listed.text(), "churnflow-reviewers").encode()),
    ):
        path = team.folder / name
        path.write_bytes(data)
        entries += f"100644 blob {git(team.bare, 'hash-object', '-w', str(path))}\t{name}\n"
    done = subprocess.run(["git", "mktree"], cwd=team.bare, input=entries, capture_output=True, text=True, check=True)
    parents = ("-p", parent) if parent else ()
    commit = git(team.bare, "commit-tree", "-m", "a list", *parents, done.stdout.strip())
    git(team.bare, "update-ref", REF, commit)


def newest(team: Team) -> ReviewerList:
    return ReviewerList.model_validate_json(git(team.bare, "show", f"{REF}:reviewers.json"))


def test_the_list_arrives_and_a_signed_release_verifies_in_a_clone(sent: Team, at: At) -> None:
    clone = bare_clone(sent, at)
    outcome = at(clone, "pull")
    assert outcome.code == 0, outcome.err
    first, last = lists(sent.project, at)
    assert f"the first list of reviewers, {first}, is trusted from now on: compare it" in outcome.err
    assert lists(clone, at) == (first, last)
    assert {line for line in refs_of(clone) if "churnflow" in line} == {
        line for line in refs_of(sent.project) if "churnflow" in line
    }
    assert at(clone, "verify").code == 0
    assert at(clone, "pull").err == ""


def test_a_newer_list_is_taken_and_an_older_one_left_alone(sent: Team, at: At) -> None:
    clone = bare_clone(sent, at)
    assert at(clone, "pull").code == 0
    require(sent.project, at, sent, "--approvers", "2")
    ahead = lists(sent.project, at)
    assert at(sent.project, "pull").code == 0
    assert lists(sent.project, at) == ahead
    assert at(sent.project, "push").code == 0
    outcome = at(clone, "pull")
    assert (outcome.code, f"the list of reviewers is now version 3: {ahead[1]}" in outcome.err) == (0, True)
    assert lists(clone, at) == ahead
    assert at(clone, "verify").code == 0


def test_a_list_that_lacks_the_signature_of_an_admin_is_refused_and_no_ref_moves(sent: Team, at: At) -> None:
    clone, known = bare_clone(sent, at), bare_clone(sent, at, "known")
    assert at(known, "pull").code == 0
    last = newest(sent)
    forged = last.model_copy(update={"number": last.number + 1, "previous": last.sha256})
    put_list(sent, forged, sent.folder / "bo", git(sent.bare, "rev-parse", REF))
    for folder in (clone, known):
        before = refs_of(folder)
        outcome = at(folder, "pull")
        assert (outcome.code, len(outcome.error), refs_of(folder)) == (6, 2, before)
        assert "the list of reviewers at the remote is refused: version 3" in outcome.error[0]


def test_what_is_no_list_at_all_is_refused(sent: Team, at: At) -> None:
    git(sent.bare, "update-ref", REF, "main")
    clone = bare_clone(sent, at)
    before = refs_of(clone)
    outcome = at(clone, "pull")
    assert (outcome.code, refs_of(clone)) == (6, before)
    assert "the list of reviewers at the remote is refused" in outcome.error[0]


def test_a_list_of_a_strangers_own_is_refused_beside_the_records_and_by_whoever_saw_the_true_one(
    sent: Team, at: At
) -> None:
    known = bare_clone(sent, at, "known")
    assert at(known, "pull").code == 0
    eve = make_key(sent.folder, "eve")
    key = " ".join(Path(f"{eve}.pub").read_text().split()[:2])
    true = newest(sent)
    listed = tuple(one.model_copy(update={"key": key}) for one in true.reviewers if one.name == "ann")
    changed = {"number": 1, "previous": None, "by": "ann", "reviewers": listed}
    put_list(sent, true.model_copy(update=changed), eve, None)
    for folder, says in ((bare_clone(sent, at), "which is gone"), (known, "it is another one")):
        before = refs_of(folder)
        outcome = at(folder, "pull")
        assert (outcome.code, refs_of(folder), says in outcome.error[0]) == (6, before, True)


def test_a_list_that_was_taken_back_is_refused_where_the_newer_one_was_seen_or_is_named(sent: Team, at: At) -> None:
    known = bare_clone(sent, at, "known")
    assert at(known, "pull").code == 0
    git(sent.bare, "update-ref", REF, f"{REF}^")
    git(known, "update-ref", "-d", REF)
    for folder, says in ((known, "version 2 was seen here, and is gone"), (bare_clone(sent, at), "which is gone")):
        before = refs_of(folder)
        outcome = at(folder, "pull")
        assert (outcome.code, refs_of(folder), says in outcome.error[0]) == (6, before, True)
    assert at(sent.project, "push").code == 0
    assert at(known, "pull").code == 0
    assert at(known, "verify").code == 0


def test_records_of_which_an_approval_is_under_no_list_of_the_remote_are_refused_by_name(sent: Team, at: At) -> None:
    git(sent.bare, "update-ref", "-d", REF)
    clone = bare_clone(sent, at)
    before = refs_of(clone)
    outcome = at(clone, "pull")
    assert (outcome.code, refs_of(clone)) == (6, before)
    assert "the approval 'release': it names a list of reviewers that this project never had" in outcome.error[0]


def test_of_two_who_changed_the_list_at_once_the_second_takes_the_first_ones_and_makes_the_change_again(
    sent: Team, at: At
) -> None:
    clone = bare_clone(sent, at)
    assert at(clone, "pull").code == 0
    require(sent.project, at, sent, "--approvers", "2")
    require(clone, at, sent, "--role", "risk")
    assert at(sent.project, "push").code == 0
    there = refs_of(sent.bare)
    outcome = at(clone, "push")
    assert (outcome.code, len(outcome.error), refs_of(sent.bare)) == (5, 2, there)
    assert "the list of reviewers at the remote" in outcome.error[0]
    assert "`churnflow pull`" in outcome.error[1]
    before = refs_of(clone)
    outcome = at(clone, "pull")
    assert (outcome.code, refs_of(clone)) == (6, before)
    assert re.search(r"version 3 is \w{12} there, by ann, and \w{12} here, by ann", outcome.error[0])
    told = re.findall(r"`([^`]*)`", outcome.error[1])[0].replace("REMOTE", "origin")
    subprocess.run(["sh", "-c", told], cwd=clone, check=True, env=environment(), capture_output=True)
    assert at(clone, "pull").code == 0
    require(clone, at, sent, "--role", "risk")
    assert at(clone, "push").code == 0
    assert at(sent.project, "pull").code == 0
    assert lists(sent.project, at) == lists(clone, at)
    assert at(sent.project, "--json", "reviewers").json["data"]["version"] == 4


def test_whoever_has_an_older_list_or_none_pulls_before_a_push(sent: Team, at: At) -> None:
    clone = bare_clone(sent, at)
    assert at(clone, "push").code == 5
    assert at(clone, "pull").code == 0
    require(sent.project, at, sent, "--approvers", "2")
    assert at(sent.project, "push").code == 0
    assert at(clone, "push").code == 5
    assert (at(clone, "pull").code, at(clone, "push").code) == (0, 0)


def test_no_record_is_at_a_remote_that_did_not_take_the_list(signed: Team, at: At) -> None:
    hook = signed.bare / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\ntest "$1" != {REF}\n')
    hook.chmod(0o755)
    assert at(signed.project, "push").code == 5
    assert {line.split()[0] for line in refs_of(signed.bare)} == {"refs/heads/main"}
    hook.unlink()
    assert at(signed.project, "push").code == 0
    assert any(line.startswith(f"{REF} ") for line in refs_of(signed.bare))


def test_a_list_that_does_not_prove_here_is_never_sent_nor_a_record_under_one_that_is_gone(
    signed: Team, at: At
) -> None:
    git(signed.project, "update-ref", REF, "HEAD")
    before = refs_of(signed.bare)
    assert (at(signed.project, "push").code, refs_of(signed.bare)) == (6, before)
    git(signed.project, "update-ref", "-d", REF)
    (signed.project / ".git" / "churnflow" / "reviewers.pin").unlink()
    outcome = at(signed.project, "push")
    assert (outcome.code, refs_of(signed.bare)) == (6, before)
    assert "holds an approval under the list of reviewers" in outcome.error[0]


def first_list(folder: Path, at: At, team: Team) -> Path:
    """List Ann as the first in one clone, share the list, and take it over in the project; return her key."""
    ann = make_key(team.folder, "ann")
    add = ("reviewers", "add", "ann", "--key", f"{ann}.pub", "--role", "admin", "--sign-with", str(ann))
    assert at(folder, *add).code == 0
    assert at(folder, "push").code == 0
    assert at(team.project, "pull").code == 0
    return ann


@pytest.fixture
def released(team: Team, at: At) -> str:
    """Release something in the project of the team, signed by nobody; return the tag of the checkpoint."""
    (team.project / "steps.py").write_text(STEPS.replace("packing", "steps"))
    (team.project / "data" / "model.txt").write_text("good\n")
    unsigned = WORKFLOW.replace("      grade: signed\n      role: risk\n", "").replace("packing:", "steps:")
    (team.project / "workflows" / "churn.yaml").write_text(unsigned)
    assert at(team.project, "run", "--new", "--answers", "answers.yaml").code == 0
    return str(at(team.project, "--json", "show", "v1.0.0").json["data"]["checkpoint"]["release"]["checkpoint"])


def test_a_release_from_before_a_list_of_another_clone_is_good_again_once_an_admin_acknowledges_it(
    team: Team, released: str, at: At
) -> None:
    ann = first_list(bare_clone(team, at), at, team)
    for command in (
        ("verify",),
        ("rollback", "served"),
        ("deploy", "--target", "docker", "-o", str(team.folder / "image")),
    ):
        outcome = at(team.project, *command)
        assert (outcome.code, "demands 1 approval of grade signed before a gate" in outcome.error[0]) == (6, True)
        assert f"`churnflow reviewers acknowledge {released} --sign-with KEY`" in outcome.error[1]
    said = at(team.project, "reviewers", "acknowledge", "v1.0.0", "--sign-with", str(ann))
    assert said.code == 0
    assert "v1.0.0 counts as made before there was a list, and is held to no floor" in said.err
    for command in (("verify",), ("push",), ("rollback", "served"), ("verify",)):
        assert at(team.project, *command).code == 0
    clone = bare_clone(team, at, "later")
    assert (at(clone, "pull").code, at(clone, "verify").code) == (0, 0)


def test_an_admin_acknowledges_in_their_own_clone_what_a_pull_refuses_there(team: Team, released: str, at: At) -> None:
    clone = bare_clone(team, at)
    ann = first_list(clone, at, team)
    assert at(team.project, "push").code == 0
    refused = at(clone, "pull")
    assert refused.code == 6
    git(clone, "fetch", "-q", "origin", "tag", released)
    assert at(clone, "reviewers", "acknowledge", released, "--sign-with", str(ann)).code == 0
    for folder, command in ((clone, "pull"), (clone, "verify"), (clone, "push"), (team.project, "pull")):
        outcome = at(folder, command)
        assert outcome.code == 0, outcome.err
    assert at(team.project, "verify").code == 0
