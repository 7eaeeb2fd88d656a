"""push: bytes before records, each once, nothing forced, nothing of the user's along."""

import os
import random
import re
import time
from pathlib import Path

import pytest

from tests.cli.conftest import at_terminal, ended
from tests.cli.sharing.conftest import At, Team, git, one_object, refs_of, store_of, stored
from tests.cli.sharing.killing import killed


def test_a_push_sends_the_bytes_and_the_records_and_a_second_one_nothing(team: Team, at: At) -> None:
    outcome = at(team.project, "--json", "push")
    assert (outcome.code, outcome.json["data"]["checkpoints"], outcome.json["data"]["records"]) == (0, 4, 5)
    assert outcome.json["data"]["objects"] == len(stored(team.bytes)) == 2
    assert set(stored(team.bytes).values()) == {True}
    assert stored(team.bytes).keys() <= stored(store_of(team.project)).keys()
    again = at(team.project, "push")
    assert again.out.splitlines()[0].startswith("0 objects (0 bytes) and 0 records sent to origin and ")
    assert again.out.splitlines()[1:] == [
        "on both sides: 4 checkpoints of 1 run",
        f"next: churnflow -C {team.project} log",
    ]


def test_nothing_of_the_users_goes_along(team: Team, at: At) -> None:
    git(team.project, "tag", "-a", "private", "-m", "mine")
    git(team.project, "checkout", "-q", "-b", "draft")
    git(team.project, "config", "push.followTags", "true")
    git(team.project, "config", "remote.origin.push", "+refs/heads/*:refs/heads/*")
    hook = team.project / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ../ran\nexit 1\n")
    hook.chmod(0o755)
    assert at(team.project, "push").code == 0
    names = {line.split()[0] for line in refs_of(team.bare)}
    assert {name for name in names if "churnflow" not in name} == {"refs/heads/main"}
    assert not (team.folder / "ran").exists()


def test_what_is_there_with_another_size_is_sent_again(pushed: Team, at: At) -> None:
    one_object(pushed.bytes).write_bytes(b"")
    assert at(pushed.project, "--json", "push").json["data"]["objects"] == 1
    assert set(stored(pushed.bytes).values()) == {True}


def test_spoiled_bytes_are_never_sent_nor_a_record_that_names_them(team: Team, at: At) -> None:
    spoiled = one_object(store_of(team.project))
    before = refs_of(team.bare)
    size = spoiled.stat().st_size
    spoiled.chmod(0o644)
    spoiled.write_bytes(b"x" * size)
    outcome = at(team.project, "push")
    assert outcome.code == 6
    assert "altered in the store" in outcome.error[0]
    assert refs_of(team.bare) == before
    assert set(stored(team.bytes).values()) == {True}


