"""The file format of a model: a JSON header and plain arrays in a deterministic zip; nothing in it is executed."""

import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

HEADER = "model.json"
MAX_MODEL_BYTES = 128 * 1024 * 1024
MAX_HEADER_BYTES = 8 * 1024 * 1024
MAX_ENTRIES = 256

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAGIC = b"\x93NUMPY\x01\x00"
# The header of an array as numpy.lib.format writes it, version 1.0: at most two sizes, each of at most nine digits.
_NPY = re.compile(
    rb"\{'descr': '(?P<dtype><f8|<f4|<i4)', 'fortran_order': False, "
    rb"'shape': \((?P<shape>|[0-9]{1,9},|[0-9]{1,9}, [0-9]{1,9})\), \} *\n"
)


def pack(header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return a zip of `model.json` and one `.npy` per array, the same bytes for the same content."""
    files = {HEADER: json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
        files[f"{name}.npy"] = buffer.getvalue()
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o100444 << 16
            archive.writestr(entry, data)
    return result.getvalue()


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return the header and the read-only arrays of a packed model.

    Raises ValueError when it is no such zip, is too large, holds a compressed, repeated or unknown entry, or an array
    whose header does not fit its bytes. No memory is taken on the word of a header.
    """
    if len(data) > MAX_MODEL_BYTES:
        _refuse(f"it is longer than the {MAX_MODEL_BYTES} bytes allowed")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = _entries(archive, len(data))
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, struct.error, OverflowError):
        _refuse("it is not a zip of stored entries")
    if HEADER not in files:
        _refuse(f"it has no {HEADER}")
    header = _header(files.pop(HEADER))
    return header, {name.removesuffix(".npy"): _array(content) for name, content in files.items()}


def _entries(archive: zipfile.ZipFile, length: int) -> dict[str, bytes]:
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if len(names) != len(entries) or len(entries) > MAX_ENTRIES:
        _refuse("it holds too many entries, or one twice")
    if any(name != HEADER and not name.endswith(".npy") for name in names):
        _refuse("it holds an entry of an unknown kind")
    # Stored entries only: a deflated one could be a thousand times longer than the file.
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size for entry in entries):
        _refuse("it holds a compressed or encrypted entry")
    # Entries that share their bytes would be read over and over: a small file could take all memory.
    if sum(entry.file_size for entry in entries) > length:
        _refuse("its entries are longer than the file")
    return {entry.filename: archive.read(entry) for entry in entries}


def _header(data: bytes) -> dict[str, Any]:
    header: Any = None
    if len(data) <= MAX_HEADER_BYTES:
        try:
            header = json.loads(data.decode())
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict):
        _refuse(f"its {HEADER} cannot be read")
    return dict(header)


def _array(data: bytes) -> npt.NDArray[Any]:
    if not data.startswith(_MAGIC):
        _refuse("an array is of an unknown version")
    # numpy's own reader gives the header to Python's compiler, which text can bring down; ours has one form alone.
    end = len(_MAGIC) + 2 + int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 2], "little")
    written = _NPY.fullmatch(data[len(_MAGIC) + 2 : end])
    if written is None:
        _refuse("the header of an array is not of plain numbers in rows")
    dtype = np.dtype(written["dtype"].decode())
    shape = tuple(int(size) for size in written["shape"].replace(b",", b" ").split())
    content = data[end:]
    if math.prod(shape) * dtype.itemsize != len(content):
        _refuse("an array is shorter or longer than it says")
    return np.frombuffer(content, dtype=dtype).reshape(shape)


def _refuse(reason: str) -> NoReturn:
    message = f"not a usable model: {reason}"
    raise ValueError(message)
