"""Where in a project a file may be written: never out of it, never into git's own folder, never through a link."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from churnflow.errors import ConflictError, IntegrityError

# What some file system takes for `.git`: HFS+ passes over these characters, NTFS over dots and blanks at the end, what
# follows a colon, and knows it by its short name. A project is moved between machines.
_PASSED_OVER = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_IS_GIT = re.compile(r"(?:\.git|git~\d+)[ .]*(?::.*)?", re.IGNORECASE | re.DOTALL)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_gits_own(name: str) -> bool:
    """Tell whether a name in a path is that of git's own folder, on whatever file system."""
    return _IS_GIT.fullmatch(_PASSED_OVER.sub("", name)) is not None


def refuse_blocked(root: Path, relative: str) -> None:
    """Check that a file can be written at the path `relative` to `root`; what is there may be a file or a link itself.

    Raises IntegrityError for a path that no honest record holds, ConflictError when a link, a file, a folder or another
    repository stands in the way.
    """
    parts = relative.split("/")
    if any(part in {"", ".", ".."} or is_gits_own(part) for part in parts):
        message = f"the checkpoint names a path out of the project or inside .git: {relative}"
        raise IntegrityError(message, hint="it was not made by churnflow; do not use it")
    place = root
    for part in parts[:-1]:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            kind = "a symbolic link" if place.is_symlink() else "a file"
            raise _blocked(relative, place, f"{kind}, not a folder")
        if os.path.lexists(place / ".git"):
            raise _blocked(relative, place, "another repository by now")
    place /= parts[-1]
    if place.is_dir() and not place.is_symlink():
        message = f"{relative} cannot be brought back: a folder stands in its place"
        raise ConflictError(message, hint=f"move {place} away, then run the same command again")


@contextmanager
def opened_folder(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """Open the folder `parts` below `root`, made where it is missing; give its descriptor.

    Each part is opened in the one before it and no link is followed, so that nobody can lead a write elsewhere between
    the look at a path and its use. Raises NotADirectoryError where a part is a link or no folder.
    """
    folder, place = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), root
    try:
        for part in parts:
            inner = _entered(folder, part)
            os.close(folder)
            folder, place = inner, place / part
        yield folder
    except OSError as failure:
        # What is opened by a name in a folder fails with that name alone.
        if isinstance(failure.filename, str):
            failure.filename = str(place / failure.filename)
        raise
    finally:
        os.close(folder)


def _entered(folder: int, part: str) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=folder)
        os.fsync(folder)
        return os.open(part, _FOLDER, dir_fd=folder)


def _blocked(relative: str, place: Path, what: str) -> ConflictError:
    message = f"{relative} cannot be brought back: {place} is {what}"
    return ConflictError(message, hint=f"move {place} away, then run the same command again")
