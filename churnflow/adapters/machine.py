"""What churnflow needs of a machine, tried out rather than looked up: git, disk, locks, clock, limits."""

import errno
import fcntl
import os
import platform
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from churnflow.adapters.durable import explained, make_folder, remove, sync_folder, temporary_in, write_durably
from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.git_remote import remotes_of
from churnflow.adapters.remote_store import RemoteStore
from churnflow.adapters.remotes_file import RemotesFile
from churnflow.adapters.repository import Repository, clean_environment
from churnflow.adapters.ssh_signatures import KeySigner, SshSignatures, public_key
from churnflow.errors import ChurnflowError

State = Literal["ok", "look", "bad"]

OLDEST_GIT: Final = (2, 35)
_SCARCE_BYTES: Final = 1_000_000_000
_TOO_SCARCE_BYTES: Final = 100_000_000
_SKEW_SECONDS: Final = 5.0
_DEADLINE_SECONDS: Final = 30.0
_FICLONE: Final = 0x40049409


@dataclass(frozen=True)
class Seen:
    """One thing that was tried. hint: what to do, "" where all is well."""

    name: str
    state: State
    said: str
    hint: str = ""


def examine(repository: Repository | None, signatures: SshSignatures | None = None) -> Iterator[Seen]:
    """Yield what was found of the machine, and of the place of a project, if there is one; each look leaves nothing.

    signatures: what makes and checks signatures, None for the system's own ssh-keygen.
    """
    yield Seen("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    git = _git()
    yield git
    yield _signing(signatures or SshSignatures())
    yield _limits()
    if repository is None and git.state == "bad":
        return  # Whether there is a project is what git would have said.
    if repository is None:
        yield Seen("project", "look", "there is none here", "churnflow new DIR makes one; or name its folder with -C")
        return
    looks: tuple[Callable[[Repository], Seen], ...] = (_space, _durable, _locks, _clock, _reflink, _remotes)
    for look in looks:
        yield _tried(look, repository)


def _tried(look: Callable[[Repository], Seen], repository: Repository) -> Seen:
    """Return what a look found; where the system refused it, that is what it found."""
    name = look.__name__.strip("_")
    try:
        with explained(repository.shared_dir):
            make_folder(repository.shared_dir)
            return look(repository)
    except ChurnflowError as failure:
        return Seen(name, "bad", str(failure), failure.hint)
    except OSError as failure:
        return Seen(
            name, "bad", f"{failure.filename or repository.shared_dir}: {failure.strerror}", "see what the disk is"
        )


def _git() -> Seen:
    try:
        done = subprocess.run(
            ["git", "version"],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=_DEADLINE_SECONDS,
            check=True,
        )
    except FileNotFoundError:
        return Seen("git", "bad", "it is missing: PATH leads to none", "install it, for example: apt install git")
    except (OSError, subprocess.SubprocessError) as failure:
        return Seen("git", "bad", f"it does not answer: {failure}", "install it, for example: apt install git")
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < OLDEST_GIT:
        return Seen("git", "bad", done.stdout.strip(), f"churnflow needs git {OLDEST_GIT[0]}.{OLDEST_GIT[1]} or newer")
    return Seen("git", "ok", done.stdout.strip().removeprefix("git version "))


def _signing(signatures: SshSignatures) -> Seen:
    """Sign with a key that is made for it and gone after it, and check that; only signed approvals need either."""
    name, space, message = "ssh-keygen", "churnflow-doctor", b"whole"
    try:
        with TemporaryDirectory(prefix="churnflow-doctor-") as folder:
            key = Path(folder, "key")
            signatures.call(("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)), b"", {})
            signature = KeySigner(key, signatures).sign(message, space)
            is_good = signatures.verify(message, signature, space, [public_key(Path(f"{key}.pub"))])
    except ChurnflowError as failure:
        return Seen(name, "look", str(failure), f"only signed approvals need it: {failure.hint}")
    except OSError as failure:
        return Seen(name, "look", f"it could not be tried out: {failure}", "only signed approvals need it")
    if not is_good:
        return Seen(name, "bad", f"{signatures.program} does not find its own signature good", "install another")
    return Seen(name, "ok", f"{signatures.program} signs and checks")


def _limits() -> Seen:
    size, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if size != resource.RLIM_INFINITY:
        return Seen(
            "limits", "look", f"a file can have {size:,} bytes at most", "raise it in this shell: ulimit -f unlimited"
        )
    return Seen("limits", "ok", "files of any size")


def _space(repository: Repository) -> Seen:
    free = shutil.disk_usage(repository.shared_dir).free
    said = f"{free / 1e9:,.1f} GB free where artifacts are kept"
    if free >= _SCARCE_BYTES:
        return Seen("space", "ok", said)
    return Seen("space", "bad" if free < _TOO_SCARCE_BYTES else "look", said, "churnflow gc frees what nothing needs")


def _durable(repository: Repository) -> Seen:
    path = temporary_in(repository.shared_dir)
    started = time.monotonic()
    try:
        write_durably(path, b"whole")
        is_right = path.read_bytes() == b"whole"
    finally:
        remove(path)
    sync_folder(repository.shared_dir)
    took = (time.monotonic() - started) * 1000
    if not is_right:
        return Seen("durable", "bad", "what was written is not what is read", "keep the repository on another disk")
    return Seen("durable", "ok", f"written, synced, renamed and read again in {took:.0f} ms")


def _locks(repository: Repository) -> Seen:
    """Take a lock twice: file systems of a network may give it to both."""
    path = temporary_in(repository.shared_dir)
    first = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    second = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Seen("locks", "bad", "the disk gives one lock to two", "keep the repository on a local disk")
    finally:
        os.close(first)
        os.close(second)
        remove(path)
    return Seen("locks", "ok", "a second writer is kept out")


def _clock(repository: Repository) -> Seen:
    path = temporary_in(repository.shared_dir)
    try:
        path.touch()
        skew = path.stat().st_mtime - time.time()
    finally:
        remove(path)
    if abs(skew) > _SKEW_SECONDS:
        return Seen("clock", "look", f"the disk's clock is {skew:+.0f} s off", "set the clocks, for example with NTP")
    return Seen("clock", "ok", "the disk and this machine agree")


def _reflink(repository: Repository) -> Seen:
    source, target = temporary_in(repository.shared_dir), temporary_in(repository.shared_dir)
    try:
        source.write_bytes(b"x" * 4096)
        with source.open("rb") as reading, target.open("wb") as writing:
            fcntl.ioctl(writing, _FICLONE, reading.fileno())
    except OSError as failure:
        if failure.errno not in {errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV}:
            raise
        return Seen("reflink", "ok", "the disk has none: source files are copied")
    finally:
        remove(source)
        remove(target)
    return Seen("reflink", "ok", "source files share their blocks with the store")


def _remotes(repository: Repository) -> Seen:
    urls = RemotesFile(repository.shared_dir).read().urls
    for url in urls.values():
        RemoteStore(url)
    unknown = sorted(urls.keys() - remotes_of(Plumbing(repository)))
    if unknown:
        said = f"git knows no remote {', '.join(map(repr, unknown))}, which push and pull would use"
        return Seen("remotes", "look", said, f"git remote add {unknown[0]} URL")
    return Seen("remotes", "ok", ", ".join(sorted(urls.values())) or "none: checkpoints are only here")
