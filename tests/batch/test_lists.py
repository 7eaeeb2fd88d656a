"""Lists of scored customers: every form of input, the same probabilities, the right order, nobody lost."""

import gzip
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sql

from churnflow.batch.run import score
from churnflow.errors import ConflictError, IntegrityError, UsageError
from churnflow.modelling.reference import REFERENCE_FILE
from tests.batch.conftest import Released, job, read

HOSTILE = ["=1+1", "+49 30", "-cmd", "@SUM(A1)", "\tx", "\uff1d1", "'plain", "-5.20", "+3", 'a "b", c', "-1e3", "x\ny"]


def as_parquet(frame: pd.DataFrame, path: Path, replaced: str = "") -> Path:
    """Write texts as Parquet, some columns as SQL says."""
    columns = f"* REPLACE ({replaced})" if replaced else "*"
    duckdb.from_df(frame).project(columns).write_parquet(str(path))
    return path


TYPED = "tenure_months::INT AS tenure_months, nullif(bill, '')::DOUBLE AS bill"
SINGLE = "nullif(bill, '')::FLOAT AS bill, tenure_months::DECIMAL(9, 2) AS tenure_months"
FORMS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "semicolon.csv": lambda frame, path: frame.to_csv(path, index=False, sep=";", encoding="utf-16"),
    "csv.gz": lambda frame, path: path.write_bytes(gzip.compress(frame.to_csv(index=False).encode())),
    "parquet": as_parquet,
    "typed.parquet": lambda frame, path: as_parquet(frame, path, TYPED),
    "single.parquet": lambda frame, path: as_parquet(frame, path, SINGLE),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "xlsx": lambda frame, path: frame.to_excel(path, index=False),
    "sqlite": lambda frame, path: in_database(frame.astype({"tenure_months": int}), f"sqlite:///{path}"),
}


def in_database(frame: pd.DataFrame, address: str) -> None:
    """Write customers into the table `scored`."""
    engine = sql.create_engine(address, poolclass=sql.NullPool)
    frame.to_sql("scored", engine, index=False, if_exists="replace")


def written(frame: pd.DataFrame, form: str, folder: Path) -> Path:
    """Write customers in a form that ingestion reads."""
    path = folder / f"customers.{form}"
    FORMS[form](frame, path)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_any_form_is_scored_as_training_read_it(released: Released, listed, tmp_path, form) -> None:
    frame, said = listed(written(released.texts, form, tmp_path), ranked=False)
    assert frame["customer_id"].tolist() == released.texts["customer_id"].tolist()
    assert [float(value) for value in frame["probability"]] == released.probabilities
    assert (said["rows"], said["refused"], said["unseen"], said["outside"]) == (600, 0, {}, {})


def test_a_database_is_asked_with_a_query(released: Released, listed, postgres) -> None:
    in_database(released.texts.head(50), postgres)
    frame, _ = listed(postgres, query="SELECT * FROM scored ORDER BY customer_id", ranked=False)
    assert [float(value) for value in frame["probability"]] == released.probabilities[:50]


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_a_ranked_list_is_what_sorting_in_memory_gives(released: Released, listed, form) -> None:
    frame, said = listed(released.texts, f"list.{form}")
    order = np.argsort(-np.array(released.probabilities), kind="stable")
    assert frame["customer_id"].tolist() == released.texts["customer_id"].iloc[order].tolist()
    assert [float(value) for value in frame["probability"]] == [released.probabilities[place] for place in order]
    decided = ["Yes" if value >= 0.4 else "No" for value in map(float, frame["probability"])]
    assert frame["decision"].tolist() == decided
    assert said["at_risk"] == decided.count("Yes")
    bands = [
        "low" if value < 0.4 else "high" if value >= 0.7 else "medium" for value in map(float, frame["probability"])
    ]
    assert frame["risk"].tolist() == bands
    assert set(bands) == {"low", "medium", "high"}


def test_the_first_of_a_list_are_the_beginning_of_the_whole_one(released: Released, listed) -> None:
    many = pd.concat([released.texts] * 60, ignore_index=True)
    whole, _ = listed(many)
    first, said = listed(many, "first.csv", top=100)
    pd.testing.assert_frame_equal(first, whole.head(100))
    assert (said["listed"], said["rows"], said["duplicates"]) == (100, 36_000, 35_400)
    assert all(first["reasons"])


