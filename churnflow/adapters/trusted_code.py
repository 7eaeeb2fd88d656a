"""Which step code of the project may be imported: what was written here, or what a person has trusted, by digest.

Code comes from elsewhere by a clone, a pull, a merge or a checkout. So in a repository that has never met another one,
all code is its user's own. In one that has, a file is known when its bytes were known here before, and is the user's
own when it is an edit, or a commit made here, of a file that was known. All else waits for `churnflow trust`.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from churnflow.adapters.durable import explained, make_folder, read_texts, write_durably
from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.repository import Repository
from churnflow.adapters.step_code import StepCode
from churnflow.domain.workflow import Workflow
from churnflow.errors import UntrustedError, UsageError

_REMOTE: Final = re.compile(r"^\s*\[\s*remote\b", re.MULTILINE | re.IGNORECASE)
# While one of these is there, git is bringing in somebody's changes.
_UNDERWAY: Final = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
_COMMITTED_HERE: Final = re.compile(r"^[0-9a-f]+ (?P<oid>[0-9a-f]+) [^\t]*\tcommit(?: \((?:initial|amend)\))?:")
_MOST_COMMITS: Final = 50
_ABSENT: Final = re.compile(r"0+\Z")


class TrustedCode:
    """A catalog of steps that imports no file of the project which is not known."""

    def __init__(self, catalog: StepCode, repository: Repository, git: Callable[[], Plumbing]) -> None:
        """Take the catalog, the project, and what makes its git, which is only asked about a file that is not known."""
        self._catalog = catalog
        self._repository = repository
        self._git = git
        self._memory = repository.state_dir / "trusted-code.json"

    def names(self) -> Sequence[str]:
        """Return the registered names, built-in and installed."""
        return self._catalog.names()

    def function(self, uses: str) -> Callable[..., object]:
        """Import and return the function. Raises UntrustedError for one of code that is not known."""
        files = self._catalog.own_files(uses)
        unknown = self._unknown(files)
        if unknown:
            raise untrusted(unknown)
        self._remember(files)
        return self._catalog.function(uses)

    def code_sha256(self, uses: str) -> str:
        """Return the digest of the source that the function is made of, without importing it."""
        return self._catalog.code_sha256(uses)

    def unknown(self, workflow: Workflow) -> dict[str, str]:
        """Return the files, with their sha256, that the workflow's steps run and nobody here has written or trusted."""
        return self._unknown(self._files(workflow))

    def require(self, workflow: Workflow) -> None:
        """Check that the workflow's steps may be run, and keep what they are. Raises UntrustedError before any is."""
        files = self._files(workflow)
        unknown = self._unknown(files)
        if unknown:
            raise untrusted(unknown)
        self._remember(files)

    def trust(self, workflow: Workflow) -> None:
        """Keep, for this project in this clone, that the code of the workflow's steps as it is now is trusted."""
        self._remember(self._files(workflow))

    def adopt(self, files: Collection[Path]) -> None:
        """Keep that files of the project were written here, as `churnflow new` does."""
        root = self._repository.root
        self._remember({path.relative_to(root).as_posix(): path.read_bytes() for path in files})

    def _files(self, workflow: Workflow) -> dict[str, bytes]:
        return {path: data for step in workflow.steps() for path, data in self._own(step.uses).items()}

    def _own(self, uses: str) -> Mapping[str, bytes]:
        # What can not be found is said where the step is looked at, with its line.
        with suppress(UsageError):
            return self._catalog.own_files(uses)
        return {}

    def _unknown(self, files: Mapping[str, bytes]) -> dict[str, str]:
        known = self._known()
        asked = {path: data for path, data in files.items() if _sha256(path, data) not in known}
        if not asked or self._is_from_before() or not self._has_met_another():
            return {}
        origin = _Origin(self._repository, self._git(), {*known.values()}, self._algorithm())
        return {
            path: hashlib.sha256(data).hexdigest() for path, data in asked.items() if not origin.is_ours(path, data)
        }

    def _is_from_before(self) -> bool:
        """Tell whether the project ran its code here before trust was kept: only what comes later is a question."""
        return not self._memory.exists() and (self._repository.state_dir / "runs").is_dir()

    def _has_met_another(self) -> bool:
        """Tell whether files can have come from another repository: a remote is named, or something was fetched."""
        common = self._repository.common_dir
        if (common / "FETCH_HEAD").exists() or (self._repository.git_dir / "FETCH_HEAD").exists():
            return True
        with suppress(OSError):
            if "clone: from" in (common / "logs" / "HEAD").read_text(errors="replace").partition("\n")[0]:
                return True
        with suppress(OSError):
            return _REMOTE.search((common / "config").read_text(errors="replace")) is not None
        return False

    def _known(self) -> dict[str, str]:
        """Return what is known: by the digest of path and bytes, the id that git would give the bytes."""
        return read_texts(self._memory)

    def _remember(self, files: Mapping[str, bytes]) -> None:
        known = self._known()
        more = {_sha256(path, data): _blob_id(data, self._algorithm()) for path, data in files.items()}
        if more.keys() - known.keys() or not self._memory.exists():
            with explained(self._memory):
                make_folder(self._memory.parent)
                write_durably(self._memory, json.dumps({**known, **more}, indent=0).encode())

    def _algorithm(self) -> str:
        with suppress(OSError):
            config = (self._repository.common_dir / "config").read_text(errors="replace")
            return "sha256" if re.search(r"objectformat\s*=\s*sha256", config, re.IGNORECASE) else "sha1"
        return "sha1"


