"""The source files that steps read: found inside the project, hashed once per change, brought back whole."""

import errno
import os
import stat
import time
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from churnflow.adapters.artifact_files import Signature, copy_hashing, sha256_of, signature_of
from churnflow.adapters.durable import (
    explained,
    make_folder,
    recall,
    remember,
    remove,
    remove_leftovers,
    sync_file,
    sync_folder,
    temporary_in,
)
from churnflow.adapters.places import is_gits_own, refuse_blocked
from churnflow.domain.evidence import Artifact
from churnflow.engine.ports import ArtifactStore
from churnflow.errors import IntegrityError, UsageError

# A file written this short before it was hashed may change again without a new time stamp, as in git's racy index.
_RACY_NS = 2_000_000_000
# What is said of a path that leads to no file: it, or a folder of it, is not there, or no file can have such a name.
_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


class SourceFiles:
    """Files by path relative to the project. Digests are remembered beside size, times and inode of the file."""

    def __init__(self, root: Path, store: ArtifactStore, state_dir: Path) -> None:
        """Take the project's folder, the store to restore from, and the folder for remembered digests."""
        self._root = root
        self._store = store
        self._memory = state_dir / "source-digests.json"
        self._known: dict[str, tuple[Signature, str]] | None = None

    def resolve(self, relative: str) -> Path:
        """Return the absolute path. Raises UsageError when there is no such file or it lies outside the project."""
        if "://" in relative:
            message = "the address of a server is no file of the project"
            hint = "ask a database in a step before: `uses: churn.extract`; then `needs: {source: extract}` here"
            raise UsageError(message, hint=hint)
        path = self._inside(relative)
        mode = _mode(path)
        if stat.S_ISDIR(mode):
            message = f"{relative} is a directory, not a file"
            raise UsageError(message, hint="name a file in it")
        if mode and not stat.S_ISREG(mode):
            message = f"{relative} is a pipe or a device, not a file"
            raise UsageError(message, hint="write what comes out of it to a file first")
        if not mode:
            message = f"no such file: {relative}"
            raise UsageError(message, hint=_nearest(path))
        return path

    def sha256(self, relative: str) -> str | None:
        """Return the digest of the file's bytes, None when it is gone or no file any more."""
        path = self._inside(relative)
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                return None
            signature = signature_of(status)
            known = self._remembered().get(relative)
            if known is not None and known[0] == signature:
                return known[1]
            found = sha256_of(path)
        except PermissionError:
            message = f"no permission to read {relative}"
            raise UsageError(message, hint=f"give yourself read permission: chmod u+r {relative}") from None
        except OSError as failure:
            if failure.errno in _NO_FILE:
                return None
            raise
        self._remember(relative, signature, found)
        return found

    def refuse_blocked(self, *relatives: str) -> None:
        """Check that the paths can be written. Raises ConflictError when a link or a folder stands in the way."""
        refuse_blocked(self._root, *map(os.path.normpath, relatives))

    def restore(self, relative: str, artifact: Artifact) -> None:
        """Write the stored bytes back to the path, whole or not at all.

        Raises IntegrityError when the stored bytes are missing or altered, ConflictError when the path is blocked.
        """
        path = self._inside(relative)
        self.refuse_blocked(relative)
        if not self._store.has(artifact):
            self._store.verify(artifact)
        with explained(path):
            make_folder(path.parent)
            remove_leftovers(path.parent)
            temporary = temporary_in(path.parent)
            try:
                copied = copy_hashing(self._store.path(artifact), temporary)
                if copied != artifact.sha256:
                    self._store.verify(artifact)
                    message = f"the stored bytes of {relative} changed while they were copied"
                    raise IntegrityError(message, hint="churnflow verify")
                temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
                sync_file(temporary)
                temporary.replace(path)
                sync_folder(path.parent)
            finally:
                remove(temporary)

    def _inside(self, relative: str) -> Path:
        path = Path(os.path.normpath(self._root / relative))
        if "\0" in relative or not path.is_relative_to(self._root) or path == self._root:
            message = f"{relative} lies outside the project"
            raise UsageError(message, hint="copy the file into the project, for example under data/")
        if any(map(is_gits_own, PurePosixPath(relative).parts)):
            message = f"{relative} lies inside .git"
            raise UsageError(message, hint="copy the file into the project, for example under data/")
        return path

    def _remembered(self) -> dict[str, tuple[Signature, str]]:
        if self._known is None:
            self._known = {}
            with suppress(ValueError, TypeError):
                for name, (signature, sha256) in recall(self._memory).items():
                    size, changed, moved, inode = signature
                    self._known[name] = ((size, changed, moved, inode), sha256)
        return self._known

    def _remember(self, relative: str, signature: Signature, sha256: str) -> None:
        if time.time_ns() - max(signature[1], signature[2]) < _RACY_NS:
            return
        known = self._remembered()
        known[relative] = (signature, sha256)
        remember(self._memory, known)


def _mode(path: Path) -> int:
    """Return what stands at the path as `stat` has it, 0 for nothing."""
    try:
        return path.stat().st_mode
    except OSError as failure:
        if failure.errno in _NO_FILE:
            return 0
        raise


def _nearest(path: Path) -> str:
    folder = path.parent
    while not stat.S_ISDIR(_mode(folder)):
        folder = folder.parent
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    near = get_close_matches(path.name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"check the path in the workflow; looked in {folder}"
