"""The pinned requirements of serving: the distributions behind its imports, with all that these need in turn."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from churnflow.errors import UsageError

# What is chosen by name when the server runs, so that no import tells of it: uvicorn's loop and parser.
BY_NAME: Final = ("uvloop", "httptools")
# SQLAlchemy's driver of PostgreSQL; it is taken along where it is installed.
DRIVERS: Final = ("psycopg", "psycopg-binary")
# Images are of Linux, wherever they are described.
_LINUX: Final = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}


def requirements(imports: Iterable[str], by_name: Sequence[str] = BY_NAME) -> tuple[str, ...]:
    """Return `name==version` of every distribution behind the imported top-level names, sorted by name.

    by_name: further ones, of which no import tells.

    The versions are those installed here, with which the release was proven. Raises UsageError where one is missing.
    """
    provided = packages_distributions()
    direct = [provided[name][0] for name in sorted(imports) if name in provided]
    waiting = [Requirement(name) for name in (*direct, *by_name, *(name for name in DRIVERS if has(name)))]
    seen: set[tuple[str, frozenset[str]]] = set()
    pinned: dict[str, str] = {}
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, frozenset(wanted.extras)) not in seen:
            seen.add((name, frozenset(wanted.extras)))
            found = _installed(wanted.name)
            pinned[name] = found.version
            waiting += _needs(found, wanted.extras)
    return tuple(f"{name}=={version}" for name, version in sorted(pinned.items()))


def has(name: str) -> bool:
    """Tell whether a distribution is installed here."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _needs(found: Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    """Yield what a distribution requires on Linux, with the extras that are asked for and no other."""
    for line in found.requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**_LINUX, "extra": extra}) for extra in ("", *extras)):
            yield requirement


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        message = f"the image needs {name}, which is not installed here, so that its version can not be pinned"
        raise UsageError(message, hint=f"install it where churnflow runs: python -m pip install {name}") from None
