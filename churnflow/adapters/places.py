"""Where in a project a file may be written: never out of it, never into git's own folder, never through a link."""

from pathlib import Path

from churnflow.errors import ConflictError, IntegrityError


def refuse_blocked(root: Path, relative: str) -> None:
    """Check that a file can be written at the path `relative` to `root`; what is there may be a file or a link itself.

    Raises IntegrityError for a path that no honest record holds, ConflictError when a link, a file or a folder stands
    in the way.
    """
    parts = relative.split("/")
    if any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts):
        message = f"the checkpoint names a path out of the project or inside .git: {relative}"
        raise IntegrityError(message, hint="it was not made by churnflow; do not use it")
    place = root
    for part in parts[:-1]:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            kind = "a symbolic link" if place.is_symlink() else "a file"
            message = f"{relative} cannot be brought back: {place} is {kind}, not a folder"
            raise ConflictError(message, hint=f"move {place} away, then run the same command again")
    place /= parts[-1]
    if place.is_dir() and not place.is_symlink():
        message = f"{relative} cannot be brought back: a folder stands in its place"
        raise ConflictError(message, hint=f"move {place} away, then run the same command again")
