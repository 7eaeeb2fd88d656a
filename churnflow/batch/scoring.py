"""Rows become scores: read by one thread, in order, and encoded, scored, explained and put away by others."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.batch.customers import Customers, Piece, Wanted
from churnflow.batch.job import Job
from churnflow.batch.layout import Layout
from churnflow.batch.reading import FeatureReader, Read
from churnflow.batch.scratch import Parts
from churnflow.batch.served import Scorer
from churnflow.modelling.columns import Column, Floats
from churnflow.modelling.readings import Reading
from churnflow.serving.fields import NumberField

THREADS: Final = 2
# Batches that are read ahead of the slowest.
_AHEAD: Final = 2
# Of an encoded matrix, 16 MB.
_CELLS: Final = 2_000_000
# The scores of more than this many customers are not kept to tell who can still be among the first.
_MOST_TOP: Final = 200_000
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Batch:
    """Some rows as read: features in the order of the model's columns, and what a customer is worth."""

    piece: Piece
    features: tuple[Read, ...]
    amount: Read | None


class Readers:
    """The features of all rows, read in order.

    features: in the order of the model's columns. amount: what a customer is worth, None where one amount is declared
    for all, or a feature says it.
    """

    def __init__(self, customers: Customers, layout: Layout, scorer: Scorer) -> None:
        """Take the source, where its columns stand, and what they mean."""
        self._customers = customers
        self._layout = layout
        columns, typed = scorer.model.encoding.columns, customers.typed
        triples = zip(scorer.fields, columns, layout.features, strict=True)
        self.features = [FeatureReader(field, column, typed=name in typed) for field, column, name in triples]
        self.amount: FeatureReader | None = None
        if layout.amount is not None and layout.amount not in layout.features:
            field = NumberField(layout.amount, False, Reading("number", scorer.missing), None, None)  # noqa: FBT003
            self.amount = FeatureReader(field, Column(layout.amount, "number"), typed=layout.amount in typed)

    def batches(self) -> Iterator[Batch]:
        """Yield all rows."""
        layout = self._layout
        measured = {name: reader.measured for name, reader in zip(layout.features, self.features, strict=True)}
        if self.amount is not None and layout.amount is not None:
            measured[layout.amount] = True
        for piece in self._customers.pieces(Wanted(measured, layout.texts)):
            pairs = zip(layout.features, self.features, strict=True)
            found = tuple(reader.read(piece.features[name], piece.lines) for name, reader in pairs)
            yield Batch(piece, found, self._amount(piece, found))

    def _amount(self, piece: Piece, found: Sequence[Read]) -> Read | None:
        name = self._layout.amount
        if name is None:
            return None
        if self.amount is None:
            return found[self._layout.features.index(name)]
        return self.amount.read(piece.features[name], piece.lines)


