"""Brings the files of a snapshot back into the work tree: only what differs, each whole, and proved afterwards."""

import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from churnflow.adapters.durable import (
    explained,
    make_folder,
    remove,
    remove_leftovers,
    spread,
    sync_all,
    temporary_in,
)
from churnflow.adapters.git_files import COMPARING, LISTING, Blob, compared, listed
from churnflow.adapters.git_plumbing import GitFailure, Plumbing, hash_named
from churnflow.adapters.git_snapshot import Snapshots
from churnflow.adapters.places import kind_of, opened_folder, refuse_blocked
from churnflow.adapters.repository import Repository
from churnflow.errors import ConflictError, IntegrityError

_PATIENCE_SECONDS = (0.05, 0.2)
_LINK = "120000"
_SUBMODULE = "160000"
_SPECIAL = re.compile(rb'[\x00-\x1f"\\]')


class Difference(NamedTuple):
    """What happens to one file, by its path from the top of the work tree."""

    action: str
    path: str


class Restorer:
    """Compares a snapshot with the work tree, and writes what differs; it deletes nothing."""

    def __init__(self, plumbing: Plumbing, repository: Repository, snapshots: Snapshots) -> None:
        """Take the repository's plumbing and what takes snapshots."""
        self._plumbing = plumbing
        self._repository = repository
        self._snapshots = snapshots

    def restore(self, old: str, differences: Sequence[Difference]) -> int:
        """Write what differs from the tree `old` and return how many files were verified.

        Raises IntegrityError when a file is not what the snapshot holds after all.
        """
        paths = [difference.path for difference in differences if difference.action != "keep"]
        attributes = [path for path in paths if path.rsplit("/", 1)[-1] == ".gitattributes"]
        # They say how the others are to be written.
        for batch in (attributes, [path for path in paths if path.rsplit("/", 1)[-1] != ".gitattributes"]):
            if batch:
                self._write(old, batch)
        return self._verify(old)

    def refuse_blocked(self, differences: Sequence[Difference]) -> None:
        """Raise ConflictError when a path to be written leads over a link, or file and folder collide."""
        paths = (difference.path for difference in differences if difference.action != "keep")
        refuse_blocked(self._repository.work_tree, *paths)

    def compare(self, old: str, now: str) -> list[Difference]:
        """Return what bringing back the tree `old` does to the project's files, whose tree is `now`."""
        differences = []
        for status, blob in self._changed(old, now):
            match status:
                case "A":
                    differences.append(Difference("keep", blob.path))
                case "D" if os.path.lexists(self._repository.work_tree / blob.path):
                    # No snapshot of the present holds it, since git ignores it by now, or has it behind a link.
                    if self._is_behind_link(blob.path) or self._broken([blob]):
                        differences.append(Difference("restore", blob.path))
                case "D":
                    differences.append(Difference("create", blob.path))
                case _:
                    differences.append(Difference("restore", blob.path))
        return differences

    def _is_behind_link(self, path: str) -> bool:
        return any((self._repository.work_tree / folder).is_symlink() for folder in PurePosixPath(path).parents[:-1])

    def differing(self, older: str, newer: str) -> list[str]:
        """Return the paths of the project's files that differ between two trees, whatever the work tree holds."""
        return [blob.path for _, blob in self._changed(older, newer)]

    def _changed(self, old: str, new: str) -> Iterable[tuple[str, Blob]]:
        prefix = self._prefix()
        for status, before, after in compared(self._ask(*COMPARING, old, new)):
            if _SUBMODULE not in {before.mode, after.mode} and _is_ours(before.path, prefix):
                yield status, before

    def _prefix(self) -> str:
        return f"{self._repository.prefix}/" if self._repository.prefix else ""

    def _ask(self, *arguments: str) -> bytes:
        for wait_seconds in _PATIENCE_SECONDS:
            with suppress(GitFailure):
                return self._plumbing.run(*arguments)
            # A `git gc` at the same time moves objects from one pack to another beneath a reader.
            time.sleep(wait_seconds)
        try:
            return self._plumbing.run(*arguments)
        except GitFailure as failure:
            message = f"the snapshot of the checkpoint cannot be read: {failure}"
            raise IntegrityError(message, hint="fetch it from another clone: git fetch --all --tags") from failure

    def _write(self, tree: str, paths: list[str]) -> None:
        # `checkout-index` into a folder of our own applies the user's line ends and filters (LFS) as a checkout does,
        # and makes modes and links, without a file of the work tree being half written at any moment.
        state = self._repository.state_dir
        with explained(state), self._snapshots.scratch_index() as index:
            remove_leftovers(state, "staging-")
            staging = state / f"staging-{os.getpid()}"
            try:
                # Left by a killed process whose number we have, as in a container.
                remove(staging)
                make_folder(staging)
                folders = _by_folder(paths)
                _make_spread(staging, [folder for folder, _ in folders])
                env = {"GIT_INDEX_FILE": str(index)}
                self._plumbing.run("read-tree", tree, env=env)
                wanted = b"".join(os.fsencode(path) + b"\0" for path in paths)
                self._plumbing.run("checkout-index", "-z", "--stdin", f"--prefix={staging}/", stdin=wanted, env=env)
                sync_all([f"{staging}/{path}" for path in paths], staging)
                sync_all([self._install(staging, *both) for both in folders], self._repository.work_tree)
            except GitFailure as failure:
                if failure.is_disk_full:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from failure
                message = f"the files of the checkpoint could not be written: {failure}"
                raise ConflictError(message, hint="see what git says, then run the same command again") from failure
            finally:
                remove(staging)

    def _install(self, staging: Path, folder: str, names: Sequence[str]) -> Path:
        """Move staged files into their folder, by its path from the top of the work tree; return where it is."""
        top = self._repository.work_tree
        # Once more: one of the files before them may be a link that now leads elsewhere.
        refuse_blocked(top, _joined(folder, names[0]))
        staged, target = staging / folder, top / folder
        remove_leftovers(target)
        with explained(target), opened_folder(top, folder.split("/") if folder else ()) as opened:
            for name in names:
                if not _is_moved(f"{staged}/{name}", target, name, opened):
                    _copy_in(f"{staged}/{name}", target, name, opened)
        return target

    def _verify(self, tree: str) -> int:
        prefix = self._prefix()
        found = listed(self._ask(*LISTING, tree))
        blobs = [blob for blob in found if blob.mode != _SUBMODULE and _is_ours(blob.path, prefix)]
        broken = self._broken(blobs)
        if broken:
            message = f"{len(broken)} of {len(blobs)} files are not as in the checkpoint, first {broken[0]}"
            raise IntegrityError(message, hint="close what writes to them, then run the same command again")
        return len(blobs)

    def _broken(self, blobs: list[Blob]) -> list[str]:
        files, broken = [], []
        for blob in blobs:
            place = f"{self._repository.work_tree}/{blob.path}"
            kind = kind_of(place)
            if stat.S_ISREG(kind) and blob.mode != _LINK:
                files.append(blob)
            elif not (stat.S_ISLNK(kind) and blob.mode == _LINK and _is_link(place, blob.oid)):
                broken.append(blob.path)
        # Cleaned by filters as `git add` does; a file kept with line ends that git would normalise matches as it is.
        suspects = self._differing(files)
        return sorted({*broken, *(blob.path for blob in self._differing(suspects, "--no-filters"))})

    def _differing(self, blobs: list[Blob], *options: str) -> list[Blob]:
        if not blobs:
            return []
        paths = b"".join(_c_quoted(blob.path) + b"\n" for blob in blobs)
        found = self._plumbing.line("hash-object", *options, "--stdin-paths", stdin=paths).splitlines()
        return [blob for blob, oid in zip(blobs, found, strict=True) if oid != blob.oid]


