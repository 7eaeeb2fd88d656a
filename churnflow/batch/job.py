"""What a list is to be like, as the command line asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from churnflow.errors import UsageError
from churnflow.modelling.profit import Campaign, parse_campaign
from churnflow.modelling.read_options import ReadOptions

Form = Literal["csv", "parquet", "jsonl"]
FORMS: Final[Mapping[str, Form]] = {
    ".csv": "csv",
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
}


@dataclass(frozen=True)
class Job:
    """One list.

    source: a file, or the address of a database as SQLAlchemy writes it. output: None for the standard output. top: how
    many customers, None for all. budget: what contacting them may cost. ranked: else in the order of the source.
    reasons: how many for each customer at risk. keep: columns of the source that the list has, too. renamed: the name
    in the schema of columns that the source calls otherwise. password_env: the variable with the database's password.
    """

    source: str
    output: Path | None
    top: int | None = None
    budget: float | None = None
    ranked: bool = True
    reasons: int = 3
    keep: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    campaign: Campaign | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    password_env: str | None = None
    force: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Job":
        """Return the job that plain values describe. Raises UsageError for what does not go together."""
        values = dict(given)
        reading = {name: values.pop(name) for name in ("separator", "encoding", "sheet", "table", "query")}
        options = ReadOptions.of({name: value for name, value in reading.items() if value is not None})
        values["campaign"] = parse_campaign(values["campaign"])
        job = cls(**values, options=options)
        _check(job)
        return job

    @property
    def form(self) -> Form:
        """How the list is written. Raises UsageError for a name that says nothing known."""
        if self.output is None:
            return "csv"
        form = FORMS.get(self.output.suffix.lower())
        if form is None:
            message = f"the name {self.output.name!r} does not say how the list is to be written"
            raise UsageError(message, hint=f"let it end in {', '.join(FORMS)}")
        return form


def _check(job: Job) -> None:
    if not job.ranked and (job.top is not None or job.budget is not None):
        message = "--in-order keeps every row in its place, and --top and --budget choose some"
        raise UsageError(message, hint="leave --in-order out, or both of the others")
    if job.budget is not None and job.campaign is None:
        message = "--budget needs to know what a contact costs, and the workflow of the release declares no campaign"
        hint = "declare it and release again: evaluate with: {campaign: {value: 200, offer: 10, contact: 1}}"
        raise UsageError(message, hint=hint)
    doubled = sorted({name for name in job.keep if job.keep.count(name) > 1})
    if doubled:
        message = f"--keep names {doubled[0]!r} twice"
        raise UsageError(message, hint="name each column once")
