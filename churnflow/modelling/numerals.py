"""How the numbers of a column are written: decimal mark, thousands mark, percent and currency signs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

Mark = Literal[".", ","]
Decimal = Literal["auto", ".", ","]

_BLANKS: Final = " \u00a0\u2009\u202f"
_APOSTROPHES: Final = "'\u2019"
_UNITS: Final = (
    *("US$", "R$", "$", "€", "£", "¥", "₹", "₽", "₺", "₩", "₪", "₴", "%"),
    *("USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "PLN", "CZK", "HUF", "RUB", "TRY", "KRW"),
    *("SEK", "NOK", "DKK", "CAD", "AUD", "BRL", "MXN", "ZAR", "zł", "Kč", "kr", "Ft", "Fr."),
)
_UNIT: Final = "|".join(map(re.escape, _UNITS))
_SHAPE: Final = re.compile(
    rf"(?P<sign>[-+\u2212(]?)(?:(?P<before>{_UNIT})[{_BLANKS}]?)?(?P<inner>[-+\u2212]?)"
    rf"(?P<body>[0-9](?:[0-9.,{_BLANKS}{_APOSTROPHES}]*[0-9])?[.,]?|[.,][0-9]+)(?P<power>[eE][-+]?[0-9]+)?"
    rf"(?:[{_BLANKS}]?(?P<after>{_UNIT}))?(?P<trail>[-)]?)"
)
_ORDINARY: Final = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
# A group of two stands only where Indian figures have it, before the last three digits.
_GROUPED: Final = {
    mark: re.compile(rf"[0-9]{{1,3}}(?:[{marks}][0-9]{{2,3}})*[{marks}][0-9]{{3}}")
    for mark, marks in ((".", "."), (",", ","), (" ", _BLANKS), ("'", _APOSTROPHES))
}
_SPECIAL: Final = re.compile(rf"[,{_BLANKS}{_APOSTROPHES}\u2212()]|{_UNIT}|[0-9]-|\..*\.")
_MOSTLY: Final = 0.9
_AT_ONCE: Final = 1 << 18


@dataclass(frozen=True)
class Numerals:
    """The way in which a column writes its numbers.

    thousands: ``","``, ``"."``, ``" "`` (any blank), ``"'"`` (either apostrophe) or ``""`` for none. unit: the percent
    or currency sign that stands with them, ``""`` for none; a percentage stays a number of percent. doubt: why the
    reading may be wrong, ``""`` if nothing speaks against it.
    """

    decimal: Mark = "."
    thousands: str = ""
    unit: str = ""
    doubt: str = ""

    @property
    def ordinary(self) -> bool:
        """Whether the texts are numbers as they stand, so that `plain` changes none."""
        return self.decimal == "." and not self.thousands and not self.unit

    def plain(self, text: str) -> str:
        """Return a number as Python's `float` reads it; a text that is none in this way of writing comes back as it is.

        ``Numerals(",", ".").plain("1.234,5")`` is ``"1234.5"``. Signs before and behind, and in parentheses, are read.
        """
        found = None if _ORDINARY.fullmatch(text) and not self._groups(text) else _SHAPE.fullmatch(text)
        if found is None or (found["sign"] == "(") != (found["trail"] == ")"):
            return text
        if {found["before"], found["after"]} - {None, self.unit} or (found["before"] and found["after"]):
            return text
        body = self._bare(found["body"])
        signs = [sign for sign in (found["sign"], found["inner"], found["trail"].strip(")")) if sign]
        if body is None or len(signs) > 1:
            return text
        return ("-" if signs and signs[0] != "+" else "") + body + (found["power"] or "")

    def _groups(self, text: str) -> bool:
        """Tell whether a text that `float` reads as well means another number here: 1.234 with a decimal comma."""
        return self.thousands == "." and "." in text

    def _bare(self, body: str) -> str | None:
        """Return the digits with a point as decimal mark, None if the marks do not stand as in a number."""
        whole, _, part = body.partition(self.decimal)
        if self.thousands and _GROUPED[self.thousands].fullmatch(whole):
            whole = re.sub(r"[^0-9]", "", whole)
        if not (whole + part).isdecimal() or (part and not part.isdecimal()) or (whole and not whole.isdecimal()):
            return None
        return f"{whole or '0'}.{part}" if part else whole


@dataclass(frozen=True)
class Evidence:
    """How many texts of a column show which mark is the decimal one, and what else stands in them.

    points, commas: numbers that can only be read with this decimal mark; either: as 1,234 or 1.234, by mark; shaped:
    the share of texts that are numbers in some way of writing.
    """

    points: int
    commas: int
    either: Mapping[str, int]
    grouped: Mapping[str, int]
    units: Mapping[str, int]
    shaped: float

    @property
    def mark(self) -> Mark | None:
        """The decimal mark of a column of numbers that leaves no doubt about it, None without."""
        if self.shaped < _MOSTLY or bool(self.points) == bool(self.commas):
            return None
        return "." if self.points else ","


def evidence(texts: Mapping[str, int] | Iterable[str]) -> Evidence:
    """Return what texts, each with the number of its rows or counted once, show of how numbers are written."""
    counts = texts if isinstance(texts, Mapping) else dict.fromkeys(texts, 1)
    votes = dict.fromkeys((".", ",", "either.", "either,", *_GROUPED), 0)
    votes_grouped = dict.fromkeys(_GROUPED, 0)
    units: dict[str, int] = {}
    shaped = total = 0
    for text, count in counts.items():
        total += count
        found = _SHAPE.fullmatch(text)
        decimal, group = ("", "") if found is None else _marks(found["body"])
        if found is None or decimal is None:
            continue
        shaped += count
        if decimal:
            votes[decimal] += count
        if group:
            votes_grouped[group] += count
        for unit in filter(None, (found["before"], found["after"])):
            units[unit] = units.get(unit, 0) + count
    either = {mark: votes[f"either{mark}"] for mark in (".", ",")}
    return Evidence(votes["."], votes[","], either, votes_grouped, units, shaped / max(1, total))


def numerals(
    texts: Mapping[str, int] | Iterable[str], decimal: Decimal = "auto", usual: Mark | None = None
) -> Numerals:
    """Return how a column writes its numbers.

    texts: its present values without blanks around them, best each with the number of its rows.
    decimal: the mark that the workflow declares. usual: that of the file's other columns, for a column that leaves it
    open, such as one of 1,234 alone. Without either a comma before three digits is a thousands mark, and doubted.
    """
    counts = texts if isinstance(texts, Mapping) else dict.fromkeys(texts, 1)
    if decimal != "," and usual != "," and not _any_special(counts):
        return Numerals()
    seen = evidence(counts)
    if not seen.shaped:
        return Numerals()
    mark, doubt = _decided(seen, decimal, usual)
    other = "," if mark == "." else "."
    against = seen.points if mark == "," else seen.commas
    if decimal != "auto" and against:
        doubt = f"{against:,} of its numbers have the decimal mark {other!r}, and {mark!r} is declared"
    groups = {**seen.grouped, other: seen.grouped[other] + seen.either[other]}
    thousands = max(groups, key=lambda group: groups[group]) if any(groups.values()) else ""
    unit = max(seen.units, key=lambda name: seen.units[name]) if seen.units else ""
    if len(seen.units) > 1:
        doubt = doubt or f"different signs stand with its numbers: {', '.join(sorted(seen.units))}"
    if unit == "%" and (bare := _below_one(counts)):
        doubt = doubt or f"{bare:,} of its numbers lie below one and have no % as others have: are they shares of one?"
    return Numerals(mark, "" if thousands == mark else thousands, unit, doubt)


def _any_special(texts: Iterable[str]) -> bool:
    """Tell whether a text holds what none of Python's numbers has; few searches over many at once are quickest."""
    left = iter(texts)
    return any(_SPECIAL.search("\n".join(some)) for some in iter(lambda: list(islice(left, _AT_ONCE)), []))


