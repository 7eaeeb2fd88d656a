"""The file format of a release bundle: named bytes and a manifest of their digests in a deterministic zip.

Every digest and size is verified before a byte is handed on, and nothing in a bundle is ever executed.
"""

import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMA = "churnflow/release@1"
MANIFEST = "manifest.json"
MAX_BUNDLE_BYTES = 512 * 1024 * 1024
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_FILE_BYTES = MAX_BUNDLE_BYTES + 2 * MAX_MANIFEST_BYTES
MAX_FILES = 64

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9]{1,16})?")
_UNREADABLE = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    OverflowError,
)
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_bundle(files: Mapping[str, bytes]) -> bytes:
    """Return the bundle that holds `files`, the same bytes for the same content.

    The manifest repeats the model's name from `card.json`. Raises ValueError for a name that is not plain lower case
    with one suffix, for too many files, and for content over the size limit.
    """
    _check_names(set(files))
    if sum(map(len, files.values())) > MAX_BUNDLE_BYTES:
        message = f"a release bundle holds at most {MAX_BUNDLE_BYTES} bytes"
        raise ValueError(message)
    listed = {name: {"sha256": _sha256(data), "bytes": len(data)} for name, data in files.items()}
    manifest = {"schema": SCHEMA, "model": _model_name(files), "files": listed}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted({**files, MANIFEST: _canonical(manifest)}.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o100444 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def unpack_bundle(data: bytes) -> Mapping[str, bytes]:
    """Return the files of a bundle by name, without the manifest.

    Raises ValueError when it is no zip, when a name is absolute, dotted or given twice, when an entry is compressed or
    larger than it says, and when any file is missing, unlisted or differs from its digest.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            content = _read_entries(archive, len(data))
    except _UNREADABLE as error:
        message = f"not a release bundle: {error}"
        raise ValueError(message) from None
    if MANIFEST not in content:
        message = f"the bundle has no {MANIFEST}"
        raise ValueError(message)
    listed = _listed_files(content.pop(MANIFEST))
    _compare(content, listed)
    return content


def write_bundle(files: Mapping[str, bytes], path: Path) -> None:
    """Write the bundle that holds `files` to `path`. Raises ValueError as `pack_bundle` does, and OSError."""
    path.write_bytes(pack_bundle(files))


def read_bundle(path: Path) -> Mapping[str, bytes]:
    """Return the verified files of the bundle at `path`. Raises ValueError as `unpack_bundle` does, and OSError."""
    return unpack_bundle(read_limited(path, MAX_FILE_BYTES))


def read_limited(path: Path, limit: int) -> bytes:
    """Return the bytes of a file, read once. Raises ValueError when it is longer than `limit` bytes, and OSError."""
    with path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        message = f"{path.name} is longer than the {limit} bytes allowed"
        raise ValueError(message)
    return data


def _read_entries(archive: zipfile.ZipFile, length: int) -> dict[str, bytes]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        message = "the bundle names a file twice"
        raise ValueError(message)
    _check_names(set(names) - {MANIFEST})
    # Stored entries only: a deflated one could be a thousand times longer than what was hashed and sized.
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size for entry in entries):
        message = "the bundle holds a compressed or encrypted entry"
        raise ValueError(message)
    if sum(entry.file_size for entry in entries) > MAX_BUNDLE_BYTES + MAX_MANIFEST_BYTES:
        message = f"the bundle's files are longer than the {MAX_BUNDLE_BYTES} bytes allowed"
        raise ValueError(message)
    # Entries that share their bytes would be read over and over: a small file could take all memory.
    if sum(entry.file_size for entry in entries) > length:
        message = "not a release bundle: its entries are longer than the file"
        raise ValueError(message)
    return {entry.filename: archive.read(entry) for entry in entries}


def _check_names(names: set[str]) -> None:
    if len(names) > MAX_FILES:
        message = f"a release bundle holds at most {MAX_FILES} files"
        raise ValueError(message)
    wrong = sorted(name for name in names if not _NAME.fullmatch(name) or name == MANIFEST)
    if wrong:
        message = f"{wrong[0]!r} is not a file name that a release bundle may hold"
        raise ValueError(message)


def _listed_files(data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data[:MAX_MANIFEST_BYTES].decode())
    except (ValueError, RecursionError):
        message = f"the bundle's {MANIFEST} cannot be read"
        raise ValueError(message) from None
    of_form = isinstance(manifest, dict) and manifest.get("schema") == SCHEMA
    if not of_form or not isinstance(manifest.get("files"), dict):
        message = f"the bundle's {MANIFEST} is not of the form {SCHEMA}"
        raise ValueError(message)
    return dict(manifest["files"])


def _compare(content: Mapping[str, bytes], listed: Mapping[str, Any]) -> None:
    for name in sorted(set(content) ^ set(listed)):
        message = f"{name} is in the bundle but not in its manifest" if name in content else f"{name} is missing"
        raise ValueError(message)
    for name, data in sorted(content.items()):
        if listed[name] != {"sha256": _sha256(data), "bytes": len(data)}:
            message = f"{name} in the bundle differs from its digest"
            raise ValueError(message)


def _model_name(files: Mapping[str, bytes]) -> str | None:
    try:
        name = json.loads(files.get("card.json", b"{}").decode()).get("model")
    except (ValueError, RecursionError, AttributeError):
        return None
    return name if isinstance(name, str) else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
