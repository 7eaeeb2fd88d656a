"""Which column of a source is which of the schema; what is missing, likely renamed, or not looked at."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from churnflow.batch.job import Job
from churnflow.batch.served import Scorer
from churnflow.errors import UsageError
from churnflow.modelling.texts import fold

SHOWN: Final = 20
OWN: Final = ("probability", "decision", "risk", "expected_value", "reasons", "problem", "row")
_NO_LETTER: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Layout:
    """The columns of a source, by the names that it has for them.

    features: in the order of the model's. identifier: None where the source has none. amount: what a customer is
    worth, where the campaign says so by a column. ignored: what is used for nothing.
    """

    features: tuple[str, ...]
    identifier: str | None
    keep: tuple[str, ...]
    amount: str | None
    ignored: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that go into the list as they are."""
        first = () if self.identifier is None else (self.identifier,)
        return tuple(dict.fromkeys((*first, *self.keep)))


def lay_out(header: Sequence[str], source: str, scorer: Scorer, job: Job) -> Layout:
    """Return where everything stands. Raises UsageError for missing columns, by name, and likely new names."""
    names = _renamed(header, source, job.renamed)
    amount = job.campaign.value if job.campaign is not None and isinstance(job.campaign.value, str) else None
    needed = [field.name for field in scorer.fields] + ([amount] if amount else [])
    missing = [name for name in dict.fromkeys(needed) if name not in names]
    if missing:
        found = {names[name] for name in (*needed, scorer.identifier) if name in names}
        raise _missing(missing, [name for name in header if name not in found], source)
    keep = tuple(_known(name, header, names, source) for name in job.keep)
    identifier = names.get(scorer.identifier) if scorer.identifier else None
    _refuse_clash(job.keep, scorer.identifier)
    features = tuple(names[name] for name in needed[: len(scorer.fields)])
    used = {*features, *keep, identifier, names.get(amount or "")}
    ignored = tuple(name for name in header if name not in used)
    return Layout(features, identifier, keep, names[amount] if amount else None, ignored)


def _renamed(header: Sequence[str], source: str, renamed: Mapping[str, str]) -> dict[str, str]:
    """Return the source's name of each column by that of the schema. Raises UsageError for a name it has not."""
    for new in renamed:
        if new not in header:
            near = get_close_matches(new, header, n=1)
            message = f"--rename: {source} has no column {new!r}"
            raise UsageError(message, hint=f"did you mean {near[0]!r}?" if near else f"its columns: {_listed(header)}")
    names = {name: name for name in header if name not in renamed}
    return {**names, **{old: new for new, old in renamed.items()}}


def _missing(missing: Sequence[str], others: Sequence[str], source: str) -> UsageError:
    likely = {new: old for old in missing if (new := _likely(old, others)) is not None}
    what = f"column {missing[0]!r}" if len(missing) == 1 else f"columns {_listed(missing)}"
    message = f"{source} has no {what}, which the model needs"
    if not likely:
        hint = f"its other columns: {_listed(others) or 'none'}"
        return UsageError(message, hint=f"{hint}; if it is one of them: --rename NEW={missing[0]}" if others else hint)
    options = " ".join(f"--rename {shlex.quote(f'{new}={old}')}" for new, old in likely.items())
    return UsageError(message, hint=f"if it is called otherwise there: {options}")


def _likely(old: str, free: Sequence[str]) -> str | None:
    """Return the column that is most likely another name of one, None where none resembles it."""
    plain = {_plain(name): name for name in reversed(free)}
    near = get_close_matches(_plain(old), plain, n=1, cutoff=0.7)
    return plain[near[0]] if near else None


def _plain(name: str) -> str:
    return _NO_LETTER.sub("", fold(name))


def _known(name: str, header: Sequence[str], names: Mapping[str, str], source: str) -> str:
    if name in header:
        return name
    if name in names:
        return names[name]
    near = get_close_matches(name, header, n=1)
    message = f"--keep: {source} has no column {name!r}"
    raise UsageError(message, hint=f"did you mean {near[0]!r}?" if near else f"its columns: {_listed(header)}")


def _refuse_clash(keep: Sequence[str], identifier: str | None) -> None:
    taken = {fold(name) for name in (*OWN, identifier or "row")}
    clash = next((name for name in keep if fold(name) in taken), None)
    if clash is not None:
        message = f"--keep: the list has a column {clash!r} of its own"
        raise UsageError(message, hint="rename the column in the source, or leave it out")


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