def _below_one(counts: Mapping[str, int]) -> int:
    """Count the numbers without a sign of their unit between -1 and 1, 0 aside."""
    plain = ((text.replace(",", "."), count) for text, count in counts.items())
    return sum(count for text, count in plain if _ORDINARY.fullmatch(text) and 0 < abs(float(text)) < 1)


def _decided(seen: Evidence, decimal: Decimal, usual: Mark | None) -> tuple[Mark, str]:
    if decimal != "auto":
        return decimal, ""
    if seen.points and seen.commas:
        fewer = min(seen.points, seen.commas)
        mark: Mark = "," if seen.commas > seen.points else "."
        return mark, f"{fewer:,} of its numbers have another decimal mark than {mark!r}"
    if seen.points or seen.commas:
        return ("," if seen.commas else "."), ""
    if usual is not None:
        return usual, ""
    open_ = f"1,234 could be 1234 or 1.234; say which: with: {{decimal: {'.'!r}}}, or {','!r}"
    return ".", open_ if seen.either[","] else ""


def _marks(body: str) -> tuple[str | None, str]:
    """Return the decimal mark of a number and its thousands mark, `either` before one of two readings, "" for none.

    The decimal mark is None where the marks do not stand as in a number.
    """
    group = next((mark for mark, marks in ((" ", _BLANKS), ("'", _APOSTROPHES)) if set(marks) & set(body)), "")
    if group:
        whole, mark, part = _split_last(body)
        fits = _GROUPED[group].fullmatch(whole) and (part.isdecimal() or not mark)
        return (mark if fits else None), group
    kinds = {mark for mark in ".," if mark in body}
    if len(kinds) != 1:
        whole, mark, part = _split_last(body)
        other = "," if mark == "." else "."
        fits = not kinds or (_GROUPED[other].fullmatch(whole) and part.isdecimal())
        return (mark if fits else None), other if kinds and fits else ""
    mark = kinds.pop()
    return _one_kind(body, mark)


def _one_kind(body: str, mark: str) -> tuple[str | None, str]:
    """Judge a number with one kind of mark, a point or a comma."""
    grouped = _GROUPED[mark].fullmatch(body) is not None
    if body.count(mark) > 1:
        return (("," if mark == "." else "."), mark) if grouped else (None, "")
    return (f"either{mark}" if grouped and not body.startswith("0") else mark), ""


def _split_last(body: str) -> tuple[str, str, str]:
    """Split a number at its last point or comma."""
    place = max(body.rfind("."), body.rfind(","))
    return (body, "", "") if place < 0 else (body[:place], body[place], body[place + 1 :])
