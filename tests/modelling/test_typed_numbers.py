"""A number that a source has as a number keeps its value, whatever mark its texts have or the workflow declares."""

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import openpyxl
import pandas as pd
import pytest

from churnflow.codecs import frame as codec
from churnflow.modelling.casting import cast
from churnflow.modelling.declared import Declared
from churnflow.modelling.labels import labels
from churnflow.modelling.profile import profile, values_of
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.sources import read_table
from churnflow.modelling.table import Table
from churnflow.steps.extract import extract

PAID = [1.125 + row for row in range(40)]
WRITTEN = [f"{row},5" for row in range(40)]
FRAME = pd.DataFrame({"paid": PAID, "written": WRITTEN, "churn": ["yes", "no"] * 20})


def parquet(folder: Path) -> Path:
    FRAME.to_csv(folder / "customers.csv", index=False)
    types = "types = {'paid': 'DECIMAL(9, 3)', 'written': 'VARCHAR'}"
    duckdb.sql(f"FROM read_csv('{folder / 'customers.csv'}', {types})").write_parquet(str(folder / "customers.parquet"))
    return folder / "customers.parquet"


def workbook(folder: Path) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (FRAME.columns, *FRAME.itertuples(index=False)):
        book.active.append(tuple(row))
    book.save(folder / "customers.xlsx")
    return folder / "customers.xlsx"


def json_lines(folder: Path) -> Path:
    FRAME.to_json(folder / "customers.jsonl", orient="records", lines=True)
    return folder / "customers.jsonl"


def sqlite(folder: Path) -> Path:
    with sqlite3.connect(folder / "customers.db") as connection:
        FRAME.to_sql("customers", connection, index=False)
    connection.close()
    return folder / "customers.db"


def extracted(folder: Path) -> pd.DataFrame:
    """Return what a database has answered, as the artifact of `churn.extract` comes back."""
    sqlite(folder)
    found = extract(f"sqlite:///{folder / 'customers.db'}", table="customers").outputs["extract"]
    codec.dump(found, folder / "extract.parquet")
    return codec.load(folder / "extract.parquet")


def frame(_: Path) -> pd.DataFrame:
    return FRAME


def decimals(_: Path) -> pd.DataFrame:
    return FRAME.assign(paid=[Decimal(str(value)) for value in PAID])


def paid(table: Table) -> list[float]:
    columns = profile(table, Declared("churn"))
    found = cast(table, columns, labels("churn", values_of(columns, "churn"), None))
    assert found.customers["written"].tolist() == [row + 0.5 for row in range(40)]
    return [float(value) for value in found.customers["paid"]]


@pytest.mark.parametrize("decimal", ["auto", ","])
@pytest.mark.parametrize("source", [parquet, workbook, json_lines, sqlite, extracted, frame, decimals])
def test_it_is_read_with_a_point(tmp_path: Path, source: Callable[[Path], Path | pd.DataFrame], decimal: str) -> None:
    assert paid(read_table(source(tmp_path), ReadOptions(decimal=decimal))) == PAID  # type: ignore[arg-type]


def test_objects_of_several_types_keep_their_texts() -> None:
    mixed = pd.DataFrame({"a": [1, True, 1.0, "1", None], "b": list("vwxyz")})
    assert read_table(mixed, ReadOptions()).column("a") == ["1", "true", "1", "1", ""]


def test_a_whole_number_of_a_database_is_taken_as_one_of_a_file_is_with_every_digit(tmp_path: Path) -> None:
    rows = [(f"C{row:03d}", 9_007_199_254_740_993 + row, row % 7, "yes" if row % 2 else "no") for row in range(40)]
    table = pd.DataFrame(rows, columns=["id", "account", "visits", "churn"])
    duckdb.from_df(table).write_parquet(str(tmp_path / "customers.parquet"))
    with sqlite3.connect(tmp_path / "customers.db") as connection:
        table.to_sql("customers", connection, index=False)
    connection.close()
    answer = extract(f"sqlite:///{tmp_path / 'customers.db'}", table="customers").outputs["extract"]
    codec.dump(answer, tmp_path / "extract.parquet")
    tables = [
        read_table(source, ReadOptions())
        for source in (tmp_path / "customers.parquet", codec.load(tmp_path / "extract.parquet"))
    ]
    kinds = [
        [(column.role, column.kind, column.reason) for column in profile(table, Declared("churn", "id"))]
        for table in tables
    ]
    assert kinds[0] == kinds[1]
    assert tables[0].typed == tables[1].typed == {"account", "visits"}
    assert tables[1].column("account")[0] == "9007199254740993"