class _Origin:
    """Finds out whether a file that is not known was written here, by what git knows of it."""

    def __init__(self, repository: Repository, git: Plumbing, known: Collection[str], algorithm: str) -> None:
        self._repository = repository
        self._git = git
        self._known = known
        self._algorithm = algorithm
        self._head = git.line_or_none("rev-parse", "-q", "--verify", "HEAD^{commit}") or ""

    def is_ours(self, path: str, data: bytes) -> bool:
        """Tell whether the file is an edit or a commit made here, on top of what was known or of nothing."""
        if any((self._repository.git_dir / name).exists() for name in _UNDERWAY):
            return False
        prefix = self._repository.prefix
        whole = f"{prefix}/{path}" if prefix else path
        (committed,) = self._git.read([f"{self._head}:{whole}"]) if self._head and "\n" not in whole else (None,)
        mine = _blob_id(data, self._algorithm)
        if committed is None or committed.oid != mine:
            # What git holds under that id was fetched, checked out or brought back, not typed.
            if self._git.read([mine]) != [None]:
                return False
            if committed is None or committed.oid in self._known:
                return True
        return self._is_committed_here(whole)

    def _is_committed_here(self, path: str) -> bool:
        here = set(self._commits_here())
        for commit, before in self._changes(path):
            if commit not in here:
                return False
            if _ABSENT.match(before) or before in self._known:
                return True
        return False

    def _changes(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield the commits that changed a file, newest first, each with the id of what the file was before."""
        options = ("--format=%H", "--raw", "--no-abbrev", "--no-renames", "--no-show-signature", f"-n{_MOST_COMMITS}")
        listed = self._git.line("log", *options, self._head, "--", path, env={"GIT_LITERAL_PATHSPECS": "1"})
        commit = ""
        for line in filter(None, listed.splitlines()):
            if line.startswith(":"):
                yield commit, line.split(" ")[2]
            else:
                commit = line

    def _commits_here(self) -> Iterator[str]:
        """Yield the commits that the log of HEAD says were made in this work tree, not brought by a merge or a pull."""
        with suppress(OSError):
            text = (self._repository.git_dir / "logs" / "HEAD").read_text(errors="replace")
            yield from (match["oid"] for match in map(_COMMITTED_HERE.match, text.splitlines()) if match)


def untrusted(unknown: Mapping[str, str]) -> UntrustedError:
    """Return the error that names the first of the files that nobody here has written or trusted."""
    first = next(iter(unknown))
    more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    message = f"the steps run code that came from elsewhere and was never trusted here: {first}{more}"
    return UntrustedError(message, hint="read it, then `churnflow trust` shows files and digests and asks")


def digest_of(unknown: Mapping[str, str]) -> str:
    """Return the one digest that stands for all files of a question and their content."""
    return hashlib.sha256(json.dumps(sorted(unknown.items())).encode()).hexdigest()


def _sha256(path: str, data: bytes) -> str:
    return hashlib.sha256(os.fsencode(path) + b"\0" + data).hexdigest()


def _blob_id(data: bytes, algorithm: str) -> str:
    # SHA-1 where the repository names its objects so: it only tells what an edit was made of, and trusts nothing.
    return hashlib.new(algorithm, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
