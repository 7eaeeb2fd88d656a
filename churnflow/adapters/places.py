"""Where in a project a file may be written: never out of it, never into git's own folder, never through a link."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path

from churnflow.errors import ConflictError, IntegrityError

# What some file system takes for `.git`: HFS+ passes over these characters, NTFS over dots and blanks at the end, what
# follows a colon, and knows it by its short name. A project is moved between machines.
_PASSED_OVER = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_IS_GIT = re.compile(r"(?:\.git|git~\d+)[ .]*(?::.*)?", re.IGNORECASE | re.DOTALL)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_gits_own(name: str) -> bool:
    """Tell whether a name in a path is that of git's own folder, on whatever file system."""
    if name.isascii() and not name.startswith((".", "g", "G")):
        return False
    return _IS_GIT.fullmatch(_PASSED_OVER.sub("", name)) is not None


def kind_of(place: str) -> int:
    """Return the mode, as `lstat` has it, of what stands there itself, be it a link; 0 for nothing."""
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def refuse_blocked(root: Path, *relatives: str) -> None:
    """Check that files can be written at paths relative to `root`; what is there may be a file or a link itself.

    Raises IntegrityError for a path that no honest record holds, ConflictError when a link, a file, a folder or another
    repository stands in the way.
    """
    free: set[str] = set()
    for relative in relatives:
        *folders, name = relative.split("/")
        if not _is_honest(name):
            raise _dishonest(relative)
        for folder in accumulate(folders, "{}/{}".format):
            if folder not in free:
                _refuse_folder(root, folder, relative)
                free.add(folder)
        if stat.S_ISDIR(kind_of(f"{root}/{relative}")):
            message = f"{relative} cannot be brought back: a folder stands in its place"
            raise ConflictError(message, hint=f"move {root / relative} away, then run the same command again")


def _refuse_folder(root: Path, folder: str, relative: str) -> None:
    """Check the last part of `folder`, through which the path `relative` leads."""
    if not _is_honest(folder.rsplit("/", 1)[-1]):
        raise _dishonest(relative)
    place = f"{root}/{folder}"
    kind = kind_of(place)
    if kind and not stat.S_ISDIR(kind):
        what = "a symbolic link" if stat.S_ISLNK(kind) else "a file"
        raise _blocked(relative, place, f"{what}, not a folder")
    if os.path.lexists(f"{place}/.git"):
        raise _blocked(relative, place, "another repository by now")


def _is_honest(part: str) -> bool:
    return part not in {"", ".", ".."} and not is_gits_own(part)


def _dishonest(relative: str) -> IntegrityError:
    message = f"the checkpoint names a path out of the project or inside .git: {relative}"
    return IntegrityError(message, hint="it was not made by churnflow; do not use it")


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


def _blocked(relative: str, place: str, what: str) -> ConflictError:
    message = f"{relative} cannot be brought back: {place} is {what}"
    return ConflictError(message, hint=f"move {place} away, then run the same command again")
