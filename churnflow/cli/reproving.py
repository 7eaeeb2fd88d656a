"""A report proved: it is made again from the records that it names, and compared byte for byte."""

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from churnflow.adapters.journal_files import JournalFiles
from churnflow.cli.rendering import TRACKING, Made, digest_of, made_as_of, rendered
from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Run
from churnflow.domain.release import Release
from churnflow.errors import ConflictError, IntegrityError, UsageError
from churnflow.project import Project
from churnflow.reporting import json_report
from churnflow.reporting.source import Source, source_in

SUFFIXES: Final = (".md", ".html", ".htm", ".json")
MOST_BYTES: Final = 64_000_000
_THERE: Final = "verify it in the project that it was made in"
_NEW: Final = "`churnflow report` writes the true one"
_SHOWN: Final = 60


def prove_report(project: Project, path: Path) -> Source:
    """Return what a report was made from, after it was made again and is the same.

    Raises UsageError for what is no report of churnflow, IntegrityError for one whose records are not here, or which
    says something else than they do: the first such line is named.
    """
    data = _read(path)
    text = data.decode(errors="replace")
    form = "json" if text.startswith("{") else "html" if text.startswith("<!doctype html>") else "md"
    source = _source(text, form, path)
    again, drawn = rendered(project, _gathered(project, source, path.name), form)
    if again.encode() != data:
        raise _difference(path.name, text, again)
    for name, plot in drawn.items():
        beside = path.parent / name
        if form == "md" and beside.is_file() and beside.read_bytes() != plot.encode():
            raise _difference(name, beside.read_bytes().decode(errors="replace"), plot)
    return source


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
        known = history or any(True for _ in _journalled(project, source.run))
        what = "never stood as it says" if known else "is not of this project, or is gone"
        message = f"{name} was made from the run {source.run}, which {what}"
        raise IntegrityError(message, hint=f"{_THERE}; {_NEW}")
    newest = kept[-1] if kept else None
    if source.checkpoint_sha256 != (digest(newest) if newest else None):
        message = f"{name} was made from {source.checkpoint}, which is gone or another one"
        raise IntegrityError(message, hint="`churnflow log` lists the checkpoints; `churnflow verify` follows them")
    if source.is_alone and newest is not None:
        return made_as_of(newest, kept)
    tracked = _table(project, source.tracked, name) if source.tracked else None
    served, beside = _served(project, source, newest, name), _beside(project, source, name)
    return Made(run, kept, served, tracked, source.as_of, source.ended, beside, source.until)


def _states(project: Project, source: Source, history: list[Checkpoint]) -> Iterator[Run]:
    """Yield every state that the run is known to have been in; a report as of a checkpoint tells of that alone."""
    yield from (item.run for item in history if not source.as_of or item.tag == source.checkpoint)
    if not source.as_of:
        yield from _journalled(project, source.run)


def _journalled(project: Project, run_id: str) -> Iterator[Run]:
    watched = JournalFiles(project.monitor_dir, project.repository.shared_dir)
    for journal in (project.journal, watched):
        if run_id in journal.runs_begun():
            yield from journal.states(run_id)


def _beside(project: Project, source: Source, name: str) -> list[Checkpoint] | None:
    """Return the checkpoints of other runs that a report counts, None for one that does not name them."""
    if source.beside is None:
        return None
    found = []
    for ref in source.beside:
        run_id, _, number = ref.partition("/")
        history = project.checkpoints.history(run_id)
        head = next((item for item in history if f"{item.number:02d}" == number), None)
        if head is None:
            message = f"{name} was made with other runs than are here: {ref} is missing, so nothing can be told"
            raise ConflictError(message, hint=f"`churnflow pull` fetches what is shared; else {_THERE}")
        found.append(head)
    if found and digest_of(found) != source.beside_sha256:
        message = f"{name} counts other runs than those that are here by the names {', '.join(source.beside)}"
        raise IntegrityError(message, hint="`churnflow verify` follows their records; compare with another clone")
    return found


def _served(project: Project, source: Source, newest: Checkpoint | None, name: str) -> Release | None:
    if source.served is None:
        return None
    stated = [newest.release] if source.as_of and newest is not None and newest.release else []
    for release in [*stated, *project.pointer.past()]:
        if digest(release) == source.served:
            return release
    message = f"{name} tells of a release that this project never served"
    raise IntegrityError(message, hint=_NEW)


def _table(project: Project, sha256: str, name: str) -> Artifact:
    wanted = Artifact(name=TRACKING, codec="json", sha256=sha256, size_bytes=0)
    stored = project.store.path(wanted)
    if not stored.is_file():
        message = f"{name} shows a table of performance that is not in the store"
        raise IntegrityError(message, hint="`churnflow monitor` measures it again")
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
