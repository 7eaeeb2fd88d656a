"""doctor: what this machine lacks is tried out and told with what to do, and nothing is left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from churnflow.adapters.machine import Seen, examine
from churnflow.adapters.ssh_signatures import SshSignatures
from tests.adapters.faults import in_a_process
from tests.adapters.test_ssh_signatures import program
from tests.cli.conftest import Cli, Outcome, churnflow, environment


def states(outcome: Outcome) -> dict[str, str]:
    return {check["name"]: check["state"] for check in outcome.json["data"]["checks"]}


def test_on_a_sound_machine_every_check_holds_and_nothing_is_left_behind(shipped: Path, here: Cli) -> None:
    before = sorted(shipped.rglob("*"))
    outcome = here("--json", "doctor")
    assert outcome.code == 0
    found = states(outcome)
    assert {name for name, state in found.items() if state != "ok"} <= {"identity"}
    assert {"git", "space", "durable", "locks", "clock", "remotes"} <= found.keys()
    assert sorted(shipped.rglob("*")) == before


def test_a_project_without_a_git_identity_is_told_under_which_name_checkpoints_are_made(
    shipped: Path, here: Cli
) -> None:
    lines = here("doctor").out.splitlines()
    assert any(line.startswith("identity: git config user.name") for line in lines)
    subprocess.run(["git", "config", "user.name", "Ann"], cwd=shipped, check=True)
    subprocess.run(["git", "config", "user.email", "ann@example.org"], cwd=shipped, check=True)
    lines = here("doctor").out.splitlines()
    assert lines[-2:] == ["all is well", "next: churnflow status"]


def test_where_there_is_no_project_the_machine_is_examined_all_the_same(tmp_path: Path) -> None:
    outcome = churnflow(tmp_path, "--json", "doctor")
    assert (outcome.code, states(outcome)["project"], states(outcome)["git"]) == (0, "look", "ok")
    assert outcome.json["next"][0]["command"] == "churnflow new DIR"


@pytest.mark.parametrize(("says", "hint"), [(None, "install it"), ("git version 2.20.1", "needs git 2.35 or newer")])
def test_a_git_that_is_missing_or_too_old_is_a_conflict(tmp_path: Path, says: str | None, hint: str) -> None:
    if says is not None:
        (tmp_path / "git").write_text(f"#!/bin/sh\necho {says}\n")
        (tmp_path / "git").chmod(0o755)
    outcome = churnflow(tmp_path, "doctor", env={"PATH": str(tmp_path)})
    assert (outcome.code, len(outcome.error)) == (5, 2)
    assert "git" in outcome.error[0]
    assert hint in outcome.error[1]


def test_without_git_nothing_is_said_of_a_project_that_git_would_find(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = churnflow(shipped, "--json", "doctor", env={"PATH": str(tmp_path / "empty")})
    assert "project" not in states(outcome)
    assert outcome.json["next"][0]["command"] == "churnflow doctor"
    assert "git: it is missing" in str(outcome.json["error"])


def test_a_remote_that_git_no_longer_knows_is_told(shipped: Path, here: Cli, tmp_path: Path) -> None:
    subprocess.run(["git", "remote", "add", "origin", "../bare.git"], cwd=shipped, check=True)
    assert here("remote", "set", str(tmp_path / "bytes")).code == 0
    assert states(here("--json", "doctor"))["remotes"] == "ok"
    subprocess.run(["git", "remote", "remove", "origin"], cwd=shipped, check=True)
    outcome = here("--json", "doctor")
    assert (outcome.code, states(outcome)["remotes"]) == (0, "look")
    (told,) = [check for check in outcome.json["data"]["checks"] if check["name"] == "remotes"]
    assert told["said"].startswith("git knows no remote 'origin'")
    assert told["hint"] == "git remote add origin URL"


def test_what_is_configured_and_can_not_be_used_is_told(shipped: Path, here: Cli) -> None:
    (shipped / ".git" / "churnflow" / "remotes.json").write_text('{"urls": {"origin": "s3://bucket/x"}}')
    assert here("doctor").code == 0
    code = "import sys; sys.modules['s3fs'] = None\nfrom churnflow.cli.app import main\nmain(sys.argv[1:])"
    command = [sys.executable, "-c", code, "doctor"]
    done = subprocess.run(command, cwd=shipped, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'churnflow[s3]'" in done.stderr) == (5, True)
    (shipped / ".git" / "churnflow" / "remotes.json").write_text("{spoiled")
    outcome = here("doctor")
    assert (outcome.code, "the record of remotes was altered" in outcome.error[0]) == (5, True)


EXAMINED = """
from pathlib import Path
from churnflow.adapters.machine import examine
from churnflow.project import Project
repository = Project.open(Path(sys.argv[1])).repository
with full(int(sys.argv[2])):
    print({seen.name: (seen.state, seen.said) for seen in examine(repository)})
"""


def test_without_permission_or_room_the_checks_that_write_fail(shipped: Path) -> None:
    folder = shipped / ".git" / "churnflow"
    folder.chmod(0o555)
    said = in_a_process(EXAMINED, shipped, 1_000_000, plain=True)
    folder.chmod(0o755)
    assert "'durable': ('bad', 'no permission to write" in said
    assert "'limits': ('look', 'a file can have 1,000,000 bytes at most')" in said
    said = in_a_process(EXAMINED, shipped, 2)
    assert "'durable': ('bad', 'no space left on the disk" in said
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def signing(*places: Path) -> Seen:
    return next(seen for seen in examine(None, SshSignatures(places)) if seen.name == "ssh-keygen")


def test_whether_approvals_can_be_signed_is_tried_with_the_ssh_keygen_that_would_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = signing(Path("/usr/bin"))
    assert (found.state, found.said, found.hint) == ("ok", "/usr/bin/ssh-keygen signs and checks", "")
    missing = signing(tmp_path)
    assert missing.state == "look"
    assert missing.said.startswith(f"ssh-keygen is not installed in {tmp_path}")
    assert missing.hint.startswith("only signed approvals need it: install OpenSSH 8.2 or newer")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert signing(Path("/usr/bin")).said.startswith("it could not be tried out: ")


@pytest.mark.skipif(os.getuid() != 0, reason="only the administrator can install a program that counts as the system's")
def test_an_ssh_keygen_that_does_not_find_its_own_signature_good_is_told(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", '#!/bin/sh\ntest "$2" = verify && exit 1\nexec /usr/bin/ssh-keygen "$@"\n')
    assert signing(path.parent).state == "bad"
