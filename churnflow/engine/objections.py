"""What people said against a candidate in another run, told to whoever decides on the same bytes anew."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from churnflow.domain.journal import Approval, Run
from churnflow.domain.ledger import as_of, open_issues, weight
from churnflow.domain.workflow import Gate
from churnflow.engine.approvals import candidate
from churnflow.engine.ports import Ports
from churnflow.errors import IntegrityError

_MOST_RUNS: Final = 20


def objections(run: Run, gate: Gate, ports: Ports) -> Iterator[str]:
    """Yield what stands against the very candidate of `gate` in the newest other runs that were begun here.

    That is a no to an approval, and what a reviewer's note opened that nobody has closed or waived. It bars nothing,
    for who answers now may know better; but they, and whoever reads the decision, are told.
    """
    ships = candidate(run, gate)
    if ships is None:
        return
    for other in _others(run, ports):
        if ships.sha256 in {artifact.sha256 for artifact in other.artifacts().values()}:
            said = _said(as_of(other, ports.clock.now()))
            yield from (f"run {other.id} made the same {ships.name!r}: {text}" for text in said)


def _others(run: Run, ports: Ports) -> Iterator[Run]:
    for run_id in [one for one in ports.journal.runs_begun() if one != run.id][-_MOST_RUNS:]:
        # A journal that was altered is named by `verify`, and keeps nobody from deciding on another run.
        with suppress(IntegrityError):
            yield from filter(None, (ports.journal.read(run_id),))


def _said(run: Run) -> Iterator[str]:
    answers = (run.latest(item.name) for item in run.declared.items())
    for entry in answers:
        if isinstance(entry, Approval) and entry.answer == "reject":
            notes = f": {'; '.join(entry.notes)}" if entry.notes else ""
            yield f"{entry.reviewer} rejected the approval {entry.name!r}{notes}"
    for line in open_issues(run):
        if line.forbids and isinstance(run.latest(line.source), Approval):
            yield f"{weight(line)} and open there: {line.id}: {line.text}"
