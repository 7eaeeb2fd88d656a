"""A list from beginning to end: open, lay out, score, sort, write, and say what was noticed."""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import duckdb

from churnflow.adapters.durable import write_all
from churnflow.batch.customers import Customers
from churnflow.batch.inputs import open_customers
from churnflow.batch.job import Job
from churnflow.batch.layout import SHOWN, Layout, lay_out
from churnflow.batch.listing import Chosen, Listing
from churnflow.batch.places import publish, refuse_foreign, workplace
from churnflow.batch.reading import FeatureReader
from churnflow.batch.scoring import Readers, Scoring
from churnflow.batch.scratch import Parts, explained_by_user
from churnflow.batch.served import Scorer, scorer_of

_BLOCK: Final = 1 << 20
# Takes how many of how many rows are done, and a word on what is being done.
Progress = Callable[[int, int, str], None]


def score(
    files: Mapping[str, bytes],
    given: Mapping[str, Any],
    progress: Progress,
    publishing: Callable[[Path], None] | None = None,
) -> dict[str, Any]:
    """Score what a job names with the model of a release, and write its list; return what was noticed.

    files: of the release bundle, verified. given: the fields of a `Job`, with those of `ReadOptions`, as plain values.
    publishing: called with the place of the list before it is there, once nothing can refuse it any more. Raises
    UsageError for a source that can not be read or lacks a column, ConflictError for a list that is there.
    """
    job = Job.of(given)
    _ = job.form
    if job.output is not None:
        refuse_foreign(job.output, job.source, force=job.force)
    scorer = scorer_of(files)
    with workplace(job.output) as place:
        progress(0, 0, "reading")
        customers = open_customers(job)
        layout = lay_out(customers.header, customers.name, scorer, job)
        parts = Parts(place.scratch, Listing.columns(layout))
        readers = Readers(customers, layout, scorer)
        Scoring(scorer, layout, job, parts).run(readers.batches(), customers.rows, progress)
        parts.write_ragged(customers.ragged, len(customers.header))
        listing = Listing(parts, scorer, layout, job)
        progress(customers.rows, customers.rows, "sorting" if job.ranked else "writing")
        try:
            chosen = listing.write(place.draft, {} if job.form == "csv" else customers.kinds)
        except duckdb.Error as error:
            raise explained_by_user(error) from None
        _deliver(place.draft, job.output, publishing)
    return _noticed(customers, layout, readers, chosen) | _about(scorer, job, layout)


def _deliver(draft: Path, output: Path | None, publishing: Callable[[Path], None] | None) -> None:
    if output is None:
        _copied(draft)
        return
    if publishing is not None:
        publishing(output)
    publish(draft, output)


def _copied(draft: Path) -> None:
    """Write a file to the standard output, past the buffer: what stays in it would fail once more at the end."""
    sys.stdout.flush()
    # Whoever read may have gone, as `head` does.
    with draft.open("rb") as file, suppress(BrokenPipeError):
        while block := file.read(_BLOCK):
            write_all(sys.stdout.fileno(), block)


def _noticed(customers: Customers, layout: Layout, readers: Readers, chosen: Chosen) -> dict[str, Any]:
    tallies = {reader.name: reader.tally for reader in (*readers.features, *filter(None, [readers.amount]))}
    refused = [
        {"column": name, "problem": problem, "rows": rows, "lines": tally.lines[problem]}
        for name, tally in tallies.items()
        for problem, rows in tally.refused.items()
    ]
    if customers.ragged:
        lines = [row.line for row in customers.ragged]
        problem = f"another number of fields than the {len(customers.header)} of the header"
        refused.append({"column": None, "problem": problem, "rows": len(lines), "lines": lines[:5]})
    return {
        **asdict(chosen),
        "refused_because": refused,
        "unseen": _counts(readers.features, "unseen"),
        "missing": _counts(readers.features, "missing"),
        "outside": _counts(readers.features, "outside"),
        "ignored": list(layout.ignored[:SHOWN]),
        "ignored_columns": len(layout.ignored),
        "notes": list(customers.notes),
    }


def _counts(readers: Iterable[FeatureReader], kind: str) -> dict[str, int]:
    """Return how many rows of each feature are so, without those of none."""
    return {reader.name: count for reader in readers if (count := getattr(reader.tally, kind))}


def _about(scorer: Scorer, job: Job, layout: Layout) -> dict[str, Any]:
    """Return how the list was made."""
    by = "expected_value" if job.campaign is not None else "probability"
    explained = bool(job.reasons) and scorer.reasons is not None
    return {
        "ranked_by": by if job.ranked else None,
        "threshold": scorer.model.threshold,
        "campaign": None if job.campaign is None else job.campaign.as_json(),
        "reasons": job.reasons if explained else 0,
        "no_reasons": bool(job.reasons) and scorer.reasons is None,
        "no_id": scorer.identifier if layout.identifier is None else None,
    }
