"""The journal on disk: one line per entry, appended and synced, and the index of results that can be reused."""

import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from churnflow.adapters.durable import (
    append_durably,
    explained,
    make_folder,
    remove,
    sync_folder,
    temporary_in,
    write_durably,
)
from churnflow.adapters.sealed_lines import opened, sealed, whole_lines
from churnflow.domain.base import Frozen, Sha256, digest
from churnflow.domain.journal import Entry, Run, StepRecord
from churnflow.engine.ports import Intent
from churnflow.errors import ConflictError, IntegrityError

_ENTRY: TypeAdapter[Any] = TypeAdapter(Entry, config=ConfigDict(defer_build=True))
_RUN_LINE = b'{"kind":"run",'
_RESET_LINE = b'{"kind":"reset",'
_TAG = re.compile(rb'\{"kind":"reset","tag":"([^"\\]*)",')
# For its owner alone, as everything that is kept about customers.
_OWNER = 0o600


class _Reusable(Frozen):
    """A result to be reused; sha256: the digest of its record, absent from those kept before it was taken."""

    run: str
    record: StepRecord
    sha256: Sha256 | None = None

    def is_whole(self, key: str) -> bool:
        return self.record.key == key and self.sha256 in {None, digest(self.record)}


class JournalFiles:
    """Runs as `runs/<run>/journal.jsonl`, the current one named in `current`.

    A line is an entry, or the whole run at its start (`run`) and after a rollback (`reset`); the newest whole run and
    the entries after it are the state. A last line without its end is one that a kill tore: it was never promised. Each
    line is sealed by a digest over all before it, so that none can be altered, dropped or moved unnoticed.
    """

    def __init__(self, state_dir: Path, shared_dir: Path) -> None:
        """Take the project's state folder, and the folder shared by work trees (for reusable results)."""
        self._state = state_dir
        self._steps = shared_dir / "steps"

    def current(self) -> Run | None:
        """Return the run that the project is at, None before the first. Raises IntegrityError for a damaged file."""
        try:
            run_id = os.fsdecode((self._state / "current").read_bytes()).strip()
        except FileNotFoundError:
            return None
        run = self.read(run_id)
        if run is None:
            raise _damaged(self._path(run_id), "it is missing")
        return run

    def runs_begun(self) -> Sequence[str]:
        """Return the ids of the runs that have a journal, by date."""
        return sorted(path.parent.name for path in self._state.glob("runs/*/journal.jsonl"))

    def read(self, run_id: str) -> Run | None:
        """Return a run as its journal has it, None without one. Raises IntegrityError for a line that was altered."""
        path = self._path(run_id)
        try:
            return _parse(path.read_bytes(), path)
        except FileNotFoundError:
            return None

    def start(self, run: Run) -> None:
        """Make `run`, without entries, the current one. Raises ConflictError if its journal exists."""
        path = self._path(run.id)
        if path.exists():
            message = f"the run {run.id} exists already"
            raise ConflictError(message, hint="run the same command again: it draws a new run id")
        with explained(path):
            make_folder(path.parent, 0o700)
        write_durably(path, sealed(_whole(run.with_entries(()), _RUN_LINE), b""), _OWNER)
        self._point_to(run.id)

    def ever(self, run_id: str) -> Sequence[Entry] | None:
        """Return all that was ever recorded of a run, also before a rollback.

        None where that is not known any more: the run was not begun here, or its journal was mended by a rollback.
        Raises IntegrityError for a line that was altered.
        """
        path = self._path(run_id)
        lines, is_mended = _opened(path.read_bytes(), path) if path.exists() else ([], True)
        if is_mended or not lines or not lines[0].startswith(_RUN_LINE):
            return None
        entries: list[Entry] = []
        for number, line in enumerate(lines, 1):
            with _readable(path, number):
                entries += () if line.startswith((_RUN_LINE, _RESET_LINE)) else [_ENTRY.validate_json(line)]
        return entries

    def states(self, run_id: str) -> Iterator[Run]:
        """Yield a run as it was after each line of its journal, the newest state first; nothing for no journal."""
        path = self._path(run_id)
        if path.exists():
            lines = whole_lines(path).splitlines(keepends=True)
            yield from (_parse(b"".join(lines[:end]), path) for end in range(len(lines), 0, -1))

    def append(self, run: Run, entry: Entry) -> None:
        """Add one entry durably; when this returns, a kill does not lose it."""
        path = self._path(run.id)
        append_durably(path, sealed(_ENTRY.dump_json(entry, by_alias=True) + b"\n", whole_lines(path)), _OWNER)
        if isinstance(entry, StepRecord) and not entry.raised and entry.reused is None:
            self._remember(run.id, entry)

    def reset(self, run: Run, tag: str) -> None:
        """Make `run` with its entries the current state, durably, as the rollback kept as `tag`; nothing is erased."""
        path = self._path(run.id)
        with explained(path):
            make_folder(path.parent, 0o700)
        start = _RESET_LINE + b'"tag":' + json.dumps(tag).encode() + b","
        append_durably(path, sealed(_whole(run, start), whole_lines(path)), _OWNER)
        self._point_to(run.id)

    def rollbacks(self, run_id: str) -> Sequence[str]:
        """Return the tags of the checkpoints that rollbacks to this run have made, as far as its journal tells.

        Lines from before they stated one tell none. Raises IntegrityError for a line that was altered.
        """
        path = self._path(run_id)
        lines = _opened(path.read_bytes(), path)[0] if path.exists() else []
        return [os.fsdecode(found[1]) for line in lines if (found := _TAG.match(line))]

    def intend(self, intent: Intent | None) -> None:
        """Keep durably what is about to be done in several writes, None when it is done."""
        path = self._state / "intent.json"
        with explained(path):
            make_folder(self._state, 0o700)
        if intent is None:
            path.unlink(missing_ok=True)
            # A note that came back after a power cut would roll back once more, over what was done since.
            sync_folder(self._state)
        else:
            write_durably(path, intent.model_dump_json().encode(), _OWNER)

    def intent(self) -> Intent | None:
        """Return what a killed command had begun and not finished. Raises IntegrityError for a damaged note."""
        path = self._state / "intent.json"
        try:
            return Intent.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            message = f"the note of a rollback that was cut off, {path}, was altered"
            hint = f"rm {shlex.quote(str(path))}, then the same rollback again: churnflow rollback REF"
            raise IntegrityError(message, hint=hint) from None

    def kept(self, run_id: str) -> tuple[Run, tuple[Entry, ...]] | None:
        """Return a run and every entry that its journal ever took, also what a rollback left; None without a journal.

        Raises IntegrityError for a damaged file.
        """
        path = self._path(run_id)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        return _parse(text, path), _every_entry(text, path)

    def reusable(self, key: str) -> tuple[str, StepRecord] | None:
        """Return the run and record of a passed step with this key, None if no such step was ever done here."""
        found = _result_at(self._steps / f"{key}.json")
        return (found.run, found.record) if found is not None and found.is_whole(key) else None

    def prove_reusable(self) -> None:
        """Raise IntegrityError for the first result kept for reuse that is not what was measured.

        One that a power cut spoiled is none: it is empty, or zeros, and is computed once more.
        """
        for path in sorted(self._steps.glob("*.json")):
            text = path.read_bytes()
            try:
                is_whole = _Reusable.model_validate_json(text).is_whole(path.stem)
            except ValidationError:
                is_whole = not text.strip(b"\0")
            if not is_whole:
                message = f"the result kept for reuse in {path} was altered"
                raise IntegrityError(
                    message, hint=f"rm {shlex.quote(str(path))}; it is computed again when it is needed"
                )

    def _remember(self, run_id: str, record: StepRecord) -> None:
        # Renamed without a sync: what a power cut spoils here is a result that is computed once more.
        path = self._steps / f"{record.key}.json"
        kept = _Reusable(run=run_id, record=record, sha256=digest(record))
        with explained(path):
            make_folder(self._steps, 0o700)
            temporary = temporary_in(self._steps)
            try:
                temporary.touch(_OWNER)
                temporary.write_text(kept.model_dump_json(by_alias=True))
                temporary.replace(path)
            finally:
                remove(temporary)

    def _point_to(self, run_id: str) -> None:
        path = self._state / "current"
        if not path.exists() or path.read_text().strip() != run_id:
            write_durably(path, run_id.encode() + b"\n", _OWNER)

    def _path(self, run_id: str) -> Path:
        return self._state / "runs" / run_id / "journal.jsonl"


