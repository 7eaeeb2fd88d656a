"""A report proved: it is made again from the records that it names, and compared byte for byte."""

import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Final

from churnflow.adapters.journal_files import JournalFiles
from churnflow.cli.outdated import left_out
from churnflow.cli.rendering import TRACKING, Made, digest_of, made_as_of, rendered
from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Run
from churnflow.domain.release import Release
from churnflow.engine.claims import counted
from churnflow.errors import ChurnflowError, ConflictError, IntegrityError, UsageError
from churnflow.project import Project
from churnflow.reporting import json_report
from churnflow.reporting.source import Source, source_in

SUFFIXES: Final = (".md", ".html", ".htm", ".json")
MOST_BYTES: Final = 64_000_000
_THERE: Final = "verify it in the project that it was made in"
_NEW: Final = "`churnflow report` writes the true one"
_SHOWN: Final = 60


@dataclass(frozen=True)
class Proved:
    """What a report was made from; warnings: what is missing beside it, and what is here that it leaves out."""

    source: Source
    warnings: tuple[str, ...]


def prove_report(project: Project, path: Path) -> Proved:
    """Return what a report was made from, after it was made again and is the same.

    Raises UsageError for what is no report of churnflow, IntegrityError for one that says something else than its
    records do: the first such line is named; ConflictError for one of which that can not be told, for want of some.
    """
    data = _read(path)
    text = data.decode(errors="replace")
    form = "json" if text.startswith("{") else "html" if text.startswith("<!doctype html>") else "md"
    source = _source(text, form, path)
    made = _gathered(project, source, path.name)
    again, drawn = rendered(project, made, form)
    if again.encode() != data:
        raise _difference(path.name, text, again)
    missing = list(_missing(path.parent, drawn)) if form == "md" else []
    return Proved(source, (*missing, *left_out(project, made, _current(project, source.run))))


def _current(project: Project, run_id: str) -> Run | None:
    """Return a run as its journal has it, None without a journal; of one that was altered `churnflow verify` tells."""
    with suppress(IntegrityError):
        return next((journal.read(run_id) for journal in _journals(project, run_id)), None)
    return None


def _missing(folder: Path, drawn: Mapping[str, str]) -> Iterator[str]:
    """Yield what to say of each figure that is not there. Raises IntegrityError for the first that was altered."""
    for name, plot in drawn.items():
        beside = folder / name
        if not beside.is_file():
            yield f"the figure {name} that it shows is not beside it, so it was not compared"
        elif beside.read_bytes() != plot.encode():
            raise _difference(name, beside.read_bytes().decode(errors="replace"), plot)


def _read(path: Path) -> bytes:
    if path.stat().st_size > MOST_BYTES:
        message = f"{path} takes more than {MOST_BYTES // 1_000_000} MB: no report does"
        raise UsageError(message, hint="name a report that `churnflow report` wrote")
    return path.read_bytes()


def _source(text: str, form: str, path: Path) -> Source:
    found = _source_in_json(text) if form == "json" else source_in(text)
    if found is not None:
        return found
    if "churnflow verify" in text or json_report.SCHEMA in text:
        message = f"{path.name} does not say what it was made from: that line is altered or gone"
        raise IntegrityError(message, hint=_NEW)
    message = f"{path.name} is no report of churnflow"
    raise UsageError(message, hint="name a report that `churnflow report` wrote, or a checkpoint")