class Scoring:
    """What is done with a batch; several threads do it at once."""

    def __init__(self, scorer: Scorer, layout: Layout, job: Job, parts: Parts) -> None:
        """Take the model, the job, and where the scored rows go."""
        self._scorer = scorer
        self._layout = layout
        self._job = job
        self._parts = parts
        self._first = _First(job.top)

    def run(self, batches: Iterator[Batch], rows: int, progress: Progress) -> None:
        """Score everything. progress: told how many of the rows are done. Raises what a thread raised."""
        with ThreadPoolExecutor(THREADS) as pool:
            waiting: deque[Future[int]] = deque()
            done = 0
            for number, batch in enumerate(batches):
                waiting.append(pool.submit(self._score, number, batch))
                while len(waiting) > THREADS + _AHEAD or (waiting and waiting[0].done()):
                    done += waiting.popleft().result()
                    progress(done, rows, "scored")
            for future in waiting:
                done += future.result()
                progress(done, rows, "scored")

    def _score(self, number: int, batch: Batch) -> int:
        rows = len(batch.piece.lines)
        problems = _problems(batch)
        refused: npt.NDArray[np.bool_] = np.array([problem is not None for problem in problems.tolist()])
        probability, reasons = np.empty(rows), np.full(rows, None, dtype=object)
        step = max(1, _CELLS // self._scorer.model.encoding.width)
        for start in range(0, rows, step):
            some = slice(start, start + step)
            matrix = self._matrix(batch, some)
            probability[some] = self._scorer.quick.probability(matrix)
            asked = self._asked(batch, np.where(refused[some], np.nan, probability[some]), some)
            reasons[asked + start] = self._reasons(batch, matrix[asked], asked + start)
        self._parts.write(number, self._frame(batch, np.where(refused, np.nan, probability), reasons, problems))
        return rows

    def _frame(self, batch: Batch, *own: npt.NDArray[Any]) -> pd.DataFrame:
        """Return the rows as `Parts` has them."""
        layout, texts = self._layout, batch.piece.texts
        columns = {"line": batch.piece.lines, **dict(zip(("probability", "reasons", "problem"), own, strict=True))}
        columns |= {f"k{place}": texts[name] for place, name in enumerate(layout.keep)}
        if layout.identifier is not None:
            columns["id"] = texts[layout.identifier]
        if batch.amount is not None:
            columns["amount"] = batch.amount.values
        return pd.DataFrame(columns)

    def _matrix(self, batch: Batch, some: slice) -> Floats:
        kinds = [column.kind for column in self._scorer.model.encoding.columns]
        values = [read.values[some] for read in batch.features]
        numbers = [column for column, kind in zip(values, kinds, strict=True) if kind == "number"]
        codes = [column for column, kind in zip(values, kinds, strict=True) if kind == "category"]
        table = np.stack(numbers, axis=1) if numbers else np.empty((len(values[0]), 0))
        return self._scorer.model.encoding.assemble(table, codes)

    def _asked(self, batch: Batch, probability: Floats, some: slice) -> npt.NDArray[np.intp]:
        """Return the places, within these rows, of those at risk who may get into the list, to be explained."""
        if not self._job.reasons or self._scorer.reasons is None:
            return np.empty(0, dtype=np.intp)
        campaign, score = self._job.campaign, probability
        if campaign is not None:
            worth = np.full(len(probability), campaign.value) if batch.amount is None else batch.amount.values[some]
            # Whose worth is missing counts as the mean of all, which is not known yet.
            score = np.where(np.isnan(worth), np.inf, campaign.expected_value(probability, worth))
        at_risk = probability >= self._scorer.model.threshold
        return np.flatnonzero(at_risk & self._first.may_hold(np.where(np.isnan(probability), -np.inf, score)))

    def _reasons(self, batch: Batch, matrix: Floats, rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        texts = np.full((len(rows), self._job.reasons), None, dtype=object)
        if self._scorer.reasons is not None and len(rows):
            chosen = self._scorer.reasons.strongest(matrix, self._job.reasons)
            for feature in np.unique(chosen[chosen >= 0]).tolist():
                at, rank = np.nonzero(chosen == feature)
                read, wording = batch.features[feature], self._scorer.wordings[feature]
                texts[at, rank] = read.said(rows[at], wording)
        joined = np.empty(len(rows), dtype=object)
        joined[:] = [", ".join(filter(None, row)) or None for row in texts.tolist()]
        return joined


def _problems(batch: Batch) -> npt.NDArray[Any]:
    """Return why each row is refused, (n,) of objects, None where it is not."""
    problems = np.full(len(batch.piece.lines), None, dtype=object)
    # What a customer is worth may be a feature, too.
    reads = {id(read): read for read in (*batch.features, batch.amount) if read is not None and read.wrong is not None}
    for read in reads.values():
        for row, number in zip(*read.refused(), strict=True):
            said = f"{read.name} {read.problems[number]}"
            problems[row] = said if problems[row] is None else f"{problems[row]}; {said}"
    return problems


class _First:
    """The best scores so far, to tell which rows can not be among the first any more."""

    def __init__(self, top: int | None) -> None:
        self._top = top if top is not None and top <= _MOST_TOP else None
        self._best = np.empty(0)
        self._lock = threading.Lock()

    def may_hold(self, scores: Floats) -> npt.NDArray[np.bool_]:
        """Return which rows may be among the first, (n,), and remember their scores."""
        if self._top is None:
            return np.ones(len(scores), dtype=np.bool_)
        with self._lock:
            finite = np.concatenate([self._best, scores[np.isfinite(scores)]])
            if len(finite) > self._top:
                finite = np.partition(finite, len(finite) - self._top)[-self._top :]
            self._best = finite
            least = finite.min() if len(finite) == self._top else -np.inf
        held: npt.NDArray[np.bool_] = scores >= least
        return held
