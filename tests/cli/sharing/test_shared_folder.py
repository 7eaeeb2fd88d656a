"""A folder as remote: read by those who can enter it and by nobody else, addressed as a user means it."""

import os
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import churnflow
from tests.cli.sharing.conftest import At, Team, one_object


def modes(folder: Path) -> tuple[set[int], set[int]]:
    """Return the modes of the folders below, and of the files."""
    below = list(folder.rglob("*"))
    return (
        {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_dir()},
        {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_file()},
    )


def test_what_is_shared_in_a_folder_of_ones_own_is_for_nobody_else(team: Team, at: At) -> None:
    before = os.umask(0o022)
    try:
        assert at(team.project, "push").code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(team.bytes.stat().st_mode) == 0o700
    assert modes(team.bytes) == ({0o700}, {0o400})


@pytest.mark.parametrize(
    ("root", "folders", "files"),
    [(0o2770, 0o2770, 0o440), (0o750, 0o750, 0o440), (0o2775, 0o2770, 0o440), (0o707, 0o700, 0o400)],
)
def test_the_group_of_the_folder_reads_what_is_shared_in_it_and_all_others_do_not(
    team: Team, at: At, root: int, folders: int, files: int
) -> None:
    team.bytes.mkdir()
    team.bytes.chmod(root)
    before = os.umask(0o077)
    try:
        assert at(team.project, "push").code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(team.bytes.stat().st_mode) == root
    assert modes(team.bytes) == ({folders}, {files})


@pytest.mark.skipif(os.getuid() != 0, reason="only the administrator can give a folder a group he is not in")
def test_what_is_shared_belongs_to_the_group_of_the_folder(team: Team, at: At) -> None:
    team.bytes.mkdir()
    os.chown(team.bytes, -1, 12345)
    team.bytes.chmod(0o770)
    assert at(team.project, "push").code == 0
    assert {path.stat().st_gid for path in team.bytes.rglob("*")} == {12345}


def test_a_pipe_in_the_place_of_an_object_is_told_and_not_waited_for(pushed: Team) -> None:
    clone = pushed.clone()
    place = one_object(pushed.bytes)
    place.unlink()
    os.mkfifo(place)
    outcome = churnflow(clone, "pull")
    assert outcome.code == 5
    assert "no regular file" in outcome.error[0]


def test_a_pipe_in_the_place_of_an_object_is_replaced_by_a_push(pushed: Team, at: At) -> None:
    place = one_object(pushed.bytes)
    place.unlink()
    os.mkfifo(place)
    assert at(pushed.project, "push").code == 0
    assert place.is_file()


def test_a_folder_is_seen_from_the_folder_that_the_program_is_told_to_run_in(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: At
) -> None:
    monkeypatch.chdir(tmp_path)
    assert at(team.project, "--json", "remote", "set", "../bytes").json["data"]["url"] == str(team.bytes)


def test_a_tilde_in_an_address_is_the_home_folder_and_that_of_nobody_is_refused(
    team: Team, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(team.folder))
    for address in ("file://~/bytes", "~/bytes"):
        assert at(team.project, "--json", "remote", "set", address).json["data"]["url"] == str(team.bytes)
    outcome = at(team.project, "remote", "set", "file://~nobody-of-that-name/x")
    assert outcome.code == 2
    assert "nobody here has that home folder" in outcome.error[0]
    assert "inside the repository" in at(team.project, "remote", "set", "~/project/x").error[0]


def test_a_credential_in_an_address_is_refused_and_never_shown_or_kept(team: Team, at: At) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    outcome = at(team.project, "remote", "set", f"s3://{key}@bucket/x")
    assert outcome.code == 2
    assert key not in outcome.out + outcome.err
    assert key not in (team.project / ".git" / "churnflow" / "remotes.json").read_text()
