"""What a command does to the disk, as strace tells it, replayed step by step on a `Disk`."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from disk import Disk, Node
from faulty import Tracer

_CALLS = (
    "openat,creat,write,pwrite64,writev,lseek,ftruncate,truncate,copy_file_range,sendfile,fsync,fdatasync,syncfs,rename,"
    "renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
)
_LINE = re.compile(rb"(?P<pid>\d+) +(?P<call>\w+)\((?P<rest>.*)\) += (?P<result>-?\d+)", re.DOTALL)
_UNFINISHED, _RESUMED = b" <unfinished ...>", re.compile(rb"(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)")
_TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(rb"(\d+|AT_FDCWD)<([^>]*)>")
_NUMBERS = re.compile(rb", (-?\d+)")


@dataclass(frozen=True)
class Step:
    """One system call that ended well: its texts (paths or bytes), the descriptors with their paths, and numbers."""

    pid: int
    call: str
    texts: tuple[bytes, ...]
    descriptors: tuple[tuple[str, str], ...]
    numbers: tuple[int, ...]
    flags: str
    result: int

    @property
    def paths(self) -> list[str]:
        """The paths of the call, each made absolute by the folder that goes before it."""
        folder = self.descriptors[0][1] if self.descriptors else "/"
        folders = [path for _, path in self.descriptors] or [folder]
        return [
            os.path.normpath(os.path.join(folders[min(place, len(folders) - 1)], os.fsdecode(text)))  # noqa: PTH118
            for place, text in enumerate(self.texts)
        ]


def recorder(steps: list[Step]) -> Tracer:
    """Return a tracer that adds what the command and its children do to `steps`."""

    def attach(pid: int) -> Callable[[], None]:
        folder = tempfile.mkdtemp(prefix="churnflow-record-")
        log = Path(folder) / "log"
        command = ["strace", "-f", "-y", "-xx", "-s", "100000000", "-o", str(log), "-e", f"trace={_CALLS}"]
        strace = subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()

        def end() -> None:
            strace.communicate(timeout=60)
            steps.extend(_parsed(log.read_bytes()))
            shutil.rmtree(folder)

        return end

    return attach


def _parsed(log: bytes) -> Iterator[Step]:
    begun: dict[bytes, bytes] = {}
    for line in log.splitlines():
        if line.endswith(_UNFINISHED):
            begun[line.split(b" ", 1)[0]] = line.removesuffix(_UNFINISHED)
            continue
        resumed = _RESUMED.match(line)
        whole = begun.pop(resumed["pid"], b"") + resumed["rest"] if resumed else line
        match = _LINE.match(whole)
        if match is None or match["result"].startswith(b"-"):
            continue
        rest = match["rest"]
        bare = _TEXT.sub(b"", _DESCRIPTOR.sub(b"", rest))
        yield Step(
            pid=int(match["pid"]),
            call=match["call"].decode(),
            texts=tuple(bytes.fromhex(text.replace(b"\\x", b"").decode()) for text in _TEXT.findall(rest)),
            descriptors=tuple((number.decode(), _plain(path)) for number, path in _DESCRIPTOR.findall(rest)),
            numbers=tuple(map(int, _NUMBERS.findall(bare))),
            flags=bare.decode(errors="replace"),
            result=int(match["result"]),
        )


def _plain(path: bytes) -> str:
    text = path.replace(b"\\x", b"")
    return os.fsdecode(bytes.fromhex(text.decode()) if path.startswith(b"\\x") else path)


@dataclass
class Replay:
    """Does the steps again on a disk; what it does not know it refuses, so that nothing is passed over in silence."""

    disk: Disk
    offsets: dict[tuple[int, str], int] = field(default_factory=dict)

    def do(self, step: Step) -> None:
        """Do one step."""
        name = {"pwrite64": "write", "writev": "write", "truncate": "ftruncate", "fdatasync": "fsync"}.get(step.call)
        plain = name or step.call.removesuffix("2").removesuffix("at")
        {
            "open": self._open,
            "write": self._write,
            "lseek": self._seek,
            "ftruncate": self._truncate,
            "fsync": self._sync,
            "syncfs": lambda _: self.disk.sync_everything(),
            "mkdir": lambda step: self.disk.name(step.paths[-1], Node(0o755)),
            "unlink": lambda step: self.disk.name(step.paths[-1], None),
            "rmdir": lambda step: self.disk.name(step.paths[-1], None),
            "rename": lambda step: self.disk.name(step.paths[1], None, source=step.paths[0]),
            "link": lambda step: self.disk.name(step.paths[1], self.disk.find(step.paths[0])),
            "symlink": lambda step: self.disk.name(step.paths[1], Node(0o777, link=os.fsdecode(step.texts[0]))),
            "sendfile": self._copy,
            "copy_file_range": self._copy,
        }[plain](step)

    def _seek(self, step: Step) -> None:
        self.offsets[step.pid, step.descriptors[0][0]] = step.result

    def _sync(self, step: Step) -> None:
        if (node := self.disk.find(step.descriptors[0][1])) is not None:
            self.disk.sync(node)

    def _open(self, step: Step) -> None:
        path, node = step.paths[0], self.disk.find(step.paths[0])
        if "O_CREAT" in step.flags and node is None:
            self.disk.name(path, Node(0o644, data=b""))
        elif "O_TRUNC" in step.flags and node is not None and node.data:
            self.disk.write(node, lambda _: b"")
        node = self.disk.find(path)
        appends = node is not None and "O_APPEND" in step.flags
        self.offsets[step.pid, str(step.result)] = len(node.data or b"") if node is not None and appends else 0

    def _write(self, step: Step) -> None:
        number, path = step.descriptors[0]
        node = self.disk.find(path)
        if node is None or node.data is None:
            return
        data = b"".join(step.texts)[: step.result]
        key = step.pid, number
        at = step.numbers[-1] if step.call == "pwrite64" else self.offsets.get(key, 0)
        if step.call != "pwrite64":
            self.offsets[key] = at + len(data)
        self.disk.write(node, lambda before: before[:at].ljust(at, b"\0") + data + before[at + len(data) :])

    def _truncate(self, step: Step) -> None:
        node = self.disk.find(step.descriptors[0][1] if step.descriptors else step.paths[0])
        length = step.numbers[-1]
        if node is not None and node.data is not None and len(node.data) != length:
            self.disk.write(node, lambda before: before[:length].ljust(length, b"\0"))

    def _copy(self, step: Step) -> None:
        """Do `sendfile(out, in, ...)` or `copy_file_range(in, ..., out, ...)`, of whole files as they come."""
        ends = step.descriptors if step.call == "sendfile" else step.descriptors[::-1]
        (number, path), (_, source) = ends[0], ends[1]
        node, origin = self.disk.find(path), self.disk.find(source)
        if node is None or node.data is None:
            return
        assert origin is not None, step
        at = self.offsets.get((step.pid, number), 0)
        data = (origin.data or b"")[at : at + step.result]
        self.offsets[step.pid, number] = at + len(data)
        self.disk.write(node, lambda before: before[:at].ljust(at, b"\0") + data + before[at + len(data) :])
