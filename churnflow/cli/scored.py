"""What a person is told about a list of scored customers: how many, whom, and what was noticed about the input."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from churnflow.cli.screens import counted

_NOTICED = {
    "unseen": "levels that training did not have",
    "missing": "missing where training had no missing value",
    "outside": "outside the range of training",
}


def lines_of(found: Mapping[str, Any], path: Path | None, version: str) -> list[str]:
    """Return what was found as lines; path: of the list, None for the standard output."""
    order = f"ranked by {found['ranked_by'].replace('_', ' ')}" if found["ranked_by"] else "in the order of the input"
    place = "" if path is None else f" in {path}"
    lines = [
        f"list     {found['listed']:,} of {_rows(found['rows'])}, {order}{place}, by {version}",
        f"at risk  {found['at_risk']:,} with a probability of {found['threshold']:.3g} or more",
    ]
    if found["cost"] is not None:
        lines.append(
            f"contact  of all in the list: costs {found['cost']:,.2f}, brings {found['value']:,.2f}, as expected"
            f"{'; it pays for some below the threshold, too' if found['listed'] > found['at_risk'] else ''}"
        )
    elif found["campaign"] is not None:
        lines.append("contact  nobody: no contact is expected to pay, or the budget is too small for one")
    return [*lines, *_noticed(found)]


def warnings_of(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what needs to be known before the list is used."""
    warnings = list(found["notes"])
    if found["no_id"]:
        warnings.append(f"the input has no column {found['no_id']!r}, so rows are named by their line")
    if found["no_reasons"]:
        warnings.append("the release was made without a training reference, so there are no reasons; release again")
    return tuple(warnings)


def _noticed(found: Mapping[str, Any]) -> Iterator[str]:
    if found["refused"]:
        yield f"refused  {_rows(found['refused'])} without a probability"
        for one in found["refused_because"]:
            more = ", ..." if one["rows"] > len(one["lines"]) else ""
            lines = f"line {', '.join(map(str, one['lines']))}{more}"
            yield f"         {' '.join(filter(None, (one['column'], one['problem'])))}: {one['rows']:,} ({lines})"
    for name, words in _NOTICED.items():
        if found[name]:
            columns = ", ".join(f"{column} {count:,}" for column, count in found[name].items())
            yield f"noticed  {words}: {columns}"
    if found["duplicates"]:
        yield f"noticed  {_rows(found['duplicates'])} with an id that an earlier row had"
    if found["ignored_columns"]:
        more = ", ..." if found["ignored_columns"] > len(found["ignored"]) else ""
        columns = counted(found["ignored_columns"], "column")
        yield f"noticed  {columns} not used by the model: {', '.join(found['ignored'])}{more}"


def _rows(number: int) -> str:
    return f"{number:,} {'row' if number == 1 else 'rows'}"