def test_a_clone_without_bytes_can_push_where_they_are_and_not_elsewhere(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    assert at(clone, "push").code == 0
    assert at(clone, "remote", "set", str(pushed.folder / "elsewhere")).code == 0
    outcome = at(clone, "push")
    assert outcome.code == 6
    assert "`churnflow pull` fetches it" in outcome.error[1]


def test_a_run_that_went_on_elsewhere_is_refused_by_name_and_the_others_are_sent(pushed: Team, at: At) -> None:
    clone = pushed.clone()
    assert at(clone, "pull").code == 0
    assert at(clone, "rollback", "built").code == 0
    assert at(clone, "push").code == 0
    (pushed.project / "data" / "number.txt").write_text("6\n")
    assert at(pushed.project, "rollback", "built").code == 0
    assert at(pushed.project, "run", "--new", "--answers", str(pushed.project / "answers.yaml")).code == 0
    before = {line for line in refs_of(pushed.bare) if pushed.run in line}
    outcome = at(pushed.project, "push")
    assert outcome.code == 5
    assert f"the run {pushed.run} has other checkpoints" in outcome.error[0]
    assert {line for line in refs_of(pushed.bare) if pushed.run in line} == before
    assert len([line for line in refs_of(pushed.bare) if "shipped" in line]) == 2


def test_a_tag_that_was_moved_at_the_remote_is_refused_by_name(pushed: Team, at: At) -> None:
    tag = f"churnflow/{pushed.run}/02-built"
    git(pushed.bare, "tag", "-f", "-a", "-m", "x", tag, "main")
    outcome = at(pushed.project, "push")
    assert outcome.code == 6
    assert outcome.error[0].startswith(f"error: the tag {tag} names ")
    assert git(pushed.bare, "rev-parse", f"{tag}^{{commit}}") == git(pushed.bare, "rev-parse", "main")


def test_an_address_that_is_a_command_is_not_run(team: Team, at: At) -> None:
    git(team.project, "remote", "add", "evil", f"ext::sh -c 'touch {team.folder}/ran'")
    git(team.project, "config", "protocol.ext.allow", "always")
    assert at(team.project, "remote", "set", str(team.bytes), "--git", "evil").code == 0
    outcome = at(team.project, "push", "evil")
    assert outcome.code == 5
    assert "transport 'ext' not allowed" in outcome.error[0]
    assert not (team.folder / "ran").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--", "--receive-pack=touch"),
        ("s3://key:hidden@bucket/x",),
        ("https://user:hidden@host/x",),
        ("http://host/x?token=hidden",),
        ("simplecache::s3://bucket",),
        (".git/churnflow/bytes",),
        ("bytes",),
        ("/srv/bytes", "--git", "--upload-pack=touch"),
        ("/srv/bytes", "--git", "nobody"),
    ],
)
def test_a_remote_that_could_do_harm_is_refused_and_nothing_kept(
    team: Team, at: At, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(team.project)
    before = at(team.project, "--json", "remote").json["data"]
    outcome = at(team.project, "remote", "set", *arguments)
    assert (outcome.code, len(outcome.error)) == (2, 2)
    assert "hidden" not in outcome.err
    assert at(team.project, "--json", "remote").json["data"] == before


def test_without_a_remote_it_says_how_to_name_one(team: Team, at: At) -> None:
    (team.project / ".git" / "churnflow" / "remotes.json").unlink()
    for command in ("push", "pull"):
        outcome = at(team.project, command)
        assert (outcome.code, "`churnflow remote set URL`" in outcome.error[1]) == (2, True)
    assert at(team.project, "push", "nobody").code == 2
    (team.project / ".git" / "churnflow" / "remotes.json").write_text('{"urls": {"origin": "ext::id"}}')
    assert at(team.project, "push").code == 6


@pytest.mark.parametrize("lost", ["bytes", "git"])
def test_a_remote_that_can_not_be_reached_is_a_conflict_in_two_lines(team: Team, at: At, lost: str) -> None:
    if lost == "bytes":
        team.bytes.write_text("a file where the folder should be")
    else:
        team.bare.rename(team.folder / "moved.git")
    outcome = at(team.project, "push")
    assert (outcome.code, len(outcome.error)) == (5, 2)


def test_killed_at_any_moment_a_record_never_names_bytes_that_are_not_there(team: Team, at: At) -> None:
    everything = stored(store_of(team.project)).keys() & needed(at, team.project)
    number = 0
    while killed(team.project, number, "push"):
        if any("churnflow" in line for line in refs_of(team.bare)):
            assert everything <= stored(team.bytes).keys()
        assert set(stored(team.bytes).values()) <= {True}
        number += random.Random(number).randint(1, 5)
    assert number > 10
    clone = team.clone()
    assert (at(clone, "pull").code, at(clone, "verify").code) == (0, 0)
    assert at(team.project, "--json", "push").json["data"]["records"] == 0


def needed(at: At, project: Path) -> set[str]:
    """Return the digests of what the newest checkpoint holds."""
    checkpoint = at(project, "--json", "show").json["data"]["checkpoint"]
    return {one["sha256"] for one in (*checkpoint["artifacts"], *checkpoint["data"].values())}


def test_drafts_of_killed_pushes_go_after_a_day(pushed: Team, at: At) -> None:
    old, new = pushed.bytes / "drafts" / "old", pushed.bytes / "drafts" / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 90000, time.time() - 90000))
    assert at(pushed.project, "push").code == 0
    assert (old.exists(), new.exists()) == (False, True)


def test_at_a_terminal_the_bytes_are_shown_as_they_go(team: Team) -> None:
    screen = at_terminal(team.project, "push")
    screen.expect(re.compile(r"sent .*bytes"))
    screen.expect_exact("next: churnflow log")
    assert ended(screen) == 0


def test_a_git_remote_that_is_gone_is_said_and_what_others_there_are(team: Team, at: At) -> None:
    git(team.project, "remote", "rename", "origin", "hub")
    outcome = at(team.project, "push")
    assert (outcome.code, outcome.error[0]) == (2, "error: git knows no remote 'origin'")
    assert "its remotes are hub" in outcome.error[1]


def test_of_several_remotes_the_one_that_is_named_is_meant(team: Team, at: At) -> None:
    git(team.folder, "init", "-q", "--bare", "-b", "main", "second.git")
    git(team.project, "remote", "add", "second", "../second.git")
    git(team.project, "remote", "rename", "origin", "first")
    for name in ("first", "second"):
        assert at(team.project, "remote", "set", str(team.folder / f"bytes-{name}"), "--git", name).code == 0
    (team.project / ".git" / "churnflow" / "remotes.json").write_text(
        (team.project / ".git" / "churnflow" / "remotes.json").read_text().replace('"origin"', '"third"')
    )
    outcome = at(team.project, "push")
    assert (outcome.code, outcome.error[0]) == (2, "error: which remote?")
    assert at(team.project, "push", "second").code == 0
    assert len(stored(team.folder / "bytes-second")) == 2
    assert not (team.folder / "bytes-first").exists()
    assert "churnflow" not in git(team.bare, "for-each-ref")
