"""The part of this package that serving needs: the modules reached from it by imports, read without running any."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PACKAGE: Final = "churnflow"
ROOT: Final = Path(__file__).resolve().parents[1]
ENTRY: Final = f"{PACKAGE}.serving"


@dataclass(frozen=True)
class Needed:
    """Source files by their path below the package's parent, and the top-level names that they import from others."""

    files: dict[str, bytes]
    imports: frozenset[str]


def needed_modules(root: Path = ROOT) -> Needed:
    """Return every module of serving and what these import, at whatever depth of the code.

    root: the folder of the package `churnflow`. Imports for type checkers alone are left out.
    """
    waiting = [_module(path, root) for path in sorted((root / "serving").glob("*.py"))]
    files: dict[str, bytes] = {}
    others: set[str] = set()
    while waiting:
        path = _source(waiting.pop(), root)
        relative = f"{PACKAGE}/{path.relative_to(root).as_posix()}" if path else ""
        if path is None or relative in files:
            continue
        files[relative] = path.read_bytes()
        for name in _imported(ast.parse(files[relative])):
            if name.partition(".")[0] == PACKAGE:
                # Importing a module imports the packages that it lies in.
                waiting += [name.rsplit(".", count)[0] for count in range(name.count(".") + 1)]
            else:
                others.add(name.partition(".")[0])
    return Needed(dict(sorted(files.items())), frozenset(others))


def _module(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join((PACKAGE, *(part for part in parts if part != "__init__")))


def _source(module: str, root: Path) -> Path | None:
    """Return the file of a module, None for what is a name inside of one."""
    place = root.joinpath(*module.split(".")[1:])
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from _imported(ast.Module(node.orelse, []))
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A name that is imported from a package may be a module of it.
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from _imported(node)
