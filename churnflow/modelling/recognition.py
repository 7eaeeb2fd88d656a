"""What one column is, decided from its values, its name and what the workflow declares; and how its texts are read.

The rules are asked in order, and the first that knows an answer gives it with its reason.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

import numpy as np

from churnflow.errors import UsageError
from churnflow.modelling import dates, identifiers, personal, sentinels, spellings, words
from churnflow.modelling.dates import ORDERS, Calendar, Order
from churnflow.modelling.declared import Setting
from churnflow.modelling.numerals import Decimal, Mark, Numerals, numerals
from churnflow.modelling.personal import Personal
from churnflow.modelling.readings import Reading
from churnflow.modelling.sentinels import Sentinel
from churnflow.modelling.texts import as_number, fold
from churnflow.modelling.values import Present, TextColumn, figures
from churnflow.modelling.words import Kept

Kind = Literal["number", "category", "text", "date"]

MOSTLY: Final = 0.99
UNIQUE_SHARE: Final = 0.5
LEFT_OUT: Final = "left out by the workflow"
_DATED: Final = ("date", "time", "stamp", "since", "joined", "created", "updated", "birth", "dob", "datum")
_VERSION: Final = re.compile(r"[0-9]\.[0-9]\.[0-9]{2}")
_SHORT_YEAR: Final = re.compile(r"[0-9]{1,2}([-/. ])(?:[0-9]{1,2}|[A-Za-z]{3,9})\1(?:[0-5][0-9]|6[0-8])")
_BORN: Final = re.compile(r"birth|born|dob|geburt|naiss", re.IGNORECASE)
_DATED_ENDS: Final = ("_at", "_on", "_ts", "At", "On")


@dataclass(frozen=True)
class Verdict:
    """What a column is and why, and how its texts are read. refused: why it is no feature, empty if it is one.

    doubt: why it may be misread. variants: spellings read as one, by the usual one. kept: words that are values here.
    infinite: how many rows hold an infinite number. hashed: its values name persons, and are kept as pseudonyms.
    """

    kind: Kind
    reason: str
    present: Present
    reading: Reading
    refused: str = ""
    doubt: str = ""
    sentinels: tuple[Sentinel, ...] = ()
    personal: Personal | None = None
    variants: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()
    infinite: int = 0
    hashed: bool = False


@dataclass(frozen=True)
class Look:
    """A column that is looked at: its present values, the words that stand for missing ones, and what is declared."""

    name: str
    present: Present
    missing: frozenset[str]
    setting: Setting
    decimal: Decimal = "auto"
    usual: Mark | None = None
    sentinels: frozenset[float] = frozenset()

    def named_as_date(self) -> bool:
        """Tell whether the column's name speaks of a time."""
        return any(word in self.name.lower() for word in _DATED) or self.name.endswith(_DATED_ENDS)


def look(name: str, values: TextColumn, missing: frozenset[str], setting: Setting) -> tuple[Look, tuple[Kept, ...]]:
    """Return a column without what stands for a missing value in it, and the usual words for one that are values."""
    declared = frozenset(fold(word) for word in setting.missing or ())
    present = values.present(missing | declared)
    kept = tuple(one for one in words.kept_words(name, present) if fold(one.word) not in declared)
    if kept:
        missing = words.without(missing, list(kept))
        present = values.present(missing | declared)
    numbers = frozenset(number for word in setting.missing or () if (number := as_number(word)) is not None)
    if numbers:
        same = np.isin(present.figures, sorted(numbers))
        gone = [text for text, equal in zip(present.counts, same, strict=True) if equal]
        present, declared = present.without(gone), declared | {fold(text) for text in gone}
    # An infinite one is told by its texts alone: no schema can hold the number.
    return Look(name, present, missing | declared, setting, sentinels=frozenset(filter(np.isfinite, numbers))), kept


def recognise(column: Look, kept: tuple[Kept, ...] = ()) -> Verdict:
    """Return what a column is. Raises UsageError where what is declared does not hold of its values."""
    rules = _DECLARED.get(column.setting.kind or "", _RULES)
    found = next(verdict for rule in rules if (verdict := rule(column)) is not None)
    return replace(found, kept=kept)


def _empty(column: Look) -> Verdict | None:
    if column.present.total:
        return None
    return _unused(column, "text", "every value is missing", "every value is missing")


