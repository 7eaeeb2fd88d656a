"""Git's plumbing with fixed arguments, driven through GitPython, in an environment that is cut off from the user's."""

import hashlib
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Thread, Timer
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from churnflow.adapters.durable import explained, make_folder, remove, remove_leftovers, sync_all
from churnflow.adapters.git_order import in_order
from churnflow.adapters.repository import Repository, foreign_variables
from churnflow.errors import ConflictError, IntegrityError

if TYPE_CHECKING:
    from git import Git

DEADLINE_SECONDS = 600.0
_MOST_MOVES = 20
_CUT_OFF = "fatal: its answer was cut off"
_FULL = ("No space left on device", "Disk quota exceeded", "File too large", "died of signal 25")

# Durability is ours, one barrier for all new objects (see `quarantine`), so that git need not sync each by itself; refs
# are git's own, and it syncs them. Nothing here may run what the user has configured to run: hooks, monitors, upkeep.
_SETTINGS = (
    "core.fsync=reference,none",
    "core.fsyncMethod=fsync",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.sparseCheckout=false",
    "core.commitGraph=false",
    "core.logAllRefUpdates=false",
    "core.quotePath=false",
    "core.safecrlf=false",
    "core.warnAmbiguousRefs=false",
    "checkout.workers=0",  # as many as there are processors, from a hundred files on
    "advice.graftFileDeprecated=false",  # it is said of the empty one that we name
    "index.sparse=false",
    "diff.ignoreSubmodules=dirty",
    "submodule.recurse=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
_OPTIONS = tuple(part for setting in _SETTINGS for part in ("-c", setting))


class GitFailure(ConflictError):  # noqa: N818 - mostly an answer to be looked at, not an error of the user's
    """A git process ended with a failure; `status` and `stderr` say which. Not caught, it is shown as a conflict."""

    def __init__(self, command: str, status: int, stderr: str) -> None:
        """Take the plumbing command's name, its exit status and what it said."""
        message = f"git {command} failed: {_first_line(stderr)}"
        super().__init__(message, hint="see what `git status` and `git fsck` say, then run the same command again")
        self.status = status
        self.stderr = stderr

    @property
    def is_disk_full(self) -> bool:
        """Whether git had no room to write, or ran into the limit that the shell sets on the size of a file."""
        return self.status == -signal.SIGXFSZ or any(sign in self.stderr for sign in _FULL)


class Found(NamedTuple):
    """An object of the repository: its id, its kind (commit, tree, blob, tag), and its bytes."""

    oid: str
    kind: str
    content: bytes


class Plumbing:
    """One repository's git: each call is one process, read with a deadline."""

    def __init__(self, repository: Repository, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """Take the repository; GitPython is imported at the first call, since commands that need no git are many."""
        self._repository = repository
        self._deadline_seconds = deadline_seconds
        self._git: Git | None = None
        self._base = {
            "GIT_DIR": str(repository.git_dir),
            "GIT_WORK_TREE": str(repository.work_tree),
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_GRAFT_FILE": os.devnull,
            "GIT_NO_LAZY_FETCH": "1",
            # A transport like ext:: is a command in the clothes of an address; this outweighs what a config allows.
            "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        }

    def run(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Run `git ARGUMENTS` at the top of the work tree and return its output.

        Raises GitFailure for a failure, ConflictError when git does not answer in time.
        """
        output, _ = self.run_noting(*arguments, stdin=stdin, env=env)
        return output

    def run_noting(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> tuple[bytes, str]:
        """Run as `run` does and also return what git said on its error output."""
        process = self._started(arguments, {**self._base, **(env or {})})
        try:
            output, errors = process.communicate(stdin, timeout=self._deadline_seconds)
        except subprocess.TimeoutExpired as late:
            process.kill()
            # A filter that git has started may outlive it and hold the pipes open: they are not read to their end.
            with cast("subprocess.Popen[bytes]", process.proc):
                pass
            message = f"git {arguments[0]} did not end within {self._deadline_seconds:g} s"
            hint = "see what holds it (a huge file that .gitignore should name, a filter, a slow disk), then try again"
            raise ConflictError(message, hint=hint) from late
        stderr = errors.decode(errors="replace")
        if process.returncode != 0:
            raise GitFailure(arguments[0], process.returncode, stderr)
        return output, stderr

    def line(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """Run as `run` does and return the output as one line of text."""
        return self.run(*arguments, stdin=stdin, env=env).decode(errors="surrogateescape").rstrip("\n")

    def answer(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """Run as `line` does a command that always has something to say, as the id of what it has written.

        Git ends well although it could not write into our pipe. Raises GitFailure then.
        """
        said = self.line(*arguments, stdin=stdin, env=env)
        if not said:
            raise GitFailure(arguments[0], 0, _CUT_OFF)
        return said

    def line_or_none(self, *arguments: str) -> str | None:
        """Return the output as one line, None when git answers that there is no such thing (status 1)."""
        try:
            return self.answer(*arguments)
        except GitFailure as failure:
            if failure.status == 1:
                return None
            raise

    def read(self, names: Iterable[str], env: Mapping[str, str] | None = None) -> "list[Found | None]":
        """Return the objects named by id, ref or `commit:path`, None for a missing one; one process for all.

        Raises IntegrityError for one whose content has another hash than its id: git itself does not look.
        """
        wanted = list(names)
        asked = b"".join(os.fsencode(name) + b"\n" for name in wanted)
        output = self.run("cat-file", "--batch", stdin=asked, env=env)
        return list(_split_batch(output, len(wanted)))

    def hashes(self, oids: Sequence[str]) -> "Iterator[str | None]":
        """Yield for each id the hash that the object's content has, None for a missing one; none is kept in memory.

        Raises IntegrityError at the first that git cannot unpack.
        """
        # GitPython ends a process whose holder is gone.
        holder = self._started(("cat-file", "--batch", "--buffer"), self._base)
        process = cast("subprocess.Popen[bytes]", holder.proc)
        assert process.stdin is not None  # noqa: S101 - both are pipes; for the type checker
        assert process.stdout is not None  # noqa: S101
        asked = b"".join(oid.encode() + b"\n" for oid in oids)
        feeder = Thread(target=_fed, args=(process.stdin, asked), daemon=True)
        late = Timer(self._deadline_seconds, process.kill)
        feeder.start()
        late.start()
        try:
            for oid in oids:
                yield _hash_from(process.stdout, oid)
        finally:
            late.cancel()
            process.kill()
            feeder.join()
            with process:
                pass

    @contextmanager
    def quarantine(self) -> Iterator[dict[str, str]]:
        """Give an environment whose new objects stay apart; at the end make them durable and move them in.

        An object is thus never in the repository before it is on the disk, and a kill leaves the repository as it was.
        """
        shared = self._repository.shared_dir
        objects = self._repository.common_dir / "objects"
        with explained(shared):
            make_folder(shared)
            remove_leftovers(shared, "objects-")
            folder = _fresh_folder(shared)
        try:
            yield {
                "GIT_OBJECT_DIRECTORY": str(folder),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(str(objects)),
            }
            with explained(objects):
                _move_in(folder, objects)
        finally:
            remove(folder)

    def _started(self, arguments: tuple[str, ...], env: dict[str, str]) -> "Git.AutoInterrupt":
        if self._git is None:
            gitpython = import_module("git")
            self._git = gitpython.Git(str(self._repository.work_tree))
        foreign = tuple(part for name in foreign_variables() for part in ("-u", name))
        # GitPython hands our whole environment down; `env -u` takes out of it what a hook or an alias put there.
        cut = ("env", *foreign, *(f"{name}={value}" for name, value in env.items())) if foreign else ()
        return self._git.execute(
            [*cut, "git", *_OPTIONS, *arguments],
            istream=subprocess.PIPE,
            as_process=True,
            env=env,
        )


def _split_batch(output: bytes, count: int) -> "Iterator[Found | None]":
    position = 0
    for _ in range(count):
        end = output.find(b"\n", position)
        if end < 0:
            command = "cat-file"
            raise GitFailure(command, 0, _CUT_OFF)
        header = output[position:end]
        position = end + 1
        if header.endswith((b" missing", b" ambiguous")):
            yield None
            continue
        oid, kind, size = header.decode().split(" ")
        found = Found(oid, kind, output[position : position + int(size)])
        position += int(size) + 1
        if position > len(output):
            command = "cat-file"
            raise GitFailure(command, 0, _CUT_OFF)
        hasher = hash_named(oid, f"{kind} {size}\0".encode())
        hasher.update(found.content)
        if hasher.hexdigest() != oid:
            raise _altered(oid)
        yield found


def hash_named(oid: str, start: bytes = b"") -> "hashlib._Hash":
    """Return the hash that names objects like `oid`, begun with `start`: SHA-1 by 40 digits, SHA-256 by 64."""
    new = hashlib.sha1 if len(oid) == 40 else hashlib.sha256  # noqa: PLR2004 - git's own name of the object
    return new(start)


def _fed(pipe: IO[bytes], data: bytes) -> None:
    # Git ends early where it finds an object that it cannot unpack.
    with suppress(OSError):
        pipe.write(data)
    with suppress(OSError):
        pipe.close()


def _hash_from(stream: IO[bytes], oid: str) -> str | None:
    header = stream.readline()
    if header.endswith((b" missing\n", b" ambiguous\n")):
        return None
    if not header.endswith(b"\n"):
        raise _altered(oid)
    name, kind, size = header.decode().split()
    hasher = hash_named(name, f"{kind} {size}\0".encode())
    left = int(size)
    while left:
        chunk = stream.read(min(left, 1 << 20))
        if not chunk:
            raise _altered(oid)
        hasher.update(chunk)
        left -= len(chunk)
    stream.read(1)
    return hasher.hexdigest()


def _altered(oid: str) -> IntegrityError:
    message = f"git's object {oid[:12]} was altered: its content has another hash than its name"
    return IntegrityError(message, hint="fetch the true one from another clone: git fetch --all --tags")


def _move_in(folder: Path, objects: Path) -> None:
    found = in_order([path for path in folder.glob("*/*") if path.is_file() and not path.name.startswith("tmp_")])
    sync_all(found, folder)
    places = {_moved(path, objects / path.parent.name / path.name) for path in found}
    while places:
        with suppress(FileNotFoundError):
            sync_all(sorted(places), objects)
            break
        places = {place for place in places if place.is_dir()}


def _moved(path: Path, target: Path) -> Path:
    # A `git gc` at the same time removes the folders that it finds empty.
    for _ in range(_MOST_MOVES):
        with suppress(FileNotFoundError):
            make_folder(target.parent)
            if not target.exists():
                path.replace(target)
            return target.parent
    message = f"git's folder {target.parent} is removed again and again"
    raise ConflictError(message, hint="wait for `git gc` to end, then run the same command again")


def _fresh_folder(shared: Path) -> Path:
    folder = shared / f"objects-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir(0o700)
    return folder


def _quoted(path: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", path) + '"' if re.search(r'[:"\\;]', path) else path


def _first_line(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0] if lines else "no message")