def test_reasons_raise_the_risk_of_those_at_risk_and_are_said_in_words(released: Released, listed) -> None:
    frame, _ = listed(released.texts, reasons=2)
    at_risk = frame["decision"] == "Yes"
    assert (frame.loc[at_risk, "reasons"] != "").mean() > 0.95
    assert (frame.loc[~at_risk, "reasons"] == "").all()
    assert max(reasons.count(", ") for reasons in frame["reasons"]) == 1
    assert frame["reasons"].str.contains(r"^(?:\d+ months? tenure|basic plan)").sum() > 0.5 * at_risk.sum()
    assert listed(released.texts, "none.csv", reasons=0)[0]["reasons"].eq("").all()


def test_rows_that_can_not_be_read_keep_their_place_and_say_why(released: Released, listed) -> None:
    texts = released.texts.head(8).copy()
    texts.loc[2, "tenure_months"] = "soon"
    texts.loc[4, "bill"] = "1e999"
    texts.loc[5, ["tenure_months", "bill"]] = ["2.5", "many"]
    frame, said = listed(texts, ranked=False)
    assert frame["customer_id"].tolist() == texts["customer_id"].tolist()
    assert [place for place, value in enumerate(frame["probability"]) if not value] == [2, 4, 5]
    whole = [place for place in range(8) if place not in {2, 4, 5}]
    assert [float(frame["probability"][place]) for place in whole] == [released.probabilities[place] for place in whole]
    assert frame["problem"][2] == "tenure_months must be a number"
    assert frame["problem"][5] == "tenure_months must be a whole number; bill must be a number"
    assert said["refused"] == 3
    assert {(one["column"], one["problem"], *one["lines"]) for one in said["refused_because"]} == {
        ("tenure_months", "must be a number", 4),
        ("tenure_months", "must be a whole number", 7),
        ("bill", "must be a finite number", 6),
        ("bill", "must be a number", 7),
    }
    assert not any(value in str(said) for value in ("soon", "1e999", "many", "2.5"))
    assert listed(texts, "ranked.csv")[0]["probability"].tolist()[-3:] == ["", "", ""]


def test_a_row_of_the_wrong_width_keeps_its_place(released: Released, listed, tmp_path) -> None:
    lines = released.texts.head(4).to_csv(index=False).splitlines()
    lines.insert(2, "C99999,1")
    (tmp_path / "ragged.csv").write_text("\n".join(lines))
    frame, said = listed(tmp_path / "ragged.csv", ranked=False)
    assert frame["problem"].tolist() == ["", "2 fields where the header has 5", "", "", ""]
    assert [float(value) for value in frame["probability"] if value] == released.probabilities[:4]
    assert said["refused_because"][0]["lines"] == [3]


def test_numbers_of_a_parquet_file_are_refused_by_the_rules_for_texts(released: Released, listed, tmp_path) -> None:
    texts = released.texts.head(4).assign(tenure_months=["1.5", "2", "3", "400"], bill=["inf", "nan", "1", "2"])
    numbers = "tenure_months::DOUBLE AS tenure_months, bill::DOUBLE AS bill"
    as_parquet(texts, tmp_path / "n.parquet", numbers)
    frame, said = listed(tmp_path / "n.parquet", ranked=False)
    assert frame["problem"][0] == "tenure_months must be a whole number; bill must be a finite number"
    assert frame["problem"][1:].eq("").all()
    assert (said["refused"], said["outside"]) == (1, {"tenure_months": 1})
    pd.testing.assert_frame_equal(frame, listed(texts, "texts.csv", ranked=False)[0])


