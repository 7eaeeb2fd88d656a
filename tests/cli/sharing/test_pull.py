"""pull: what comes from elsewhere is proved before it counts, and nothing here is overwritten."""

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.adapters.remote_store import RemoteStore
from churnflow.domain.evidence import Artifact
from tests.cli.conftest import churnflow
from tests.cli.sharing.conftest import At, Team, git, one_object, refs_of, store_of, stored
from tests.cli.sharing.killing import killed


def leftovers(project: Path) -> list[Path]:
    return list((store_of(project) / "tmp").glob("*"))


def test_a_clone_pulls_verifies_and_goes_back(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    outcome = at(clone, "--json", "pull")
    assert (outcome.code, outcome.json["data"]["objects"], outcome.json["data"]["checkpoints"]) == (0, 2, 4)
    assert at(clone, "verify").out.startswith("4 checkpoints and 2 artifacts hashed again, all whole")
    assert at(clone, "--json", "log").json["run"] == pushed.run
    assert at(clone, "rollback", "built").code == 0
    assert (clone / "data" / "number.txt").read_text() == "4\n"
    again = at(clone, "--json", "pull").json["data"]
    assert (again["objects"], again["records"]) == (0, 0)


def test_the_history_of_a_clone_is_the_same_to_the_bit(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    assert at(clone, "pull").code == 0
    ours = {line for line in refs_of(pushed.project) if "churnflow" in line}
    assert {line for line in refs_of(clone) if "churnflow" in line} == ours
    assert at(clone, "--json", "show", "shipped").json["data"] == at(pushed.project, "--json", "show").json["data"]


@pytest.mark.parametrize(
    "command", [("rollback", "shipped"), ("rollback", "shipped", "--dry-run"), ("verify", "built")]
)
def test_without_the_bytes_a_command_names_the_one_that_fetches_them(
    pushed: Team, at: At, command: tuple[str, ...]
) -> None:
    clone = pushed.clone()
    outcome = at(clone, *command)
    assert (outcome.code, len(outcome.error)) == (6, 2)
    assert "`churnflow pull` fetches it from the remote" in outcome.error[1]
    assert outcome.out.endswith(f"next: churnflow -C {clone} pull\n")


def test_a_checkpoint_without_its_bytes_can_be_shown_and_says_what_fetches_them(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    tag = f"churnflow/{pushed.run}/04-shipped"
    outcome = at(clone, "show", "shipped")
    told = f"warning: 2 artifacts of it are not here; to fetch: `churnflow pull {tag}`\n"
    assert (outcome.code, outcome.err) == (0, told)
    assert at(clone, "pull", tag).code == 0
    assert at(clone, "show", "shipped").err == ""


def test_the_bytes_of_one_checkpoint_can_be_fetched_alone(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    outcome = at(clone, "--json", "pull", "plan-approved")
    assert (outcome.code, outcome.json["data"]["objects"], outcome.json["data"]["checkpoints"]) == (0, 1, 1)
    assert at(clone, "verify", "plan-approved").code == 0
    assert at(clone, "verify", "built").code == 6
    assert at(clone, "pull", "nothing-such").code == 2
    assert at(clone, "pull", "origin").code == 0
    assert at(clone, "verify", "built").code == 0


@pytest.mark.parametrize("other", [b"x", b"", b"longer than it was, by far"], ids=["altered", "empty", "longer"])
def test_bytes_that_are_not_those_of_their_digest_are_refused_and_the_others_kept(
    pushed: Team, at: At, other: bytes
) -> None:
    spoiled = one_object(pushed.bytes)
    right = spoiled.read_bytes()
    spoiled.write_bytes(other * len(right) if len(other) == 1 else other)
    clone = pushed.clone()
    outcome = at(clone, "pull")
    assert outcome.code == 6
    assert str(spoiled) in outcome.error[0]
    assert (list(stored(store_of(clone)).values()), leftovers(clone)) == ([True], [])
    spoiled.write_bytes(right)
    assert (at(clone, "pull").code, at(clone, "verify").code) == (0, 0)


def test_bytes_that_were_never_sent_are_named(pushed: Team, at: At) -> None:
    shutil.rmtree(pushed.bytes)
    outcome = at(pushed.clone(), "pull")
    assert outcome.code == 6
    assert outcome.error[0].endswith("(and 1 more)")
    assert "`churnflow push` from the clone that made it" in outcome.error[1]


def test_what_is_spoiled_here_is_fetched_again(pushed: Team, at: At) -> None:
    spoiled = one_object(store_of(pushed.project))
    size = spoiled.stat().st_size
    spoiled.chmod(0o644)
    spoiled.write_bytes(b"x" * size)
    assert at(pushed.project, "verify").code == 6
    assert at(pushed.project, "--json", "pull").json["data"]["objects"] == 1
    assert at(pushed.project, "verify").code == 0


def test_of_an_object_that_is_too_long_no_more_is_read_than_tells_so(tmp_path: Path) -> None:
    long = Artifact(name="long", codec="file", sha256="0" * 64, size_bytes=5)
    place = tmp_path / "sha256" / "00" / ("0" * 62)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x" * 10_000_000)
    assert sum(map(len, RemoteStore(str(tmp_path)).chunks(long))) == 6


def test_newer_checkpoints_of_a_run_come_in_and_older_ones_change_nothing(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    assert at(clone, "pull").code == 0
    assert at(clone, "rollback", "built").code == 0
    ahead = refs_of(clone)
    assert at(clone, "pull").code == 0
    assert refs_of(clone) == ahead
    assert at(clone, "push").code == 0
    assert at(pushed.project, "pull").code == 0
    assert {line for line in refs_of(pushed.project) if "churnflow" in line} == {
        line for line in ahead if "churnflow" in line
    }
    assert at(pushed.project, "verify").code == 0


def forge_tag(team: Team) -> str:
    tag = f"churnflow/{team.run}/02-built"
    git(team.bare, "tag", "-f", "-a", "-m", "x", tag, "main")
    return tag


def forge_run(team: Team) -> str:
    git(team.bare, "update-ref", f"refs/churnflow/runs/{team.run}", "main")
    return f"refs/churnflow/runs/{team.run}"


def forge_record(team: Team) -> str:
    """Put a checkpoint with one digit changed into the place of the newest, under the same message."""
    work = team.folder / "forger"
    git(team.folder, "clone", "-q", "--no-local", "bare.git", "forger")
    git(work, "fetch", "-q", "origin", "+refs/churnflow/*:refs/churnflow/*")
    tip = git(work, "rev-parse", f"refs/churnflow/runs/{team.run}")
    git(work, "checkout", "-q", tip)
    path = work / "checkpoints" / team.run / "04-shipped.yaml"
    path.write_text(path.read_text().replace("score: 100", "score: 99", 1))
    git(work, "add", "-f", str(path))
    message = git(work, "log", "-1", "--format=%B", tip)
    parents = [word for one in git(work, "log", "-1", "--format=%P", tip).split() for word in ("-p", one)]
    forged = git(work, "commit-tree", git(work, "write-tree"), *parents, "-m", message)
    git(work, "push", "-qf", "origin", f"{forged}:refs/churnflow/runs/{team.run}")
    git(work, "push", "-qf", "origin", f"{forged}:refs/tags/churnflow/{team.run}/04-shipped")
    return "04-shipped"


@pytest.mark.parametrize("forge", [forge_tag, forge_run, forge_record])
def test_records_that_do_not_prove_whole_are_refused_by_name_and_no_ref_moves(
    pushed: Team, at: At, forge: Callable[[Team], str]
) -> None:
    name = forge(pushed)
    git(pushed.folder, "clone", "-q", "--no-local", "--no-tags", "bare.git", "clone")
    clone = pushed.folder / "clone"
    for folder in (clone, pushed.project):
        before = refs_of(folder)
        assert at(folder, "remote", "set", str(pushed.bytes)).code == 0
        outcome = at(folder, "pull")
        assert (outcome.code, refs_of(folder)) == (6, before)
        assert name.removeprefix("refs/tags/") in outcome.error[0]
    assert at(pushed.project, "verify").code == 0


def test_a_tag_that_was_moved_here_is_refused_by_name(pushed: Team, at: At) -> None:
    tag = f"churnflow/{pushed.run}/02-built"
    git(pushed.project, "tag", "-f", "-a", "-m", "x", tag, "main")
    outcome = at(pushed.project, "pull")
    assert (outcome.code, tag in outcome.error[0]) == (6, True)


def test_two_lines_of_one_run_are_not_merged_and_other_runs_come_all_the_same(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    assert at(clone, "pull").code == 0
    assert at(clone, "rollback", "built").code == 0
    (pushed.project / "data" / "number.txt").write_text("6\n")
    assert at(pushed.project, "rollback", "plan-approved").code == 0
    assert churnflow(pushed.project, "run", "--new", "--answers", "answers.yaml").code == 0
    assert at(pushed.project, "push").code == 0
    before = {line for line in refs_of(clone) if pushed.run in line}
    outcome = at(clone, "pull")
    assert (outcome.code, pushed.run in outcome.error[0]) == (5, True)
    assert {line for line in refs_of(clone) if pushed.run in line} == before
    assert len(git(clone, "tag", "-l", "*shipped").splitlines()) == 2
    assert at(clone, "verify").code == 0


def test_what_the_user_configured_to_fetch_does_not_come_along(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    git(clone, "config", "remote.origin.fetch", "+refs/*:refs/*")
    git(clone, "config", "fetch.prune", "true")
    git(clone, "branch", "mine")
    git(pushed.bare, "branch", "theirs", "main")
    git(pushed.bare, "update-ref", "refs/heads/main", f"churnflow/{pushed.run}/01-plan-approved^{{commit}}")
    before = {line for line in refs_of(clone) if "churnflow" not in line}
    assert at(clone, "pull").code == 0
    assert {line for line in refs_of(clone) if "churnflow" not in line} == before


def test_killed_at_any_moment_it_goes_on_where_it_was(pushed: Team, at: At) -> None:
    git(pushed.folder, "clone", "-q", "--no-local", "--no-tags", "bare.git", "clone")
    clone = pushed.folder / "clone"
    assert at(clone, "remote", "set", str(pushed.bytes)).code == 0
    number = 0
    while killed(clone, number, "pull"):
        assert set(stored(store_of(clone)).values()) <= {True}
        number += random.Random(number).randint(1, 5)
    assert number > 10
    assert at(clone, "verify").code == 0
    assert {line for line in refs_of(clone) if "churnflow" in line} == {
        line for line in refs_of(pushed.project) if "churnflow" in line
    }
    assert leftovers(clone) == []


def test_records_of_which_a_kill_has_kept_half_away_are_fetched_again(pushed: Team, at: At) -> None:
    git(pushed.folder, "clone", "-q", "--no-local", "--no-tags", "bare.git", "clone")
    clone = pushed.folder / "clone"
    assert at(clone, "remote", "set", str(pushed.bytes)).code == 0
    tags = git(pushed.project, "for-each-ref", "--format=%(objectname) tag\n%(*objectname) commit", "refs/tags")
    for oid, kind in (line.split() for line in tags.replace("\\n", "\n").splitlines()):
        content = subprocess.run(["git", "cat-file", kind, oid], cwd=pushed.project, capture_output=True, check=True)
        write = ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"]
        subprocess.run(write, cwd=clone, input=content.stdout, capture_output=True, check=True)
    assert (at(clone, "pull").code, at(clone, "verify").code) == (0, 0)


def test_a_pull_of_nothing_says_so(team: Team, at: At) -> None:
    clone = team.clone()
    outcome = at(clone, "pull")
    assert outcome.out.startswith("0 objects (0 bytes) and 0 records fetched from origin and ")
    assert at(clone, "gc").code == 0


def test_a_clone_brings_back_work_that_was_never_committed(pushed: Team, at: At) -> None:
    note = pushed.project / "note.txt"
    note.write_text("never committed\n")
    assert at(pushed.project, "run", "--new", "--answers", str(pushed.project / "answers.yaml")).code == 0
    note.write_text("changed since\n")
    assert at(pushed.project, "push").code == 0
    clone = pushed.clone()
    assert at(clone, "pull").code == 0
    newest = max(git(clone, "tag", "-l", "churnflow/*-shipped").splitlines())
    for tag in git(clone, "tag", "-l", "churnflow/*").splitlines():
        outcome = at(clone, "rollback", tag)
        assert outcome.code == 0, (tag, outcome.err)
    assert at(clone, "rollback", newest).code == 0
    assert at(clone, "verify").code == 0
    assert (clone / "note.txt").exists()
