"""A project that shares its checkpoints: a bare repository for the records, a folder or an S3 server for the bytes."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from churnflow.cli import app
from tests.cli.conftest import Outcome, churnflow, environment

PERSON = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
NOTES = {"lock", "store-lock"}

At = Callable[..., Outcome]


def git(folder: Path, *arguments: str) -> str:
    """Run git as a person does; return what it said."""
    done = subprocess.run(
        ["git", *PERSON, *arguments], cwd=folder, check=True, env=environment(), capture_output=True, text=True
    )
    return done.stdout.strip()


@dataclass(frozen=True)
class Team:
    """A project with its remotes, all in one folder."""

    folder: Path

    @property
    def project(self) -> Path:
        """The work tree in which the run was made."""
        return self.folder / "project"

    @property
    def bare(self) -> Path:
        """The git remote."""
        return self.folder / "bare.git"

    @property
    def bytes(self) -> Path:
        """The folder of the shared artifacts."""
        return self.folder / "bytes"

    @property
    def run(self) -> str:
        """The id of the first run that was made."""
        return git(self.project, "tag", "-l", "*shipped", "--sort=creatordate").split("/")[1]

    def clone(self, name: str = "clone") -> Path:
        """Clone the git remote as a colleague does, and say where the bytes are."""
        git(self.folder, "clone", "-q", "--no-local", "bare.git", name)
        outcome = churnflow(self.folder / name, "remote", "set", str(self.bytes))
        assert outcome.code == 0, outcome.err
        return self.folder / name


@pytest.fixture(scope="session")
def team_once(shipped_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A project that has shipped, with empty remotes, to copy and never to change."""
    team = Team(tmp_path_factory.mktemp("team"))
    shutil.copytree(shipped_once, team.project)
    git(team.project, "add", "-A")
    git(team.project, "commit", "-qm", "code")
    git(team.folder, "init", "-q", "--bare", "-b", "main", "bare.git")
    git(team.project, "remote", "add", "origin", "../bare.git")
    git(team.project, "push", "-q", "origin", "main")
    return team


@pytest.fixture
def team(team_once: Team, tmp_path: Path, at: At) -> Team:
    """The same, of the test's own; nothing has been pushed yet."""
    team = Team(Path(shutil.copytree(team_once.folder, tmp_path / "team")))
    assert at(team.project, "remote", "set", str(team.bytes)).code == 0
    return team


@pytest.fixture
def pushed(team: Team, at: At) -> Team:
    """The same, after a push."""
    assert at(team.project, "push").code == 0
    return team


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> At:
    """Run the program in a folder, in this process."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(folder: Path, *arguments: str) -> Outcome:
        code = app.run(("-C", str(folder), *arguments))
        sys.modules.pop("steps", None)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """Run a server that speaks S3, in a process of its own; return the environment that leads to it."""
    code = (
        "from moto.server import ThreadedMotoServer\n"
        "server = ThreadedMotoServer('127.0.0.1', 0, verbose=False)\n"
        "server.start()\n"
        "print(server.get_host_and_port()[1], flush=True)\n"
        "input()\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as server:
        assert server.stdout is not None
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.stdout.readline().strip()}",
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        server.kill()


def stored(folder: Path) -> dict[str, bool]:
    """Return the objects below a folder by digest, and whether each has the bytes that it is named by."""
    return {
        path.parent.name + path.name: hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name + path.name
        for path in (folder / "sha256").glob("*/*")
    }


def store_of(project: Path) -> Path:
    """Return where a work tree has its artifacts."""
    return project / ".git" / "churnflow" / "store"


def refs_of(folder: Path) -> set[str]:
    """Return the refs of a repository with what they name."""
    return set(git(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines())


def one_object(folder: Path) -> Path:
    """Return one stored file."""
    return min((folder / "sha256").glob("*/*"))