def read_result(path: Path) -> StepRecord | None:
    """Return the record of a result that is kept for reuse, None where the file is gone or spoiled."""
    found = _result_at(path)
    return None if found is None else found.record


def _result_at(path: Path) -> _Reusable | None:
    try:
        return _Reusable.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _whole(run: Run, start: bytes) -> bytes:
    return start + run.model_dump_json(by_alias=True).encode()[1:] + b"\n"


def _run_of(line: bytes) -> Run:
    said = _TAG.match(line)
    return Run.model_validate_json(b"{" + (line[said.end() :] if said else line.split(b",", 1)[1]))


def _opened(text: bytes, path: Path) -> tuple[list[bytes], bool]:
    """Return the lines of a journal without their seals, and whether damage before a rollback was mended by that.

    Raises IntegrityError for the first line that does not fit its seal.
    """
    lines, wrong, is_mended = opened(text, lambda line: line.startswith(_RESET_LINE))
    if wrong:
        raise _damaged(path, f"line {wrong} is not what was written")
    return lines, is_mended


def _parse(text: bytes, path: Path) -> Run:
    lines, _ = _opened(text, path)
    base = next((n for n in reversed(range(len(lines))) if lines[n].startswith((_RUN_LINE, _RESET_LINE))), None)
    if base is None:
        raise _damaged(path, "its beginning is gone")
    with _readable(path, base + 1):
        run = _run_of(lines[base])
    entries = list(run.entries)
    for number, line in enumerate(lines[base + 1 :], base + 2):
        with _readable(path, number):
            entries.append(_ENTRY.validate_json(line))
    wrong = run.misplaced(entries)
    if wrong is not None:
        raise _damaged(path, f"{wrong.name} is no {wrong.kind} in its workflow")
    return run.with_entries(entries)


def _every_entry(text: bytes, path: Path) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    lines, _ = _opened(text, path)
    for number, line in enumerate(lines, 1):
        with _readable(path, number):
            if line.startswith((_RUN_LINE, _RESET_LINE)):
                entries.extend(_run_of(line).entries)
            else:
                entries.append(_ENTRY.validate_json(line))
    return tuple(entries)


@contextmanager
def _readable(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except ValidationError as failure:
        raise _damaged(path, f"line {number} is not an entry") from failure


def _damaged(path: Path, why: str) -> IntegrityError:
    current = shlex.quote(str(path.parents[2] / "current"))
    return IntegrityError(
        f"the journal {path} was altered: {why}",
        hint=f"rm {current}, then go back by a whole tag, of those of git tag -l 'churnflow/*': churnflow rollback TAG",
    )
