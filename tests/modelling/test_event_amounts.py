"""Amounts of a log read as the amounts of a table do, in every way of writing numbers."""

import math
from pathlib import Path
from typing import Final, get_args

import duckdb
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from churnflow import StepResult
from churnflow.modelling.event_amounts import number_of
from churnflow.modelling.numerals import Mark, Numerals
from tests.events import make_events, run, write_events

EVENTS: Final = make_events()
NUMERALS: Final = some.builds(
    Numerals,
    decimal=some.sampled_from(get_args(Mark)),
    thousands=some.sampled_from(["", ",", ".", " ", "'"]),
    unit=some.sampled_from(["", "€", "%", "US$", "kr"]),
).filter(lambda written: written.decimal != written.thousands)
PIECES: Final = [
    "1",
    "23",
    "234",
    "0",
    ".",
    ",",
    " ",
    "\u00a0",
    "'",
    "-",
    "+",
    "\u2212",
    "(",
    ")",
    "€",
    "US$",
    "e",
    "_",
]


@given(written=NUMERALS, pieces=some.lists(some.sampled_from(PIECES), min_size=1, max_size=6))
@example(written=Numerals(",", "."), pieces=["1", ".", "234"])
@example(written=Numerals(".", ","), pieces=["1", ",", "234", "1"])
@example(written=Numerals(), pieces=["(", "23", ".", "0", ")"])
@example(written=Numerals(",", "", "€"), pieces=["-", "€", " ", "1", ",", "23"])
@settings(max_examples=150, deadline=None)
def test_sql_reads_the_number_that_the_rule_of_tables_reads(written: Numerals, pieces: list[str]) -> None:
    text = "".join(pieces).strip()
    try:
        wanted = None if "_" in text else float(written.plain(text))
    except ValueError:
        wanted = None
    [(found,)] = duckdb.execute(f"SELECT {number_of('x', written)} FROM (SELECT ? AS x)", [text]).fetchall()  # noqa: S608 - of this test
    assert found == wanted or (wanted is not None and math.isnan(wanted) and math.isnan(found))


def european(amount: float) -> str:
    return f"{amount:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")


WRITTEN: Final = {
    "decimal comma": (lambda amount: f"{amount:.2f}".replace(".", ","), ";", "amounts with a decimal comma"),
    "in quotes": (european, ",", "amounts with a decimal comma"),
    "euros": (lambda amount: f"{european(amount)} €", ";", "a decimal comma, in €"),
    "accounting": (
        lambda amount: f"(${-amount:,.2f})" if amount < 0 else f"${amount:,.2f}",
        ",",
        "a decimal point, in $",
    ),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_amounts_are_read_in_the_way_that_the_log_writes_them(tmp_path: Path, way: str) -> None:
    write, separator, fact = WRITTEN[way]
    plain = run(write_events(tmp_path, EVENTS))
    result = run(write_events(tmp_path, EVENTS.assign(amount=EVENTS["amount"].map(write)), sep=separator))
    pd.testing.assert_frame_equal(customers(result), customers(plain))
    assert result.metrics["invalid_rows"] == 0
    assert fact in result.facts["read as"]


def customers(result: StepResult) -> pd.DataFrame:
    return pd.DataFrame(result.outputs["customers"])


def test_a_comma_before_three_digits_is_doubted_unless_it_is_declared_or_usual(tmp_path: Path) -> None:
    whole = EVENTS.assign(amount=[f"{1 + row % 9},{100 + row % 900}" for row in range(len(EVENTS))])
    open_ = run(write_events(tmp_path, whole, sep=";"))
    assert any("amount: 1,234 could be 1234 or 1.234" in issue.text for issue in open_.issues)
    declared = run(tmp_path / "events.csv", decimal=",")
    usual = run(write_events(tmp_path, whole.assign(weight="0,5"), sep=";"))
    pd.testing.assert_frame_equal(customers(declared), customers(usual))
    assert not any("could be" in issue.text for issue in [*declared.issues, *usual.issues])
    ratio = customers(open_)["value_sum"] / customers(declared)["value_sum"]
    assert ratio.to_numpy() == pytest.approx(1000.0)


def test_numbers_of_the_source_itself_have_a_point_whatever_is_declared(tmp_path: Path) -> None:
    plain = run(write_events(tmp_path, EVENTS))
    EVENTS.astype({"time": "str"}).to_json(tmp_path / "events.jsonl", orient="records", lines=True)
    duckdb.read_csv(str(tmp_path / "events.csv"), dtype={"customer": "VARCHAR"}).write_parquet(  # type: ignore[arg-type]
        str(tmp_path / "events.parquet")
    )
    for source in (tmp_path / "events.jsonl", tmp_path / "events.parquet", EVENTS):
        pd.testing.assert_frame_equal(customers(run(source, decimal=",")), customers(plain))