def _is_ours(path: str, prefix: str) -> bool:
    """Tell whether a path from the top of the work tree is a project's, whose files begin with `prefix`."""
    return path.startswith(prefix) and not path.startswith(f"{prefix}checkpoints/")


def _make_spread(root: Path, folders: Sequence[str]) -> None:
    """Make folders, and those above them, below `root`: far from one another where the file system does that.

    ext4 makes a folder, and the files in it, where its parent is, and without a journal looks there past every file
    that was removed in the last minutes, for each file anew: an undo of 10,000 files right after their rollback took
    twice as long.
    """
    names = {str(above) for folder in folders for above in Path(folder, "file").parents}
    for folder in sorted(names):
        (root / folder).mkdir(exist_ok=True)
        with suppress(OSError):
            spread(root / folder)


def _by_folder(paths: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return each folder, by its path, with the names in it."""
    names: dict[str, list[str]] = {}
    for folder, _, name in (path.rpartition("/") for path in paths):
        names.setdefault(folder, []).append(name)
    return sorted(names.items())


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_link(place: str, oid: str) -> bool:
    # As it stands: a Path would drop what git hashes too, as the `./` of `./x`.
    target = os.readlink(os.fsencode(place))  # noqa: PTH115
    hasher = hash_named(oid, b"blob %d\0" % len(target))
    hasher.update(target)
    return hasher.hexdigest() == oid


def _is_moved(staged: str, target: Path, name: str, folder: int) -> bool:
    """Move a file that is durable already into an open folder, `target`; False from another file system."""
    try:
        os.replace(staged, name, dst_dir_fd=folder)
    except FileNotFoundError as failure:
        message = f"{target / name} was taken away while it was brought back"
        raise ConflictError(message, hint="see what clears up there, then run the same command again") from failure
    except OSError as failure:
        if failure.errno != errno.EXDEV:
            # What the user can act on is the place, not our copy beside it.
            raise OSError(failure.errno, failure.strerror, str(target / name)) from failure
        return False
    return True


def _copy_in(staged: str, target: Path, name: str, folder: int) -> None:
    """Copy a file or a link, durably and whole, into an open folder, `target`."""
    temporary = temporary_in(target).name
    try:
        if Path(staged).is_symlink():
            os.symlink(os.readlink(staged), temporary, dir_fd=folder)  # noqa: PTH115 - the very text
        else:
            _copy(staged, temporary, folder)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)


def _copy(staged: str, name: str, folder: int) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    with Path(staged).open("rb") as source, os.fdopen(descriptor, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fchmod(descriptor, os.fstat(source.fileno()).st_mode & 0o777)
        os.fsync(descriptor)


def _c_quoted(path: str) -> bytes:
    return b'"' + _SPECIAL.sub(lambda found: b"\\%03o" % found[0][0], os.fsencode(path)) + b'"'
