"""Where a list is written while it is made: a folder that outlives nobody, and a file beside the one to be."""

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Final

from churnflow.adapters.durable import explained, sync_file, sync_folder, temporary_in
from churnflow.errors import ConflictError, UsageError
from churnflow.modelling.scratch import room_on_disk

# Reads until whoever holds the other end of the pipe is gone, by whatever signal, and clears away what that one left.
_SWEEPER: Final = 'read -r line; rm -rf -- "$@"'


@dataclass(frozen=True)
class Workplace:
    """scratch: a folder for what memory should not hold. draft: the file that becomes the output when it is whole."""

    scratch: Path
    draft: Path


@contextmanager
def workplace(output: Path | None) -> Iterator[Workplace]:
    """Yield a workplace that is gone afterwards, even after a kill; temporary files of other modules go there, too.

    output: the file that the draft will replace, None for none. Raises UsageError where there is no room.
    """
    with room_on_disk():
        scratch = Path(tempfile.mkdtemp(prefix="churnflow-score-"))
    draft = scratch / "draft" if output is None else temporary_in(output.parent)
    before, tempfile.tempdir = tempfile.tempdir, str(scratch)
    try:
        with _swept(scratch, draft):
            _begin(draft)
            yield Workplace(scratch, draft)
    finally:
        tempfile.tempdir = before
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        rmtree(scratch, ignore_errors=True)


def _begin(draft: Path) -> None:
    """Make an empty draft: a folder that nobody can write into is said before hours of work."""
    try:
        draft.touch()
    except OSError as error:
        message = f"{draft.parent} can not be written into: {error.strerror}"
        raise UsageError(message, hint="name another place with -o") from None


@contextmanager
def _swept(*paths: Path) -> Iterator[None]:
    """Have paths removed by another process when this one ends before it has left the block."""
    sweeper = subprocess.Popen(
        ["/bin/sh", "-c", _SWEEPER, "sh", *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C and a kill of the whole group must not reach it
    )
    try:
        yield
    finally:
        sweeper.communicate()


def refuse_foreign(output: Path, source: str, *, force: bool) -> None:
    """Raise an error where `output` can not become the list: ConflictError where something is there already."""
    if output.is_dir():
        message = f"{output} is a folder"
        raise UsageError(message, hint=f"name a file in it: -o {shlex.quote(str(output / 'ranked.csv'))}")
    if not output.parent.is_dir():
        message = f"no such folder: {output.parent}"
        raise UsageError(message, hint="make it, or name another place with -o")
    if not output.exists():
        return
    if not output.is_file():
        message = f"{output} is no regular file"
        raise UsageError(message, hint="name a file, or `-o -` for the standard output")
    if Path(source).exists() and output.samefile(source):
        message = f"{output} is the input itself"
        raise UsageError(message, hint="name another file with -o")
    if not force:
        message = f"{output} is there already: it would be overwritten"
        raise ConflictError(message, hint="name another file with -o, or add --force")


def publish(draft: Path, output: Path) -> None:
    """Let a finished draft take the place of the output, durably. Raises ConflictError where that is not allowed."""
    with explained(output):
        sync_file(draft)
        draft.replace(output)
        sync_folder(output.parent)
