"""Where a project stands: its folder, the git repository around it, and where churnflow keeps its state there."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from churnflow.errors import ConflictError, UsageError

_KEPT = {"GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"}
# How a remote is reached is the user's own affair, as it is for `git push`.
_KEPT |= {"GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_SSL_CAINFO"}
_KEPT_IDENTITY = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"}
_DEADLINE_SECONDS = 60.0
_QUESTION = (
    "git",
    "rev-parse",
    "--is-bare-repository",
    "--is-inside-work-tree",
    "--path-format=absolute",
    "--git-dir",
    "--git-common-dir",
    "--show-toplevel",
)


@dataclass(frozen=True)
class Repository:
    """A project inside a git work tree.

    root: the project's folder. work_tree: the top of the work tree. git_dir: of this work tree alone. common_dir:
    shared by all work trees of the repository. Every path is absolute and without symlinks.
    """

    root: Path
    work_tree: Path
    git_dir: Path
    common_dir: Path

    @property
    def prefix(self) -> str:
        """The project's folder relative to the work tree, with `/`; empty at the top."""
        relative = self.root.relative_to(self.work_tree).as_posix()
        return "" if relative == "." else relative

    @property
    def state_dir(self) -> Path:
        """What belongs to this project in this work tree: runs, lock, served release."""
        project = hashlib.sha256(os.fsencode(self.prefix)).hexdigest()[:12] if self.prefix else "root"
        return self.git_dir / "churnflow" / project

    @property
    def shared_dir(self) -> Path:
        """What all work trees share: the artifact store and the index of results to reuse."""
        return self.common_dir / "churnflow"


def open_repository(start: Path) -> Repository:
    """Find the project that `start` lies in: the nearest folder upward that holds `workflows`, else `start` itself.

    Raises UsageError: no such folder, git not installed, not a repository, a bare one, or one that git does not trust.
    """
    start = start.resolve()
    if not start.is_dir():
        message = f"no such folder: {start}"
        raise UsageError(message, hint="give the folder of a project with -C, or make one: churnflow new DIR")
    if "\n" in str(start):
        message = f"the name of the folder {str(start)!r} holds a line break"
        raise UsageError(message, hint="rename it")
    answer = _ask_git(start)
    lines = answer.stdout.split("\n")[:-1]
    if answer.returncode != 0 or lines[:2] != ["false", "true"]:
        raise _explain(start, lines, answer.stderr)
    git_dir, common_dir, work_tree = (Path(line).resolve() for line in lines[2:])
    return Repository(_project_root(start, work_tree), work_tree, git_dir, common_dir)


def foreign_variables() -> tuple[str, ...]:
    """Return the names of the GIT_* variables that would turn git to another repository, index or behaviour.

    A hook, `git rebase --exec` or an alias sets them; identity and configuration stay the user's.
    """
    kept = _KEPT | _KEPT_IDENTITY
    return tuple(
        name
        for name in os.environ
        if name.startswith("GIT_") and name not in kept and not name.startswith("GIT_CONFIG_")
    )


def clean_environment() -> dict[str, str]:
    """Return the environment for a git process: without what points elsewhere, with messages in English."""
    foreign = set(foreign_variables())
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "LC_ALL": "C", "LANGUAGE": "C"}


def _ask_git(start: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            _QUESTION,
            cwd=start,
            env=clean_environment(),
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_DEADLINE_SECONDS,
            check=False,
        )
    except FileNotFoundError as failure:
        message = "git is not installed, or not on the PATH"
        raise UsageError(message, hint="install git 2.35 or newer, for example: apt install git") from failure
    except PermissionError as failure:
        message = f"no permission to enter {start}"
        raise UsageError(
            message, hint="give yourself permission to that folder, or choose another with -C"
        ) from failure
    except subprocess.TimeoutExpired as failure:
        message = f"git did not answer within {_DEADLINE_SECONDS:.0f} s in {start}"
        raise ConflictError(message, hint=f"try it by hand: git -C {start} rev-parse --git-dir") from failure


def _project_root(start: Path, work_tree: Path) -> Path:
    for folder in (start, *start.parents):
        if (folder / "workflows").is_dir():
            return folder
        if folder == work_tree:
            break
    return start


def _explain(start: Path, lines: list[str], stderr: str) -> UsageError:
    if lines[:1] == ["true"]:
        return UsageError(
            f"{start} is a bare git repository, without files to work on",
            hint="work in a clone of it: git clone, or git worktree add",
        )
    if lines[1:2] == ["false"]:
        return UsageError(
            f"{start} lies inside a .git folder", hint="go to the folder of the project, or give it with -C"
        )
    if "dubious ownership" in stderr:
        return UsageError(
            f"git does not trust the repository at {start}: it belongs to another user",
            hint=f"if you trust it: git config --global --add safe.directory {start}",
        )
    if "not a git repository" in stderr:
        return UsageError(f"not a git repository: {start}", hint="git init, or make a project: churnflow new DIR")
    first = next(iter(stderr.strip().splitlines()), "no answer")
    return UsageError(f"git cannot use {start}: {first}", hint="churnflow needs git 2.35 or newer: git --version")