def _infinite(column: Look) -> Verdict | None:
    first = as_number(next(iter(column.present.counts)))
    if first is None or not np.isinf(first) or not np.isinf(column.present.figures).all():
        return None
    return _unused(column, "number", "every value is infinite", "every value is infinite")


def _constant(column: Look) -> Verdict | None:
    """A value in every row says nothing; in some rows and never otherwise it is a flag, and missing its other state."""
    if len(column.present.counts) > 1:
        return None
    if column.present.total < column.present.rows:
        return _as_category(column, "one value, or missing")
    said = "one and the same value in every row"
    kind: Kind = "number" if column.present.share_numbers == 1 and column.setting.kind is None else "category"
    return _unused(column, kind, said, said)


def _personal(column: Look) -> Verdict | None:
    found = personal.recognise(column.name, column.present)
    if found is None:
        return None
    return replace(_unused(column, "text", found.kind, f"personal data: {found.kind}"), personal=found)


def _yes_and_no(column: Look) -> Verdict | None:
    usual = spellings.as_yes_and_no(column.present.counts)
    if usual is None or column.present.share_numbers == 1 or column.setting.spelling == "exact":
        return None
    return _as_category(column, "yes and no, in several words", usual)


def _identifier(column: Look) -> Verdict | None:
    reason = identifiers.as_identifier(column.name, column.present)
    return None if reason is None else _unused(column, "text", reason, reason)


def _code(column: Look) -> Verdict | None:
    reason = identifiers.as_code(column.name, column.present)
    if reason is None:
        return None
    return (
        _as_text(column, reason)
        if _is_spread(column.present, len(column.present.counts))
        else _as_category(column, reason)
    )


def _unix(column: Look) -> Verdict | None:
    """Whole numbers are a time only where the column's name says so, too."""
    if column.present.share_numbers < 1 or not column.named_as_date():
        return None
    if all(len(text) == 8 for text in column.present.counts):  # noqa: PLR2004 - 20240131
        written = dates.recognise(column.present.counts, MOSTLY)
        return _as_date(column, written.order, "dates in eight digits") if written else None
    order = dates.recognise_unix(column.present.figures.tolist())
    return _as_date(column, order, f"{ORDERS[order]}, by its name and range") if order else None


def _number(column: Look) -> Verdict | None:
    return _as_number(column, MOSTLY)


def _date(column: Look) -> Verdict | None:
    known, marks = _without_nothing(column.present, "dates")
    writing = dates.recognise(known.counts, MOSTLY)
    if writing is None:
        return None
    column = replace(column, present=known, missing=column.missing | _folded(marks))
    if writing.doubt:
        hint = f"say which: columns: {{{column.name}: {{kind: date, format: dmy}}}}, or mdy"
        reason = f"dates whose order is open: {writing.doubt}"
        return replace(_unused(column, "date", reason, reason), doubt=hint)
    return replace(_as_date(column, writing.order, writing.because, marks), doubt=_misread(column))


def _misread(column: Look) -> str:
    """Return why dates may be none, or of another century, "" if nothing speaks for it."""
    if not column.named_as_date() and any(map(_VERSION.fullmatch, column.present.counts)):
        return "its values may be versions, such as 1.2.20; declare it a category if they are"
    born = _BORN.search(column.name)
    if born and any(map(_SHORT_YEAR.fullmatch, column.present.counts)):
        return "its years have two digits, read as 1969 to 2068: a birth before 1969 lies in the future"
    return ""


def _category(column: Look) -> Verdict | None:
    marks = sentinels.among_words(column.present) if column.setting.missing is None else []
    known = column.present.without(mark.value for mark in marks)  # spellings are counted only where they matter
    if _is_spread(known, len(known.counts)) and _is_spread(known, spellings.different(known.counts)):
        return None
    usual = spellings.united(known.counts)
    column = replace(column, present=known, missing=column.missing | _folded(marks))
    plain = spellings.is_yes_and_no(usual)
    reason = "a yes and a no" if plain else _says(column.present)
    return replace(_as_category(column, reason), sentinels=tuple(marks))


def _text(column: Look) -> Verdict:
    return _as_text(column, _says(column.present))


