"""Features that plainly give the answer away, seen in a sample of the source before anything is built or split."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from churnflow.modelling.casting import cast
from churnflow.modelling.labels import Labels
from churnflow.modelling.leakage import MOST_ROWS, Labelled, Leak, plain_leaks
from churnflow.modelling.parting import MIN_PER_CLASS
from churnflow.modelling.profile import Column
from churnflow.modelling.table import Table


def early_leaks(table: Table, columns: Sequence[Column], classes: Labels, seed: int = 0) -> list[Leak]:
    """Return what `plain_leaks` finds in at most 20,000 rows, cast as ingestion casts them.

    Nothing where a class has too few rows to be learned at all.
    """
    count = len(table.lines)
    places = range(count) if count <= MOST_ROWS else np.sort(np.random.default_rng(seed).permutation(count)[:MOST_ROWS])
    sample = Table.of_rows(table.header, table.picked(places), missing=table.missing)
    drawn = [replace(column, values=sample.values(column.name)) for column in columns]
    done = cast(sample, drawn, classes)
    frame = done.frame()
    target = frame[done.schema["target"]].to_numpy(dtype=np.int64)
    if min(int(target.sum()), int(len(target) - target.sum())) < MIN_PER_CLASS:
        return []
    kinds = {
        str(column["name"]): "number" if column["kind"] == "number" else "category"
        for column in done.schema["columns"]
        if column["role"] == "feature"
    }
    return plain_leaks(Labelled(frame, kinds, target, np.arange(len(target))), seed)
