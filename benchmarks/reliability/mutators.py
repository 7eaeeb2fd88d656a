"""Mutations of bytes, zip files, JSON and YAML: at random, and by what hostile files have been made of."""

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from copy import deepcopy
from hashlib import sha256
from random import Random
from typing import Any, Final

ODD: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 2**31, 2**63, 10**400, 1e308, -0.0, float("nan"), float("inf"), "", "x" * 3000, "../../x",
    "\0", "\u202e", "__import__('os').system('x')", [], {}, [[[[]]]], {"__class__": "os.system"}, {"": {}}, "1e999",
)  # fmt: skip
NUMBERS: Final = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
YAML: Final = (
    "a: &a [x]\nb: *a\n", "<<: {a: b}\n", "? [a, b]\n: c\n", "x: !!python/object/apply:os.system [touch x]\n",
    "x: !!python/name:os.system\n", "x: !!binary aGk=\n", "x: !!set {a, b}\n", "x: .inf\n", "x: 2026-01-01\n",
    "%YAML 1.1\n---\n", "--- a\n--- b\n", "x: |\n  \x07\n", "x: 0o17\n", "x: 1_000\n", "\ufeff", "\t", "x: !<y> z\n",
    "x: " + "[" * 500 + "\n", "x: " + "{a: " * 300 + "\n", "- " * 400 + "\n", "a: &a [" + "*a," * 50 + "]\n",
    "x: " + "9" * 5000 + "\n", "x: 1e" + "9" * 400 + "\n", "x: 0x" + "f" * 4000 + "\n", "? " * 300 + "\n",
    "x: " + "1:" * 2000 + "1\n",
)  # fmt: skip
NPY: Final = (
    b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"(" * 9000, b"-" * 9000, b"[" * 4000 + b"]" * 4000,
    b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }", b"__import__('os')",
    b"{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }", b"{'descr': [('a', '<f8')], 'shape': (0,)}",
)  # fmt: skip


def mutated(data: bytes, form: str, random: Random) -> bytes:
    """Return other bytes in the place of `data`, of the form bytes, json, yaml or zip."""
    makers: dict[str, Callable[[bytes, Random], bytes]] = {"json": _json, "yaml": _yaml, "zip": _zip}
    if form in makers and random.random() < 0.6:
        return makers[form](data, random)
    return _bytes(data, random)


def _bytes(data: bytes, random: Random) -> bytes:
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at, size = random.randrange(len(out) + 1), random.choice((1, 2, 4, 8, 64, 1024))
        source = random.randrange(len(out) + 1)
        start, end, new = random.choice(
            (
                (at, at + 1, bytes([random.randrange(256)])),
                (at, len(out), b""),
                (at, at + size, b""),
                (at, at, random.randbytes(size)),
                (at, at, bytes(out[source : source + size])),
                (at, at + 4, struct.pack("<I", random.choice(NUMBERS))),
                (at, at + size, bytes(size)),
            )
        )
        out[start:end] = new
    return bytes(out)


def _json(data: bytes, random: Random) -> bytes:
    try:
        value = json.loads(data)
    except ValueError:
        return _bytes(data, random)
    for _ in range(random.choice((1, 1, 3))):
        value = _changed(value, random)
    text = json.dumps(value)
    match random.randrange(12):
        case 0:
            text = "[" * 50_000 + text
        case 1:
            text = re.sub(r"\d+", "9" * 5000, text, count=1)
        case 2:
            text = text.replace("{", '{"schema": 1, ', 1)
    return text.encode(errors="surrogatepass")


def _changed(value: Any, random: Random) -> Any:
    """Put something odd in the place of one part, take one away, or double one."""
    inner = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not inner or random.random() < 0.15:
        return deepcopy(random.choice(ODD))
    key = random.choice(inner)
    match random.randrange(8):
        case 0:
            del value[key]
        case 1 if isinstance(value, list):
            value.extend(deepcopy(value[: random.randrange(len(value)) + 1] * random.choice((1, 50))))
        case 1:
            value[random.choice(("", "__proto__", "\ud800", str(key) + "x"))] = deepcopy(value[key])
        case _:
            value[key] = _changed(value[key], random)
    return value


def _yaml(data: bytes, random: Random) -> bytes:
    lines = data.decode().splitlines(keepends=True)
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(lines))
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        match random.randrange(5):
            case 0:
                lines.insert(at, indent + random.choice(YAML))
            case 1:
                lines[at] = lines[at].partition(":")[0] + ": " + random.choice(YAML)
            case 2:
                lines.insert(at, lines[random.randrange(len(lines))])
            case 3:
                lines[at] = lines[at].partition(":")[0] + f": {json.dumps(random.choice(ODD))}\n"
            case _:
                lines[at] = " " * random.randrange(40) + lines[at].lstrip()
    return "".join(lines).encode(errors="surrogatepass")


def _zip(data: bytes, random: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(sorted(files))
    match random.randrange(10):
        case 0 | 1 | 2 | 3:
            inner = "json" if name.endswith(".json") else "zip" if files[name].startswith(b"PK") else "bytes"
            files[name] = mutated(files[name], inner, random)
        case 4 if name.endswith(".npy"):
            header = random.choice(NPY)
            files[name] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)
        case 4 | 5:
            del files[name]
        case 6:
            files[random.choice(("../x", "/etc/x", "a\0b", "x" * 300, "con", name.upper(), "é.json"))] = files[name]
        case _:
            return _packed(files, random)
    return _packed(_resealed(files), None)


def _resealed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Compute the digests of a bundle's manifest again, as its forger would."""
    if "manifest.json" not in files or not files["manifest.json"].startswith(b"{"):
        return files
    try:
        manifest = json.loads(files["manifest.json"])
        others = {name: data for name, data in files.items() if name != "manifest.json"}
        manifest["files"] = {n: {"sha256": sha256(d).hexdigest(), "bytes": len(d)} for n, d in others.items()}
        return {**others, "manifest.json": json.dumps(manifest).encode(errors="surrogatepass")}
    except (ValueError, TypeError):
        return files


def _packed(files: dict[str, bytes], random: Random | None) -> bytes:
    """Return a zip of the files; with `random` one that plays a trick on who believes its headers."""
    trick = random.randrange(7) if random else -1
    buffer = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if trick == 0 else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), bytes(30_000_000) if trick == 0 else content, kind)
    data = bytearray(buffer.getvalue())
    central = [match.start() for match in re.finditer(b"PK\x01\x02", data)]
    if random is not None and trick > 0 and central:
        # Fields of the central directory: flags, method, sizes, lengths of name and extra, offset of the entry.
        field, size = random.choice(((8, 2), (10, 2), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4)))
        at = random.choice(central) + field
        data[at : at + size] = struct.pack("<Q", random.choice(NUMBERS))[:size]
        if trick == 1:
            data[-22 + 10 : -22 + 12] = struct.pack("<H", random.choice((0, 1, 0xFFFF)))
    return bytes(data)
