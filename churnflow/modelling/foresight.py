"""What can be known wrong in the parameters of a step before it runs: columns that a source lacks, missing extras."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from churnflow.errors import UsageError
from churnflow.modelling.declared import Declared, merged, unknown_column
from churnflow.modelling.extras import no_catboost, no_dask
from churnflow.modelling.headers import Header, header_of
from churnflow.modelling.read_options import ReadOptions

Wrong = tuple[str, UsageError]

_SINGLE: Final = ("target", "id", "time")
_SEVERAL: Final = ("drop", "categories", "columns", "protected")


def misnamed_columns(given: Mapping[str, Any]) -> Iterator[Wrong]:
    """Yield the parameters of `scope` and `ingest` that name a column which the source has not, or name it twice.

    Of a source that an earlier step reads, and of one whose columns only all of it tells, nothing is known. Raises
    UsageError for a file that is no table.
    """
    if not isinstance(given.get("source"), Path):
        return
    header = header_of(given["source"], ReadOptions.of(given))
    if header is None:
        return
    named = [(parameter, given[parameter]) for parameter in _SINGLE if given.get(parameter) is not None]
    named += [(parameter, name) for parameter in _SEVERAL for name in given.get(parameter) or ()]
    unknown = [(parameter, unknown_column(name, header)) for parameter, name in named if name not in header]
    yield from unknown or _contradictions(given, header)


def _contradictions(given: Mapping[str, Any], header: Header) -> Iterator[Wrong]:
    try:
        settings = merged(given.get("columns"), given.get("drop") or (), given.get("categories") or ())
        roles = (given["target"], given.get("id"), given.get("time"))
        Declared(*roles, settings, tuple(given.get("protected") or ())).check(header)
    except UsageError as error:
        yield "target", error


def missing_extras(given: Mapping[str, Any]) -> Iterator[Wrong]:
    """Yield the parameters of `train` that need a package which is not installed: CatBoost, Dask."""
    if "catboost" in given.get("models", ()) and (error := no_catboost()):
        yield "models", error
    if given.get("cluster") is not None and (error := no_dask(given["cluster"])):
        yield "cluster", error
