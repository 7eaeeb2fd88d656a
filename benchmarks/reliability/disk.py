"""A disk as a power cut may leave it: what was written but not synced may be lost, in part, or torn.

The model is that of ALICE (T. S. Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014), for a file system
that promises no more than POSIX and the atomicity of rename: the bytes of a file are safe after an fsync of that file,
a name after an fsync of its folder. Until then each write may be lost, torn at any byte, or be there by its length
alone (zeros in the place of the bytes, as delayed allocation leaves it); each create, rename and unlink may be lost or
not, whatever became of the others. Not modelled: sectors that go bad, an fsync that lies, modes and times.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(eq=False)
class Node:
    """A file, link or folder: what a reader sees now, and what is safe.

    writes: what was done to the bytes since the last fsync, each as a function of the bytes before it.
    """

    mode: int
    data: bytes | None = None
    link: str | None = None
    names: dict[str, "Node"] = field(default_factory=dict)
    safe_data: bytes = b""
    safe_names: dict[str, "Node"] = field(default_factory=dict)
    writes: list[Callable[[bytes], bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class Naming:
    """One step that changes names: in `folder`, `name` comes to stand for `node` (None: it is removed).

    source: the folder and name that a rename takes it from.
    """

    folder: Node
    name: str
    node: Node | None
    source: tuple[Node, str] | None = None

    def touches(self, folder: Node) -> bool:
        """Tell whether an fsync of the folder makes this safe."""
        return folder is self.folder or (self.source is not None and self.source[0] is folder)


class Disk:
    """The tree below one folder; paths outside of it are not known."""

    def __init__(self, root: Path) -> None:
        """Read the tree, all of which is safe."""
        self._root = root
        self.top = _read(root)
        self.pending: list[Naming] = []

    def find(self, path: str) -> Node | None:
        """Return what a path stands for now, links not followed, None for nothing or a place outside."""
        parts = self._parts(path)
        node: Node | None = self.top if parts is not None else None
        for part in parts or ():
            node = node.names.get(part) if node is not None else None
        return node

    def name(self, path: str, node: Node | None, source: str | None = None) -> None:
        """Let a path stand for `node`, None for nothing, or for what `source` stood for."""
        folder, name = self._place(path)
        if folder is None:
            return
        origin = self._place(source) if source else (None, "")
        if origin[0] is not None:
            node = origin[0].names.pop(origin[1], None)
        if node is None:
            folder.names.pop(name, None)
        else:
            folder.names[name] = node
        self.pending.append(Naming(folder, name, node, (origin[0], origin[1]) if origin[0] is not None else None))

    def write(self, node: Node, change: Callable[[bytes], bytes]) -> None:
        """Change the bytes of a file."""
        node.data = change(node.data or b"")
        node.writes.append(change)

    def sync(self, node: Node) -> None:
        """Make safe the bytes of a file, or the names in a folder."""
        node.safe_data, node.writes = node.data or b"", []
        for naming in [naming for naming in self.pending if naming.touches(node)]:
            if naming in self.pending:
                self._commit(naming)

    def sync_everything(self) -> None:
        """Make safe all bytes and all names, as syncfs does."""
        self.pending = []
        for node in list(_folders(self.top)):
            node.safe_names = dict(node.names)
            for child in node.names.values():
                child.safe_data, child.writes = child.data or b"", []

    def leave(self, target: Path, chance: random.Random) -> str:
        """Write a tree that a power cut now may leave to an empty place; return how much was lost, in a word."""
        kept = chance.choice(["nothing", "everything", "a beginning", "anything"])
        data = chance.choice(["nothing", "everything", "torn", "zeros", "anything"])
        names = {id(node): dict(node.safe_names) for node in _folders(self.top)}
        length = chance.randint(0, len(self.pending))
        for number, naming in enumerate(self.pending):
            share = {"nothing": False, "everything": True, "a beginning": number < length}
            if share.get(kept, chance.random() < 0.5):
                _apply(naming, names)
        _leave(self.top, target, names, lambda node: _bytes_left(node, data, chance))
        return f"of names {kept}, of bytes {data}"

    def _commit(self, naming: Naming) -> None:
        self.pending.remove(naming)
        if naming.source is not None:
            # What had happened to that name before is over with it.
            folder, name = naming.source
            self.pending = [one for one in self.pending if not (one.folder is folder and one.name == name)]
            folder.safe_names.pop(name, None)
            if name in folder.names:
                self.pending.append(Naming(folder, name, folder.names[name]))
        if naming.node is None:
            naming.folder.safe_names.pop(naming.name, None)
        else:
            naming.folder.safe_names[naming.name] = naming.node

    def _place(self, path: str) -> tuple[Node | None, str]:
        folder, _, name = path.rpartition("/")
        return self.find(folder), name

    def _parts(self, path: str) -> list[str] | None:
        relative = os.path.relpath(path, self._root)
        return None if relative.startswith("..") else [part for part in relative.split("/") if part != "."]


def _read(path: Path) -> Node:
    mode = path.lstat().st_mode & 0o777
    if path.is_symlink():
        return Node(mode, link=str(path.readlink()))
    if path.is_dir():
        names = {child.name: _read(child) for child in path.iterdir()}
        return Node(mode, names=names, safe_names=dict(names))
    data = path.read_bytes()
    return Node(mode, data=data, safe_data=data)


def _folders(node: Node, seen: set[int] | None = None) -> Iterator[Node]:
    """Yield each folder that was or is below a node."""
    seen = set() if seen is None else seen
    if id(node) in seen or node.data is not None or node.link is not None:
        return
    seen.add(id(node))
    yield node
    for child in [*node.names.values(), *node.safe_names.values()]:
        yield from _folders(child, seen)


def _apply(naming: Naming, names: dict[int, dict[str, Node]]) -> None:
    place = names.setdefault(id(naming.folder), {})
    if naming.source is not None:
        names.setdefault(id(naming.source[0]), {}).pop(naming.source[1], None)
    if naming.node is None:
        place.pop(naming.name, None)
    else:
        place[naming.name] = naming.node


def _bytes_left(node: Node, how: str, chance: random.Random) -> bytes:
    if how == "anything":
        how = chance.choice(["nothing", "everything", "torn", "zeros"])
    now = node.data or b""
    match how if node.writes else "everything":
        case "nothing":
            return node.safe_data
        case "everything":
            return now
        case "zeros":
            return node.safe_data[: len(now)] + bytes(max(0, len(now) - len(node.safe_data)))
        case _:
            left = node.safe_data
            for change in node.writes[: chance.randint(0, len(node.writes))]:
                left = change(left)
            return left[: chance.randint(min(len(node.safe_data), len(left)), len(left))]


def _leave(node: Node, target: Path, names: dict[int, dict[str, Node]], bytes_of: Callable[[Node], bytes]) -> None:
    if node.link is not None:
        target.symlink_to(node.link)
    elif node.data is not None:
        target.write_bytes(bytes_of(node))
        target.chmod(node.mode)
    else:
        target.mkdir(mode=0o755)
        for name, child in names.get(id(node), {}).items():
            _leave(child, target / name, names, bytes_of)