def _as_text(column: Look, reason: str) -> Verdict:
    own = ", a value of its own in every row" if len(column.present.counts) == column.present.rows else ""
    return _unused(column, "text", reason, f"text with {reason}{own}")


def _left_out(column: Look) -> Verdict:
    return _unused(column, "text", LEFT_OUT, LEFT_OUT)


def _hashed(column: Look) -> Verdict:
    verdict = _unused(column, "text", *("kept as a keyed hash for joins, never a feature",) * 2)
    return replace(verdict, personal=personal.recognise(column.name, column.present), hashed=True)


def _declared_number(column: Look) -> Verdict:
    found = _as_number(column, 0.0)
    if found is None or not np.isfinite(figures(_plain(found.present, found.reading.numerals))).any():
        message = f"the column {column.name!r} is declared a number, and none of its values is one"
        raise UsageError(message, hint="declare it a category, or leave its kind open")
    return found


def _declared_date(column: Look) -> Verdict:
    known, marks = _without_nothing(column.present, "dates")
    column = replace(column, present=known, missing=column.missing | _folded(marks))
    order = column.setting.format
    if order is None:
        writing = dates.recognise(known.counts, UNIQUE_SHARE)
        if writing is None or writing.doubt:
            why = f"its order is open: {writing.doubt}" if writing else "its values are none in a known order"
            message = f"the column {column.name!r} is declared a date, but {why}"
            raise UsageError(message, hint=f"say which: format: {', '.join(ORDERS)}")
        order = writing.order
    if not any(dates.parse(text, order) for text in known.counts):
        message = f"the column {column.name!r} holds no date with {ORDERS[order]} in that order"
        raise UsageError(message, hint=f"name another format: {', '.join(ORDERS)}")
    return _as_date(column, order, "declared", marks)


def _declared_category(column: Look) -> Verdict:
    found = personal.recognise(column.name, column.present)
    verdict = _as_category(column, _says(column.present))
    doubt = f"it holds {found.kind}, which are personal data" if found else ""
    return replace(verdict, doubt=doubt, personal=found)


Rule = Callable[[Look], Verdict | None]
_RULES: Final[Sequence[Rule]] = (
    _empty,
    _personal,
    _infinite,
    _constant,
    _yes_and_no,
    _identifier,
    _code,
    _unix,
    _number,
    _date,
    _category,
    _text,
)
_DECLARED: Final[Mapping[str, Sequence[Rule]]] = {
    "drop": (_left_out,),
    "hash": (_hashed,),
    "number": (_empty, _declared_number),
    "category": (_empty, _constant, _declared_category),
    "date": (_empty, _declared_date),
}


def _as_number(column: Look, least: float) -> Verdict | None:
    """Take a column as numbers if so many of its values are: as Python writes them, or as other people do."""
    known, marks = _numeric_part(column)
    if known is None:
        return None
    way = numerals(known.counts, column.decimal, column.usual)
    if not any(way.plain(text) != text for text in known.counts):
        way = Numerals()
    read = known if way.ordinary else replace(known, counts=_summed(known, way))
    if not read.total or read.share_numbers < least:
        return None
    found = [] if column.setting.missing is not None else sentinels.among_numbers(read)
    numbers = column.sentinels | {float(sentinel.value) for sentinel in found}
    reading = Reading("number", column.missing | _folded(marks), numbers, None, None if way.ordinary else way)
    values = figures(_plain(known, reading.numerals))
    gone, infinite = np.isin(values, sorted(numbers)), int(known.sizes[np.isinf(values)].sum())
    present = known.without(text for text, sentinel in zip(known.counts, gone, strict=True) if sentinel)
    reason = _number_reason(present, way)
    # One number and nothing else is what `_constant` refuses, also where sentinels hid it.
    doubt = way.doubt
    if (zeros := identifiers.padded(known)) and column.setting.kind is None:
        doubt = doubt or f"{zeros:,} of its values begin with 0, which a number loses: are they codes, a category?"
    return Verdict("number", reason, present, reading, doubt=doubt, sentinels=(*marks, *found), infinite=infinite)


def _numeric_part(column: Look) -> tuple[Present | None, list[Sentinel]]:
    """Return the values without words for nothing among them, None where so few are numbers that it is no question."""
    counts = column.present.counts.items()
    numeric = sum(count for text, count in counts if _has_digits(text))
    if column.setting.kind is None and numeric < UNIQUE_SHARE * column.present.total:
        return None, []
    marks = sentinels.beside((one for one in counts if not _has_digits(one[0])), "numbers")
    return column.present.without(mark.value for mark in marks), marks


