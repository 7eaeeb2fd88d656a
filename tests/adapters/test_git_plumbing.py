"""Git's plumbing driven from here: failures are told apart, and nothing waits forever."""

import os
import shutil
import time
from pathlib import Path

import pytest

from churnflow.adapters.git_plumbing import GitFailure, Plumbing
from churnflow.adapters.repository import open_repository
from churnflow.errors import ConflictError
from tests.adapters.workbench import Work


@pytest.fixture
def plumbing(work: Work) -> Plumbing:
    return Plumbing(open_repository(work.path), deadline_seconds=0.5)


def test_a_filter_that_hangs_ends_with_the_deadline_though_it_outlives_git(work: Work, plumbing: Plumbing) -> None:
    work.write(".gitattributes", "*.slow filter=slow\n")
    work.write("a.slow", "x\n")
    work.git("config", "filter.slow.clean", "sleep 8")
    started = time.monotonic()
    with pytest.raises(ConflictError, match=r"git hash-object did not end within 0\.5 s") as caught:
        plumbing.run("hash-object", "a.slow")
    assert time.monotonic() - started < 5
    assert "filter" in caught.value.hint


def test_a_failure_carries_what_git_said(plumbing: Plumbing) -> None:
    with pytest.raises(GitFailure, match="git cat-file failed: fatal: Not a valid object name none") as caught:
        plumbing.run("cat-file", "-p", "none")
    assert caught.value.status == 128
    assert not caught.value.is_disk_full
    with pytest.raises(GitFailure):
        plumbing.line_or_none("cat-file", "-p", "none")


# Git ends well although its answer does not go through the pipe, as when it is killed behind a filter.
CUT = """#!/bin/sh
case "$*" in
*"cat-file --batch"*) {git} "$@" | head -c 60 ;;
*) {git} "$@" > /dev/null ;;
esac
"""


def test_an_answer_that_is_cut_off_is_no_answer(
    work: Work, plumbing: Plumbing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.commit()
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(CUT.format(git=shutil.which("git")))
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    for names in (["HEAD"], ["HEAD", "HEAD"], ["HEAD^{tree}", "HEAD"]):
        with pytest.raises(GitFailure, match="git cat-file failed: fatal: its answer was cut off"):
            plumbing.read(names)
    with pytest.raises(GitFailure, match="git rev-parse failed: fatal: its answer was cut off"):
        plumbing.line_or_none("rev-parse", "HEAD")
    with pytest.raises(GitFailure, match="git hash-object failed: fatal: its answer was cut off"):
        plumbing.answer("hash-object", "--stdin")


def test_an_answer_of_no_is_no_failure(plumbing: Plumbing) -> None:
    assert plumbing.line_or_none("rev-parse", "-q", "--verify", "HEAD") is None
    assert plumbing.read(["HEAD", "no such thing"]) == [None, None]


def test_objects_are_in_the_repository_when_the_block_has_ended_and_not_before(work: Work, plumbing: Plumbing) -> None:
    with plumbing.quarantine() as env:
        oid = plumbing.line("hash-object", "-w", "--stdin", stdin=b"new\n", env=env)
        assert plumbing.read([oid]) == [None]
    (found,) = plumbing.read([oid])
    assert found is not None
    assert found.content == b"new\n"


def test_a_failure_inside_leaves_no_object_behind(work: Work, plumbing: Plumbing) -> None:
    def write_and_fail() -> None:
        with plumbing.quarantine() as env:
            plumbing.line("hash-object", "-w", "--stdin", stdin=b"new\n", env=env)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert list((work.path / ".git/objects").glob("??/*")) == []
    assert list((work.path / ".git/churnflow").glob("objects-*")) == []