def test_what_is_unlike_training_is_counted_by_column(released: Released, listed) -> None:
    texts = released.texts.head(6).copy()
    texts["plan"] = ["gold", "gold", "basic", "", "plus", "basic"]
    texts["region"] = ["north", "", "", "south", "west", "east"]
    texts["tenure_months"] = ["1", "2", "3", "", "500", "-1"]
    texts["extra"] = "x"
    texts.loc[5, "customer_id"] = texts.loc[4, "customer_id"]
    _, said = listed(texts)
    assert said["unseen"] == {"plan": 2, "region": 1}
    # The plan was missing in training, too.
    assert said["missing"] == {"tenure_months": 1, "region": 2}
    assert said["outside"] == {"tenure_months": 2}
    assert (said["duplicates"], said["ignored"], said["refused"]) == (1, ["extra"], 0)


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_cells_that_begin_a_formula_are_text_where_a_spreadsheet_opens_them(released: Released, listed, form) -> None:
    texts = released.texts.head(len(HOSTILE)).assign(customer_id=HOSTILE, **{"=note": HOSTILE})
    frame, _ = listed(texts, f"list.{form}", ranked=False, keep=("=note",), reasons=0)
    marked = ["'=1+1", "'+49 30", "'-cmd", "'@SUM(A1)", "'\tx", "'\uff1d1", *HOSTILE[6:]]
    expected = marked if form == "csv" else HOSTILE
    assert frame["customer_id"].tolist() == expected
    assert frame["'=note" if form == "csv" else "=note"].tolist() == expected


def test_a_reason_that_begins_a_formula_is_text_as_well(released: Released, listed) -> None:
    plan = "=HYPERLINK(A1)"
    frame, _ = listed(released.texts.assign(plan=plan), reasons=5)
    said = [reasons for reasons in frame["reasons"] if plan in reasons]
    assert not [reasons for reasons in said if reasons.startswith("=")]


def test_a_list_holds_no_column_that_nobody_asked_for(released: Released, listed) -> None:
    texts = released.texts.assign(email="ann@example.org")
    frame, _ = listed(texts)
    own = ["customer_id", "probability", "decision", "risk", "reasons", "problem"]
    assert frame.columns.tolist() == own
    kept, _ = listed(texts, "kept.csv", keep=("region", "email"))
    assert kept.columns.tolist() == [*own[:5], "region", "email", "problem"]
    assert kept["email"].eq("ann@example.org").all()


def test_columns_of_numbers_are_kept_as_numbers_where_the_form_has_them(listed, released: Released, tmp_path) -> None:
    path = written(released.texts, "typed.parquet", tmp_path)
    listed(path, "list.parquet", keep=("tenure_months", "bill"))
    columns = duckdb.read_parquet(str(tmp_path / "list.parquet"))
    kinds = dict(zip(columns.columns, map(str, columns.types), strict=True))
    assert (kinds["tenure_months"], kinds["bill"], kinds["probability"]) == ("INTEGER", "DOUBLE", "DOUBLE")


def test_without_an_id_rows_are_named_by_their_line(released: Released, listed) -> None:
    frame, said = listed(released.texts.drop(columns="customer_id"), ranked=False)
    assert frame["row"].tolist() == [str(line) for line in range(2, 602)]
    assert said["no_id"] == "customer_id"


@pytest.mark.parametrize(
    ("renamed", "hint"),
    [
        ({"tenure_months": "TenureMonths"}, "--rename TenureMonths=tenure_months"),
        ({"tenure_months": "tenure months", "plan": "plans"}, "'tenure months=tenure_months' --rename plans=plan"),
        ({"region": "zzz"}, "its other columns: zzz"),
    ],
)
def test_a_missing_column_is_named_and_so_is_what_it_may_be_called_now(
    released: Released, listed, tmp_path, renamed, hint
) -> None:
    with pytest.raises(UsageError, match=f"no column.*{next(iter(renamed))}") as caught:
        listed(released.texts.rename(columns=renamed))
    assert hint in caught.value.hint
    assert not (tmp_path / "list.csv").exists()


