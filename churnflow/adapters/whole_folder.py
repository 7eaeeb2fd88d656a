"""A folder of generated files: there whole or not at all, never over something that was not generated."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from churnflow.adapters.durable import (
    explained,
    make_folder,
    remove,
    remove_leftovers,
    sync_folder,
    temporary_in,
    write_all,
)
from churnflow.errors import ConflictError


def write_folder(folder: Path, files: Mapping[str, bytes], sign: str, *, force: bool = False) -> bool:
    """Make `folder` hold exactly `files`, by path; return False where it held them already.

    sign: the file, a JSON object, by which a folder of an earlier call is known; it is given the digests of the others.
    A folder that is as an earlier call left it is replaced, one that was changed since only by `force`.
    Everybody may read what is written, whatever the umask: an image is built of it and run by another user. Raises
    ConflictError where something else is in the way.
    """
    files = {**files, sign: _signed(files, sign)}
    with explained(folder):
        # Also where nothing is to be written: the one before was killed between its last two steps then.
        remove_leftovers(folder.parent)
        found = _digests(folder)
        if found == {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}:
            return False
        if found is None or found:
            _refuse(folder, found, files, sign, force=force)
        _replace(folder, files)
    return True


def _digests(folder: Path) -> dict[str, str] | None:
    """Return the digest of each file, None for what is no folder of plain files."""
    if not folder.exists() and not folder.is_symlink():
        return {}
    if folder.is_symlink() or not folder.is_dir():
        return None
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    if any(path.is_symlink() or not path.is_file() for path in paths):
        return None
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _refuse(
    folder: Path, found: Mapping[str, str] | None, files: Mapping[str, bytes], sign: str, *, force: bool
) -> None:
    if found is None or sign not in found:
        message = f"{folder} is there already, and churnflow has not written it"
        raise ConflictError(message, hint="name another folder with -o, or move that one away")
    if not force and not _is_as_left(folder / sign, found):
        same = {path for path, data in files.items() if found.get(path) == hashlib.sha256(data).hexdigest()}
        first = min((found.keys() | files.keys()) - same)
        message = f"{folder} was written before and differs now, {first} for one"
        raise ConflictError(message, hint="--force writes it anew, -o names another folder")


def _signed(files: Mapping[str, bytes], sign: str) -> bytes:
    others = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(files.items()) if path != sign}
    return (json.dumps({**json.loads(files[sign]), "files": others}, indent=2) + "\n").encode()


def _is_as_left(sign: Path, found: Mapping[str, str]) -> bool:
    try:
        left = json.loads(sign.read_bytes()).get("files")
    except (ValueError, AttributeError):
        return False
    return bool(left == {path: digest for path, digest in found.items() if path != sign.name})


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    make_folder(folder.parent)
    new, old = temporary_in(folder.parent), temporary_in(folder.parent)
    try:
        for path, data in files.items():
            _write(new, path, data)
        for inner in (new, *(path for path in new.rglob("*") if path.is_dir())):
            sync_folder(inner)
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
        sync_folder(folder.parent)
    finally:
        for left in (new, old):
            remove(left)


def _write(root: Path, path: str, data: bytes) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    for parent in (target.parent, *target.parent.parents):
        parent.chmod(0o755)
        if parent == root:
            break
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
