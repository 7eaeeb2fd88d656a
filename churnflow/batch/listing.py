"""The finished list: whom it holds, in which order, and how it is written, as SQL over the scored rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from churnflow.batch.job import Form, Job
from churnflow.batch.layout import Layout
from churnflow.batch.scratch import Parts
from churnflow.batch.served import Scorer
from churnflow.modelling.parquet_frames import literal, quoted
from churnflow.modelling.risk import high_from

_FORMATS: Final[Mapping[Form, str]] = {
    "csv": "FORMAT csv, HEADER",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "jsonl": "FORMAT json",
}
# With one of these a spreadsheet begins a formula (OWASP, CSV injection); their wide twins count as well.
_FORMULA: Final = "[=+@\\-\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
_NUMBER: Final = "[+-]?[0-9]+([.,][0-9]+)*([eE][+-]?[0-9]+)?%?"


@dataclass(frozen=True)
class Chosen:
    """Whom a list holds: how many customers of `rows`, and what contacting them costs and earns on average.

    refused: rows that could not be scored. at_risk: at or above the threshold. duplicates: rows whose id an earlier row
    had. cost, value: None without a campaign.
    """

    rows: int
    refused: int
    at_risk: int
    duplicates: int
    listed: int
    cost: float | None
    value: float | None


class Listing:
    """A list over scored rows."""

    def __init__(self, parts: Parts, scorer: Scorer, layout: Layout, job: Job) -> None:
        """Take the rows and what the list is to be like."""
        self._parts = parts
        self._scorer = scorer
        self._layout = layout
        self._job = job
        self._worth = "NULL"

    @staticmethod
    def columns(layout: Layout) -> dict[str, str]:
        """Return the columns of the scored rows, each with its SQL type."""
        columns = {"line": "BIGINT", "probability": "DOUBLE", "reasons": "VARCHAR", "problem": "VARCHAR"}
        columns |= {f"k{place}": "VARCHAR" for place in range(len(layout.keep))}
        columns |= {"id": "VARCHAR"} if layout.identifier is not None else {}
        return columns | ({"amount": "DOUBLE"} if layout.amount is not None else {})

    def write(self, draft: Path, kinds: Mapping[str, str]) -> Chosen:
        """Write the list to a new file; kinds: the SQL types of columns of numbers. Raises duckdb.Error."""
        with self._parts.connect() as connection:
            self._worth = self._worth_of(connection)
            limit = self._limit(connection)
            chosen = self._chosen(connection, limit)
            query = f"{self._selected(kinds)} {self._order()}{'' if limit is None else f' LIMIT {limit}'}"
            connection.execute(f"COPY ({query}) TO ? ({_FORMATS[self._job.form]})", [str(draft)])
        return chosen

    @property
    def names(self) -> list[str]:
        """The columns of the list."""
        paid = ["expected_value"] if self._job.campaign is not None else []
        return [self._name, "probability", "decision", "risk", *paid, "reasons", *self._job.keep, "problem"]

    @property
    def _name(self) -> str:
        return self._scorer.identifier or "row" if self._layout.identifier is not None else "row"

    @property
    def _value(self) -> str:
        campaign = self._job.campaign
        return "NULL" if campaign is None else f"({campaign.accepted!r} * probability * {self._worth} - {self._cost})"

    @property
    def _cost(self) -> str:
        campaign = self._job.campaign
        if campaign is None:
            return "NULL"
        return f"({campaign.contact!r} + {campaign.offer!r} * (1 - probability + {campaign.accepted!r} * probability))"

    def _worth_of(self, connection: duckdb.DuckDBPyConnection) -> str:
        """Return SQL for what a customer is worth; a missing amount counts as the mean of the known."""
        campaign = self._job.campaign
        if campaign is None or not isinstance(campaign.value, str):
            return repr(None if campaign is None else float(campaign.value))
        mean = _one(connection, f"SELECT avg(amount) FROM {self._parts.rows}")[0]
        return f"coalesce(amount, {float(mean or 0.0)!r})"

    def _order(self) -> str:
        if not self._job.ranked:
            return "ORDER BY line"
        by = "probability" if self._job.campaign is None else self._value
        return f"ORDER BY {by} DESC NULLS LAST, line"

    def _limit(self, connection: duckdb.DuckDBPyConnection) -> int | None:
        top, budget = self._job.top, self._job.budget
        if budget is None:
            return top
        # Gone through in order, and no further than the money goes; who is expected to bring a loss is not contacted.
        query = f"SELECT {self._cost} AS cost FROM {self._parts.rows} WHERE {self._value} > 0 {self._order()}"
        answer = connection.execute(query if top is None else f"{query} LIMIT {top}")
        contacted, spent = 0, 0.0
        while rows := answer.fetchmany(10_000):
            for (cost,) in rows:
                if spent + cost > budget:
                    return contacted
                contacted, spent = contacted + 1, spent + cost
        return contacted

    def _chosen(self, connection: duckdb.DuckDBPyConnection, limit: int | None) -> Chosen:
        threshold = self._scorer.model.threshold
        counts = f"count(*), count(*) - count(probability), count(*) FILTER (probability >= {threshold!r})"
        rows, refused, at_risk = _one(connection, f"SELECT {counts} FROM {self._parts.rows}")
        listed = rows if limit is None else min(limit, rows)
        cost = value = None
        if self._job.campaign is not None:
            some = f"SELECT {self._cost} AS cost, {self._value} AS value FROM {self._parts.rows} {self._order()}"
            cost, value = _one(connection, f"SELECT sum(cost), sum(value) FROM ({some} LIMIT {listed})")
        return Chosen(rows, refused, at_risk, self._duplicates(connection), listed, cost, value)

    def _duplicates(self, connection: duckdb.DuckDBPyConnection) -> int:
        if self._layout.identifier is None:
            return 0
        named = f"SELECT count(*) AS n FROM {self._parts.rows} WHERE trim(id) <> '' GROUP BY hash(id)"
        return int(_one(connection, f"SELECT coalesce(sum(n - 1), 0) FROM ({named})")[0])

    def _selected(self, kinds: Mapping[str, str]) -> str:
        layout, threshold = self._layout, self._scorer.model.threshold
        positive, negative = map(literal, (self._scorer.model.positive, self._scorer.model.negative))
        band = f"CASE WHEN probability < {threshold!r} THEN 'low' WHEN probability >= {high_from(threshold)!r} "
        columns = [
            "line" if layout.identifier is None else self._text("id"),
            "probability",
            f"CASE WHEN probability >= {threshold!r} THEN {positive} WHEN probability IS NOT NULL THEN {negative} END",
            f"{band}THEN 'high' WHEN probability IS NOT NULL THEN 'medium' END",
            *([f"round({self._value}, 2)"] if self._job.campaign is not None else []),
            self._text("reasons"),
            *(self._kept(place, kinds.get(name)) for place, name in enumerate(layout.keep)),
            "problem",
        ]
        named = zip(columns, self.names, strict=True)
        selected = ", ".join(f"{column} AS {quoted(self._header(name))}" for column, name in named)
        return f"SELECT {selected} FROM {self._parts.rows}"

    def _kept(self, place: int, kind: str | None) -> str:
        return self._text(f"k{place}") if kind is None else f"TRY_CAST(k{place} AS {kind})"

    def _text(self, column: str) -> str:
        """Return SQL for a text; where people open it in a spreadsheet, one that begins a formula is only text."""
        if self._job.form != "csv":
            return column
        formula = f"regexp_matches({column}, {literal(f'^{_FORMULA}')})"
        number = f"regexp_full_match({column}, {literal(_NUMBER)})"
        return f"CASE WHEN {formula} AND NOT {number} THEN '''' || {column} ELSE nullif({column}, '') END"

    def _header(self, name: str) -> str:
        dangerous = self._job.form == "csv" and name[:1] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
        return f"'{name}" if dangerous else name


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    found = connection.execute(query).fetchone()
    return found or ()