def test_renamed_columns_are_read_as_those_of_training(released: Released, listed) -> None:
    texts = released.texts.rename(columns={"plan": "tariff", "customer_id": "no"})
    frame, _ = listed(texts, ranked=False, renamed={"tariff": "plan", "no": "customer_id"}, keep=("tariff",))
    assert [float(value) for value in frame["probability"]] == released.probabilities
    assert frame["customer_id"].tolist() == released.texts["customer_id"].tolist()
    assert frame["tariff"].tolist() == released.texts["plan"].tolist()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"keep": ("nope",)}, "no column 'nope'"),
        ({"keep": ("plan", "plan")}, "twice"),
        ({"keep": ("customer_id",)}, "a column 'customer_id' of its own"),
        ({"renamed": {"nope": "plan"}}, "no column 'nope'"),
        ({"ranked": False, "top": 3}, "--in-order"),
        ({"budget": 10.0}, "no campaign"),
        ({"output": "list.doc"}, "does not say how"),
        ({"output": "list.txt"}, "does not say how"),
        ({"output": "nowhere/list.csv"}, "no such folder"),
        ({"output": "given.csv", "force": True}, "the input itself"),
    ],
)
def test_what_can_not_be_done_is_refused_before_anything_is_written(released, listed, tmp_path, asked, said) -> None:
    with pytest.raises(UsageError, match=said):
        listed(released.texts, **asked)
    assert [path.name for path in tmp_path.iterdir()] == ["given.csv"]


def test_a_file_that_is_there_is_overwritten_by_force_alone(released: Released, listed, tmp_path) -> None:
    (tmp_path / "list.csv").write_text("mine\n")
    with pytest.raises(ConflictError, match="there already"):
        listed(released.texts)
    assert (tmp_path / "list.csv").read_text() == "mine\n"
    assert len(listed(released.texts, force=True)[0]) == 600


def test_a_source_that_is_not_there_is_named_as_it_was_given(listed) -> None:
    with pytest.raises(UsageError, match=r"no such file: \.\./elsewhere/given\.csv"):
        listed("../elsewhere/given.csv")


def test_a_remedy_of_ingestion_is_told_as_an_option(released: Released, listed, tmp_path) -> None:
    one = tmp_path / "one.csv"
    one.write_text(released.texts.to_csv(sep="|", index=False))
    with pytest.raises(UsageError, match="only one column") as caught:
        listed(one, separator=";")
    assert caught.value.hint == "--separator '|'"


def test_a_folder_is_no_place_for_a_list(released: Released, listed, tmp_path) -> None:
    (tmp_path / "list.csv").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        listed(released.texts)


def test_a_parquet_file_without_rows_has_nothing_to_score(released: Released, listed, tmp_path) -> None:
    with pytest.raises(UsageError, match="no row under it"):
        listed(written(released.texts.head(0), "parquet", tmp_path))


def test_a_parquet_column_of_very_many_texts_is_scored_as_well(released: Released, listed, tmp_path) -> None:
    many = pd.concat([released.texts] * 40, ignore_index=True)
    many["region"] = [f"region {row}" for row in range(len(many))]
    frame, said = listed(written(many, "parquet", tmp_path), ranked=False, reasons=0)
    assert said["unseen"] == {"region": 24_000}
    assert frame["probability"].tolist() == listed(many, "csv.csv", ranked=False, reasons=0)[0]["probability"].tolist()


def test_a_release_without_a_reference_is_listed_without_reasons(released: Released, tmp_path) -> None:
    released.texts.to_csv(tmp_path / "given.csv", index=False)
    files = {name: data for name, data in released.files.items() if name != REFERENCE_FILE}
    said = score(files, job(tmp_path / "given.csv", tmp_path / "list.csv"), lambda *_: None)
    assert (said["no_reasons"], said["reasons"]) == (True, 0)
    assert read(tmp_path / "list.csv")["reasons"].eq("").all()


@pytest.mark.parametrize(
    "changed",
    [{"schema.json": b"{}"}, {"model.bin": b"PK"}, {REFERENCE_FILE: b"[]"}, {"schema.json": b'{"columns": []}'}],
)
def test_a_release_whose_files_do_not_fit_each_other_is_not_used(released: Released, tmp_path, changed) -> None:
    released.texts.to_csv(tmp_path / "given.csv", index=False)
    with pytest.raises(IntegrityError, match="can not be used"):
        score({**released.files, **changed}, job(tmp_path / "given.csv", tmp_path / "list.csv"), lambda *_: None)