def _has_digits(text: str) -> bool:
    return text[:1].isdigit() or text[-1:].isdigit() or any(map(str.isdigit, text))


def _number_reason(present: Present, way: Numerals) -> str:
    if way.ordinary:
        plain = np.unique(present.figures).tolist() == [0.0, 1.0]
        return "its values are numbers" + (", 0 and 1 for no and yes" if plain else "")
    written = [f"a decimal {'comma' if way.decimal == ',' else 'point'}"]
    written += [f"{way.thousands!r} between thousands"] if way.thousands else []
    written += [f"{way.unit} signs"] if way.unit else []
    return f"its values are numbers, with {', '.join(written)}"


def _without_nothing(present: Present, what: str) -> tuple[Present, list[Sentinel]]:
    """Return the values without the words for nothing that stand among things with digits in them, and those words."""
    bare = ((text, count) for text, count in present.counts.items() if not any(map(str.isdigit, text)))
    marks = sentinels.beside(bare, what)
    return present.without(mark.value for mark in marks), marks


def _as_date(column: Look, order: Order, because: str, marks: Sequence[Sentinel] = ()) -> Verdict:
    found = [] if column.setting.missing is not None else sentinels.among_dates(column.present, order)
    present = column.present.without(sentinel.value for sentinel in found)
    missing = column.missing | _folded(found)
    oldest, newest = _span(present, order)
    if newest is None:
        return _unused(column, "date", because, "every value is missing")
    calendar = Calendar(order, newest)
    reason = f"dates, {ORDERS[order]} ({because}), as days from the newest, {dates.iso(calendar.reference)}"
    refused = "one and the same value in every row" if oldest == newest and present.total == present.rows else ""
    reading = Reading("number", missing, calendar=calendar)
    return Verdict("date", reason, present, reading, refused, sentinels=(*marks, *found))


def _span(present: Present, order: Order) -> tuple[datetime | None, datetime | None]:
    """Return the oldest and the newest date."""
    oldest: datetime | None = None
    newest: datetime | None = None
    for moment in (dates.parse(text, order) for text in present.counts):
        if moment is not None:
            oldest = moment if oldest is None else min(oldest, moment)
            newest = moment if newest is None else max(newest, moment)
    return oldest, newest


def _as_category(column: Look, reason: str, usual: Mapping[str, str] | None = None) -> Verdict:
    """Take a column as a category: all spellings of a value are one, unless it is declared that letters count."""
    exact = column.setting.spelling == "exact" and usual is None
    levels = None if exact else dict(usual or spellings.united(column.present.counts))
    reading = Reading("category", column.missing, column.sentinels, levels=levels)
    found = {} if levels is None else spellings.variants(column.present.counts, levels)
    return Verdict("category", reason, column.present, reading, variants=found)


def _unused(column: Look, kind: Kind, reason: str, refused: str) -> Verdict:
    """Say that a column is no feature; its texts are read as they stand."""
    return Verdict(kind, reason, column.present, Reading("category", column.missing), refused)


def _is_spread(present: Present, distinct: int) -> bool:
    """Tell whether most values occur once or hardly ever again, so that they group no customers."""
    return distinct > 2 and distinct > UNIQUE_SHARE * present.total  # noqa: PLR2004 - two values are a category


def _says(present: Present) -> str:
    several = f"{len(present.counts):,} different values"
    numbers = int((~np.isnan(present.figures)).sum())
    # A few words among numbers cost the whole column; that has to be seen.
    return f"{several}, of which {numbers:,} are numbers" if 2 * numbers > len(present.counts) else several


def _folded(found: Sequence[Sentinel]) -> frozenset[str]:
    return frozenset(fold(sentinel.value) for sentinel in found)


def _plain(present: Present, way: Numerals | None) -> Iterable[str]:
    return present.counts if way is None else map(way.plain, present.counts)


def _summed(present: Present, way: Numerals) -> dict[str, int]:
    sums: dict[str, int] = {}
    for text, count in present.counts.items():
        plain = way.plain(text)
        sums[plain] = sums.get(plain, 0) + count
    return sums
