"""How the amounts of a log are written, and SQL that reads them so: decimal comma, thousands marks, currency signs."""

import re
from collections.abc import Iterable
from typing import Final

import duckdb

from churnflow.modelling.event_files import EventFile, fields_of, quoted
from churnflow.modelling.numerals import Decimal, Numerals, numerals
from churnflow.modelling.table import Table
from churnflow.modelling.texts import missing_words

SAMPLE: Final = 20_000
_BLANKS: Final = " \u00a0\u2009\u202f"
_GROUPS: Final = {",": ",", ".": r"\.", " ": f"[{_BLANKS}]", "'": "['\u2019]"}
_PARTS: Final = ("sign", "before", "inner", "whole", "part", "power", "after", "trail")


def amounts_of(
    connection: duckdb.DuckDBPyConnection,
    file: EventFile,
    name: str | None,
    decimal: Decimal = "auto",
    missing: Iterable[str] | None = None,
) -> Numerals:
    """Return how the column `name` writes its numbers, found from the first rows; numbers of the source are plain.

    decimal: the mark that is declared, or auto. A column that leaves it open, such as one of 1,234 alone, is written as
    the other columns are.
    """
    if name is None or name in file.numbers or file.type(name) != "VARCHAR":
        return Numerals()
    table = _sample(connection, file, missing_words(missing))
    return numerals(table.counts(name), decimal, table.usual_decimal if decimal == "auto" else None)


def _sample(connection: duckdb.DuckDBPyConnection, file: EventFile, missing: frozenset[str]) -> Table:
    texts = ", ".join(f"coalesce(CAST({field} AS VARCHAR), '')" for field in fields_of(len(file.header)))
    rows = connection.execute(f"SELECT {texts} FROM ({file.rows.plain}) LIMIT {SAMPLE}").fetchall()
    return Table.of_rows(file.header, rows, missing=missing)


def number_of(text: str, written: Numerals) -> str:
    """Return SQL for the number, a DOUBLE, that `text`, SQL for a text, stands for, NULL for none.

    It reads what ``float(written.plain(text))`` reads, but for an underscore between digits.
    """
    # DuckDB reads over an underscore between digits, and over a plus before a minus.
    odd = f"contains({text}, '_') OR starts_with({text}, '+-')"
    plain = f"CASE WHEN {odd} THEN NULL ELSE TRY_CAST({text} AS DOUBLE) END"
    shaped = _shaped(text, written)
    # With points between thousands 1.234 is no fraction, though it could be read as one.
    order = (shaped, plain) if written.thousands == "." else (plain, shaped)
    return f"coalesce({', '.join(order)})"


def _shaped(text: str, written: Numerals) -> str:
    found = f"regexp_extract({text}, {quoted(_pattern(written))}, [{', '.join(map(quoted, _PARTS))}])"
    once = "strlen(replace(concat(m.sign, m.inner, replace(m.trail, ')', '')), '\u2212', '-')) <= 1"
    sound = f"{once} AND (m.sign = '(') = (m.trail = ')') AND (m.before = '' OR m.after = '')"
    negative = "m.sign IN ('-', '\u2212', '(') OR m.inner IN ('-', '\u2212') OR m.trail = '-'"
    digits = "concat(regexp_replace(m.whole, '[^0-9]', '', 'g'), '.', m.part, m.power)"
    value = f"TRY_CAST(concat(CASE WHEN {negative} THEN '-' ELSE '' END, '0', {digits}) AS DOUBLE)"
    holds = f"strlen(concat(m.whole, m.part)) > 0 AND {sound}"
    return f"list_extract(list_transform([{found}], lambda m: CASE WHEN {holds} THEN {value} END), 1)"


def _pattern(written: Numerals) -> str:
    """Return a regular expression, in the syntax of RE2, whose groups are `_PARTS`."""
    blank, unit = f"[{_BLANKS}]?", re.escape(written.unit)
    before, after = (f"(?:({unit}){blank})?", f"(?:{blank}({unit}))?") if unit else ("()", "()")
    whole = "[0-9]*"
    if written.thousands:
        mark = _GROUPS[written.thousands]
        whole = f"[0-9]{{1,3}}(?:{mark}[0-9]{{2,3}})*{mark}[0-9]{{3}}|{whole}"
    body = f"({whole})(?:{re.escape(written.decimal)}([0-9]*))?"
    return rf"^([-+\x{{2212}}(]?){before}([-+\x{{2212}}]?){body}([eE][-+]?[0-9]+)?{after}([-)]?)$"