def _source_in_json(text: str) -> Source | None:
    try:
        content: Any = json.loads(text)
        return Source.model_validate(content["made_from"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _gathered(project: Project, source: Source, name: str) -> Made:
    history = list(project.checkpoints.history(source.run))
    place = next((n for n, item in enumerate(history, 1) if item.tag == source.checkpoint), 0)
    kept = history[:place]
    run = next((run for run in _states(project, source, history) if digest(run) == source.records), None)
    if run is None:
        raise _no_such_state(project, source, history, name)
    newest = kept[-1] if kept else None
    if source.checkpoint_sha256 != (digest(newest) if newest else None):
        message = f"{name} was made from {source.checkpoint}, which is gone or another one"
        raise IntegrityError(message, hint="`churnflow log` lists the checkpoints; `churnflow verify` follows them")
    tracked = _table(project, source.tracked, name) if source.tracked else None
    if source.is_alone and newest is not None:
        made = made_as_of(newest, kept)
        return made if source.bare else replace(made, tracked=tracked, bare=False)
    if source.as_of and newest is not None:  # of before other runs were left out: the time tells which of them count
        return replace(made_as_of(newest, kept), tracked=tracked, beside=None, until=source.until, bare=False)
    served, beside = _served(project, source, name), _beside(project, source, run, name)
    return Made(run, kept, served, tracked, source.as_of, source.ended, beside, source.until)


def _no_such_state(project: Project, source: Source, history: list[Checkpoint], name: str) -> ChurnflowError:
    """Return what to say of a report whose state is not found: false only where every state of the run is known."""
    message = f"{name} was made from the run {source.run}, which"
    if not history and not _journals(project, source.run):
        return IntegrityError(f"{message} is not of this project, or is gone", hint=f"{_THERE}; {_NEW}")
    is_here = source.checkpoint in {None, *(item.tag for item in history)}
    if is_here and (source.as_of or _knows_all(project, source.run)):
        return IntegrityError(f"{message} never stood as it says", hint=f"{_THERE}; {_NEW}")
    message = f"{message} is in no checkpoint here as it says; its journal is gone, or in another clone"
    hint = f"; `churnflow report {history[-1].tag}` writes one that any clone can prove" if history else ""
    return ConflictError(message, hint=_THERE + hint)


def _states(project: Project, source: Source, history: list[Checkpoint]) -> Iterator[Run]:
    """Yield every state that the run is known to have been in; a report as of a checkpoint tells of that alone."""
    yield from (item.run for item in history if not source.as_of or item.tag == source.checkpoint)
    if not source.as_of:
        yield from _journalled(project, source.run)


def _journalled(project: Project, run_id: str) -> Iterator[Run]:
    for journal in _journals(project, run_id):
        is_mended = journal.ever(run_id) is None
        # What was damaged before a rollback that mended it is gone, and no sign of anything.
        with suppress(IntegrityError) if is_mended else nullcontext():
            yield from journal.states(run_id)


def _journals(project: Project, run_id: str) -> list[JournalFiles]:
    watched = JournalFiles(project.monitor_dir, project.repository.shared_dir)
    return [journal for journal in (project.journal, watched) if run_id in journal.runs_begun()]


def _knows_all(project: Project, run_id: str) -> bool:
    """Whether the journal of a run is here and whole from its beginning: then nothing was recorded but what it says."""
    return any(journal.ever(run_id) is not None for journal in _journals(project, run_id))


def _beside(project: Project, source: Source, run: Run, name: str) -> list[Checkpoint] | None:
    """Return the checkpoints of other runs that a report counts, None for one that does not name them."""
    if source.beside is None:
        return None
    found = []
    for ref in source.beside:
        run_id, _, number = ref.partition("/")
        history = project.checkpoints.history(run_id)
        head = next((item for item in history if f"{item.number:02d}" == number), None)
        if head is None:
            if digest_of(counted(run, project.checkpoints)) == source.beside_sha256:
                message = f"{name} counts the runs that are here, and calls one of them {ref}"
                raise IntegrityError(message, hint=_NEW)
            message = f"{name} was made with other runs than are here: {ref} is missing, so nothing can be told"
            raise ConflictError(message, hint=f"`churnflow pull` fetches what is shared; else {_THERE}")
        found.append(head)
    if found and digest_of(found) != source.beside_sha256:
        message = f"{name} counts other runs than those that are here by the names {', '.join(source.beside)}"
        raise IntegrityError(message, hint="`churnflow verify` follows their records; compare with another clone")
    return found


def _served(project: Project, source: Source, name: str) -> Release | None:
    if source.served is None:
        return None
    served = project.pointer.past()
    for release in chain(served, _released(project)):
        if digest(release) == source.served:
            return release
    if served and _knows_all(project, source.run):
        message = f"{name} tells of a release that this project never served"
        raise IntegrityError(message, hint=_NEW)
    message = f"{name} tells of a release that is in no checkpoint here, and was never served here"
    raise ConflictError(message, hint=f"`churnflow pull` fetches what is shared; else {_THERE}")


def _released(project: Project) -> Iterator[Release]:
    """Yield the releases that the checkpoints of all runs name: a clone has these, and has served nothing itself."""
    for run_id in project.checkpoints.runs():
        yield from (item.release for item in project.checkpoints.history(run_id) if item.release is not None)


def _table(project: Project, sha256: str, name: str) -> Artifact:
    wanted = Artifact(name=TRACKING, codec="json", sha256=sha256, size_bytes=0)
    stored = project.store.path(wanted)
    if not stored.is_file():
        message = f"{name} shows a table of performance that is not in the store"
        raise ConflictError(message, hint=f"it is freed once there is a newer one, and is not shared: {_THERE} before")
    return wanted.model_copy(update={"size_bytes": stored.stat().st_size})


def _difference(name: str, text: str, again: str) -> IntegrityError:
    lines = enumerate(zip_longest(text.split("\n"), again.split("\n")), 1)
    number, said, true = next((number, *pair) for number, pair in lines if pair[0] != pair[1])
    start = next((n for n, (a, b) in enumerate(zip(said or "", true or "", strict=False)) if a != b), 0)
    shown = [_part(line, max(0, start - _SHOWN // 2)) for line in (said, true)]
    return IntegrityError(f"{name}, line {number}: it says {shown[0]}, and the records say {shown[1]}", hint=_NEW)


def _part(line: str | None, start: int) -> str:
    if line is None:
        return "nothing"
    return repr(("..." if start else "") + line[start : start + _SHOWN] + ("..." if line[start + _SHOWN :] else ""))
