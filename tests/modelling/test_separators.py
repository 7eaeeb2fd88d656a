"""Where a text is cut: the separator at which most lines split alike, runs of blanks, and what Excel says of it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from churnflow.errors import UsageError
from churnflow.modelling.read_options import BLANKS, ReadOptions
from churnflow.modelling.separators import beginning, rows_of, separator_of

PATH = Path("log.csv")


def found(lines: Sequence[str], **options: object) -> str:
    given = ReadOptions(**options)  # type: ignore[arg-type]
    return separator_of(beginning(iter(f"{line}\n" for line in lines), given, PATH), given, PATH)


@pytest.mark.parametrize(
    ("lines", "separator"),
    [
        (["a,b", "1,2"], ","),
        (["a;b", "1,5;2,5"], ";"),
        (["a|b,c|d", "1|2|3"], "|"),
        (["a\tb", "1\t2"], "\t"),
        (["sep=|", "a|b;c", "1|2"], "|"),
        (['"a,b";c', '"1,2";3'], ";"),
        (["a  b   c", " 1 2 3", '4 "5 6" 7'], BLANKS),
        (["a b c", *["1 2 3"] * 18, "1 2"], BLANKS),
    ],
)
def test_the_separator_is_found(lines: list[str], separator: str) -> None:
    assert found(lines) == separator


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        (["a", "1"], "at least two columns"),
        (["Events", "of today", "a;b", "1;2"], "header: 3"),
        (["some words", "and other words", "here"], "at least two columns"),
    ],
)
def test_one_column_is_refused_with_what_would_do(lines: list[str], hint: str) -> None:
    with pytest.raises(UsageError, match="only one column") as raised:
        found(lines)
    assert hint in raised.value.hint


def test_a_declared_separator_that_splits_nothing_names_the_one_that_does() -> None:
    with pytest.raises(UsageError, match="';' stands 1 times in its header") as raised:
        found(["a;b", "1;2"], separator="|")
    assert raised.value.hint == "with: {separator: ';'}"


def test_quotes_hold_blanks_together() -> None:
    assert list(rows_of([' a  "b c"\td\n'], BLANKS)) == [["a", "b c", "d"]]


def test_the_lines_above_a_named_header_are_skipped() -> None:
    start = beginning(iter(["title\n", "\n", "a,b\n", "1,2\n"]), ReadOptions(header=3), PATH)
    assert (start.skipped, start.sample) == (2, ["a,b\n", "1,2\n"])
