"""The columns that a workflow names for a role: the target and the id, kept letter by letter, and the time of a row."""

from typing import Literal

from churnflow.errors import UsageError
from churnflow.modelling import dates, personal, sentinels
from churnflow.modelling.dates import ORDERS, Calendar, Order
from churnflow.modelling.identifiers import lost_digits
from churnflow.modelling.readings import Reading
from churnflow.modelling.recognition import UNIQUE_SHARE, Look, Verdict
from churnflow.modelling.texts import fold


def as_named(column: Look, role: Literal["target", "id"]) -> Verdict:
    """Return the target or the id: its texts are no numbers and no dates, whatever they look like."""
    found = personal.recognise(column.name, column.present) if role == "id" else None
    told = "which are personal data, and is kept as keyed hashes: name a key without meaning"
    doubt = f"it holds {found.kind}, {told}" if found else ""
    if role == "id" and (lost := lost_digits(column.present)):
        doubt = f"a spreadsheet wrote {lost:,} of them like 1.23E+15, and their last digits are gone: export it anew"
    reading = Reading("category", column.missing)
    kind: Literal["category", "text"] = "category" if role == "target" else "text"
    hashed = found is not None or column.setting.kind == "hash"
    reason = f"named as the {role}{', kept as keyed hashes' if hashed else ''}"
    return Verdict(kind, reason, column.present, reading, doubt=doubt, personal=found, hashed=hashed)


def as_time(column: Look) -> Verdict:
    """Return the column that orders the rows of one customer. Raises UsageError when it holds no clear dates."""
    order, because = _order(column)
    found = [] if column.setting.missing is not None else sentinels.among_dates(column.present, order)
    missing = column.missing | {fold(sentinel.value) for sentinel in found}
    reading = Reading("number", missing, calendar=Calendar(order))
    present = column.present.without(sentinel.value for sentinel in found)
    reason = f"named as the time; {ORDERS[order]} ({because})"
    return Verdict("date", reason, present, reading, sentinels=tuple(found))


def _order(column: Look) -> tuple[Order, str]:
    if column.setting.format is not None:
        return column.setting.format, "declared"
    writing = dates.recognise(column.present.counts, UNIQUE_SHARE)
    if writing is not None and not writing.doubt:
        return writing.order, writing.because
    unix = dates.recognise_unix(column.present.figures.tolist())
    if unix is not None:
        return unix, "by its range"
    why = writing.doubt if writing else "its values are no dates in a known order"
    message = f"the time column {column.name!r} can not be read: {why}"
    raise UsageError(message, hint=f"say how it is written: columns: {{{column.name}: {{format: dmy}}}}")
