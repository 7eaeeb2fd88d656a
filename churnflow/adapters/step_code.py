"""The code of steps: found by registered name or by `package.module:function`, and hashed without being run."""

import ast
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from functools import cache
from importlib import import_module, invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType

from churnflow.errors import ChurnflowError, UsageError

_GROUP = "churnflow.steps"
_INSTALLED = {"site-packages", "dist-packages", ".venv"}


class StepCode:
    """The built-in steps, those of installed packages, and the functions of the project itself."""

    def __init__(self, project_root: Path, registered: Mapping[str, str]) -> None:
        """Take the project's folder, put first on the import path, and the built-ins: `module:function` by name.

        Installed entry points are looked up only for names that are not built in.
        """
        self._root = project_root
        self._registered = dict(registered)
        self._sources: dict[tuple[str, bool], dict[str, bytes]] = {}
        self._modules: dict[tuple[str, bool], tuple[bytes, list[str]] | None] = {}
        self._own: dict[tuple[str, bool], bool] = {}

    def names(self) -> Sequence[str]:
        """Return the registered names, built-in and installed."""
        return sorted({*self._registered, *_installed_steps()})

    def function(self, uses: str) -> Callable[..., object]:
        """Import and return the function. Raises UsageError with the nearest name for an unknown one."""
        module_name, attribute = self._target(uses)
        spec = self._find(module_name, uses)
        is_own = self._is_own(spec)
        if is_own:
            self._on_path()
        try:
            with _uncached() if is_own else nullcontext():
                found: object = import_module(module_name)
        except ChurnflowError:
            raise
        except Exception as failure:
            place = _place_of(failure, failure.__traceback__)
            message = f"{uses} cannot be imported: {place}: {type(failure).__name__}: {failure}"
            raise UsageError(message, hint="mend that line, then run churnflow check") from failure
        for part in attribute.split("."):
            if not hasattr(found, part):
                raise self._no_function(uses, module_name, part, found)
            found = getattr(found, part)
        if not callable(found):
            message = f"{uses} is not a function"
            raise UsageError(message, hint="`uses` names a function as package.module:function")
        return found

    def code_sha256(self, uses: str) -> str:
        """Return the digest of the source that the function is made of, without importing it.

        That is its module and every module that it imports, however far, of the same top-level package or of the
        project, in the order of their names. Other packages count through the digest of the installed versions.
        """
        module_name, attribute = self._target(uses)
        sources = self._sources_of(module_name, uses)
        hasher = hashlib.sha256(f"{attribute}\n".encode())
        for name in sorted(sources):
            hasher.update(f"{name}\n{len(sources[name])}\n".encode() + sources[name])
        return hasher.hexdigest()

    def own_files(self, uses: str) -> dict[str, bytes]:
        """Return the project's own files that importing the function runs, by path from its folder; nothing is run.

        Those are the modules of which its digest is made, and, since the project's folder comes first on the import
        path, those at its top that stand in for a module of Python or of an installed package. {} for a function of
        an installed package, also of one that is installed from the project's folder: to install it was to trust it.
        """
        module_name, _ = self._target(uses)
        if ":" not in uses or not self._is_own(self._find(module_name, uses)):
            return {}
        names = self._sources_of(module_name, uses)
        specs = (self._spec(name, own_first=True) for name in names)
        origins = [Path(spec.origin) for spec in specs if spec is not None and spec.origin and self._is_own(spec)]
        files = [*(path for path in origins if path.is_file()), *self._stand_ins()]
        return {path.relative_to(self._root).as_posix(): path.read_bytes() for path in sorted({*files})}

    def _stand_ins(self) -> Iterator[Path]:
        elsewhere = [entry for entry in sys.path if entry and Path(entry) != self._root and Path(entry) != Path.cwd()]
        for path in self._root.iterdir():
            name = path.name.partition(".")[0]
            is_module = path.suffix in {".py", ".so"} or (path / "__init__.py").is_file()
            if not is_module or not name.isidentifier():
                continue
            if name in sys.stdlib_module_names or PathFinder.find_spec(name, elsewhere) is not None:
                yield from [path] if path.is_file() else path.rglob("*.py")

    def _target(self, uses: str) -> tuple[str, str]:
        target = self._registered.get(uses)
        if target is None and ":" in uses:
            target = uses
        target = target or _installed_steps().get(uses)
        module_name, _, attribute = (target or "").partition(":")
        if not module_name or not all(part.isidentifier() for part in [*module_name.split("."), *attribute.split(".")]):
            raise self._unknown(uses)
        return module_name, attribute

    def _sources_of(self, module_name: str, uses: str) -> dict[str, bytes]:
        own_first = ":" in uses
        if (module_name, own_first) not in self._sources:
            found: dict[str, bytes] = {}
            self._find(module_name, uses)
            waiting = list(_with_parents(module_name))
            while waiting:
                name = waiting.pop()
                module = None if name in found else self._module(name, own_first=own_first)
                if module is not None:
                    found[name], imported = module
                    top = module_name.split(".", 1)[0]
                    waiting += [near for near in imported if self._is_near(near, top, own_first=own_first)]
            self._sources[module_name, own_first] = found
        return self._sources[module_name, own_first]

    def _module(self, name: str, *, own_first: bool) -> tuple[bytes, list[str]] | None:
        """Return the source of a module and the names that it imports, None when there is no such module."""
        if (name, own_first) not in self._modules:
            spec = self._spec(name, own_first=own_first)
            source = b"" if spec is None else _source_of(spec)
            found = None if spec is None else (source, list(_imports(source, name, spec)))
            self._modules[name, own_first] = found
        return self._modules[name, own_first]

    def _is_near(self, name: str, package: str, *, own_first: bool) -> bool:
        top = name.split(".", 1)[0]
        if (top, own_first) not in self._own:
            self._own[top, own_first] = self._is_own(self._spec(top, own_first=own_first))
        return self._own[top, own_first] or top == package

    def _is_own(self, spec: ModuleSpec | None) -> bool:
        """Tell whether a module is the project's: in its folder, but not in an environment that lies there too."""
        if spec is None:
            return False
        places = map(Path, [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location else [])])
        inside = [place for place in places if place.is_relative_to(self._root)]
        prefixes = [prefix for prefix in (Path(sys.prefix), Path(sys.base_prefix)) if self._root in prefix.parents]
        return any(
            _INSTALLED.isdisjoint(place.relative_to(self._root).parts)
            and not any(place.is_relative_to(prefix) for prefix in prefixes)
            for place in inside
        )

    def _find(self, module_name: str, uses: str) -> ModuleSpec:
        spec = self._spec(module_name, own_first=":" in uses)
        if spec is None:
            raise self._unknown(uses)
        return spec

    def _spec(self, name: str, *, own_first: bool) -> ModuleSpec | None:
        """Find a module in the project's folder before all others, or after them.

        After them for a registered step: a file of the project must not stand in for one of an installed package.
        """
        root, others = str(self._root), [entry for entry in sys.path if entry != str(self._root)]
        return _find_spec(name, [root, *others] if own_first else [*others, root])

    def _on_path(self) -> None:
        """Put the project's folder first on the import path: only for a function of the project itself."""
        root = str(self._root)
        if root not in sys.path:
            sys.path.insert(0, root)
            invalidate_caches()

    def _unknown(self, uses: str) -> UsageError:
        known = self.names()
        near = get_close_matches(uses, known, n=3)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        elif ":" in uses:
            hint = f"there is no module {uses.partition(':')[0]} in {self._root} or installed"
        else:
            hint = f"the steps are: {', '.join(known)}; your own are package.module:function"
        return UsageError(f"unknown step function: {uses}", hint=hint)

    def _no_function(self, uses: str, module_name: str, part: str, found: object) -> UsageError:
        near = get_close_matches(part, [name for name in dir(found) if not name.startswith("_")], n=1)
        hint = f"did you mean {module_name}:{near[0]}?" if near else f"define `{part}` in it"
        return UsageError(f"unknown step function: {uses}: {module_name} has no {part}", hint=hint)


@contextmanager
def _uncached() -> Iterator[None]:
    """Import without leaving bytecode, which Python tells from new source by second and size only.

    An edit within that second would run as the old code and be kept under the key of the new.
    """
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@cache
def _installed_steps() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group=_GROUP)}


def _find_spec(name: str, path: Sequence[str]) -> ModuleSpec | None:
    # importlib.util.find_spec would import, and so run, the packages above the module; this walks their folders.
    spec: ModuleSpec | None = None
    for part in name.split("."):
        # By its last part alone: the folders of a package without `__init__.py` are else asked of its imported parent.
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec


def _source_of(spec: ModuleSpec) -> bytes:
    return Path(spec.origin).read_bytes() if spec.origin and Path(spec.origin).is_file() else b""


def _imports(source: bytes, name: str, spec: ModuleSpec) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names if base)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:depth]) for depth in range(1, len(parts) + 1) if name)


def _place_of(failure: Exception, traceback: TracebackType | None) -> str:
    if isinstance(failure, SyntaxError) and failure.filename:
        return f"{failure.filename}:{failure.lineno}"
    place = "its import"
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not name.startswith("<"):
            place = f"{name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
