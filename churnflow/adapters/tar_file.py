"""A tar whose bytes depend on its content alone: sorted, of one time and owner, uncompressed."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from churnflow.adapters.artifact_files import sha256_of
from churnflow.adapters.durable import explained, remove, sync_file, sync_folder, temporary_in

SUMS = "SHA256SUMS"
Content = bytes | Path


def write_tar(path: Path, folder: str, files: Mapping[str, Content], at: datetime) -> str:
    """Write files under one folder, with SHA256SUMS of them all, whole or not at all; return the tar's sha256.

    at: the time that every member has. Raises ConflictError when the disk is full or permission is missing.
    """
    listed = {**files, SUMS: _sums(files)}
    with explained(path):
        temporary = temporary_in(path.parent, ".tar")
        try:
            with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
                for name, content in sorted(listed.items()):
                    _add(archive, f"{folder}/{name}", content, int(at.timestamp()))
            sha256 = sha256_of(temporary)
            temporary.chmod(0o644)
            sync_file(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            remove(temporary)
    return sha256


def _sums(files: Mapping[str, Content]) -> bytes:
    lines = (
        f"{sha256_of(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in sorted(files.items())
    )
    return "".join(lines).encode()


def _add(archive: tarfile.TarFile, name: str, content: Content, at: int) -> None:
    member = tarfile.TarInfo(name)
    member.mtime = at
    member.mode = 0o644
    if isinstance(content, bytes):
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
        return
    member.size = content.stat().st_size
    with content.open("rb") as stream:
        archive.addfile(member, stream)
