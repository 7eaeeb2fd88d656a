"""The codec `frame`: every value, type and name comes back, equal frames give equal bytes, and nothing is guessed."""

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.codecs import frame as codec
from churnflow.errors import IntegrityError
from churnflow.modelling.stored_frame import StoredFrame
from tests.customers import make_customers


def kept(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Write a frame twice, insist on equal bytes, and read it."""
    first, second = (folder / f"{name}{codec.SUFFIX}" for name in ("first", "second"))
    codec.dump(frame, first)
    codec.dump(frame.copy(), second)
    assert first.read_bytes() == second.read_bytes()
    back = codec.load(first)
    codec.dump(back, second)
    assert first.read_bytes() == second.read_bytes()
    return back


def text(*values: str | None) -> "pd.Series[str]":
    return pd.Series(values, dtype="str")


LATE = [None] * 5000
COLUMNS: dict[str, Any] = {
    "text": text("x", None, "", " ", "NULL", "nan", "None", "Zoë ☃", "two\nlines", '"q"', "it's", "\\n"),
    "text that looks like numbers": text("0012", "1e5", "-1", "1_000"),
    "text that looks like times": text("2024-01-01", "12:30", "true"),
    "text without a value": text(None, None),
    "text that comes late": text(*LATE, "late", *LATE),
    "decimals": [1.5, np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308],
    "integers": np.array([2**63 - 1, -(2**63), 0]),
    "small integers": np.array([1, -2], dtype="int8"),
    "singles": np.array([0.1, np.nan], dtype="float32"),
    "booleans": [True, False],
    "integers with gaps": pd.array([1, None], dtype="Int64"),
    "booleans with gaps": pd.array([True, None], dtype="boolean"),
    "times": pd.to_datetime(["2024-02-29 12:30:00.000001", None]),
    "no rows of text": text(),
    "no rows of numbers": np.zeros(0),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_comes_back_with_its_values_and_type(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"a": COLUMNS[kind]})
    pd.testing.assert_frame_equal(kept(frame, tmp_path), frame)


def test_a_table_of_customers_comes_back(tmp_path: Path) -> None:
    frame = make_customers(3000)
    pd.testing.assert_frame_equal(kept(frame, tmp_path), frame)


def test_a_sign_of_nought_and_infinity_are_kept_apart(tmp_path: Path) -> None:
    back = kept(pd.DataFrame({"a": [-0.0, 0.0, -np.inf]}), tmp_path)["a"]
    assert np.signbit(back).tolist() == [True, False, True]


def test_odd_names_are_kept_also_where_they_differ_only_in_case(tmp_path: Path) -> None:
    odd = ['a "quoted" name', "it's", "two words", "Zoë ☃", "ZOË ☃", "", "_", "a.b", "select", "C5", "\\", "{x: 'y'}"]
    names = [*odd, "churn", "Churn", "CHURN", "churn_", "churn_1"]
    frame = pd.DataFrame([range(len(names)), range(len(names))], columns=names)
    back = kept(frame, tmp_path)
    assert list(back.columns) == names
    assert back.loc[1].tolist() == list(range(len(names)))


def test_the_index_is_left_out_and_the_order_kept(tmp_path: Path) -> None:
    frame = make_customers(500).sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(kept(frame, tmp_path), frame.reset_index(drop=True))


def test_categories_and_objects_of_text_come_back_as_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": pd.Categorical(["x", None, "y"]), "b": pd.Series(["x", None, "1"], dtype=object)})
    pd.testing.assert_frame_equal(kept(frame, tmp_path), frame.astype("str"))


def test_objects_of_one_plain_kind_come_back_as_that_kind(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, None], "b": [1, 2], "c": [True, None]}, dtype=object)
    back = kept(frame, tmp_path)
    assert [str(kind) for kind in back.dtypes] == ["float64", "int64", "boolean"]
    assert back["c"].isna().tolist() == [False, True]


@pytest.mark.parametrize("values", [["x", 1], [b"x", b"y"], [[1], [2]], [{"a": 1}, None], [dt.date(2024, 1, 1), None]])
def test_what_would_come_back_as_something_else_is_refused(tmp_path: Path, values: list[object]) -> None:
    with pytest.raises(TypeError, match="the column 'odd' holds values of type"):
        codec.dump(pd.DataFrame({"odd": pd.Series(values, dtype=object)}), tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        ([1, 2], TypeError, "not list"),
        (pd.Series([1]), TypeError, "not Series"),
        (pd.DataFrame({1: [2]}), ValueError, "names of text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "unique"),
        (pd.DataFrame(index=range(3)), ValueError, "without columns"),
    ],
)
def test_what_is_no_such_frame_is_refused(tmp_path: Path, value: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        codec.dump(value, tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["empty", "cut", "overwritten", "text"])
def test_a_damaged_file_is_an_integrity_error_with_what_to_do(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.parquet"
    codec.dump(make_customers(200), path)
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "overwritten": whole[:-200] + b"\0" * 192 + whole[-8:],
        "text": b"a,b\n1,2\n" * 100,
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(IntegrityError, match=r"a\.parquet can not be read as Parquet") as raised:
        codec.load(path)
    assert "\n" not in str(raised.value)
    assert "churnflow verify" in raised.value.hint


def test_parquet_of_another_writer_is_read_by_its_own_names(tmp_path: Path) -> None:
    path = tmp_path / "foreign.parquet"
    with codec._connection() as connection:
        connection.execute("COPY (SELECT 1 AS a, 'x' AS b) TO ? (FORMAT parquet)", [str(path)])
    assert codec.load(path).to_dict("records") == [{"a": 1, "b": "x"}]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
VALUES = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(NAMES, min_size=1, max_size=4, unique=True),
    st.lists(st.tuples(VALUES, st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans()), max_size=6),
)
def test_whatever_the_names_and_values_they_come_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], rows: list[tuple[Any, ...]]
) -> None:
    kinds = ["str", "float64", "int64", "bool"]
    data = {name: pd.Series([row[place] for row in rows], dtype=kinds[place]) for place, name in enumerate(names)}
    frame = pd.DataFrame(data)
    pd.testing.assert_frame_equal(kept(frame, tmp_path_factory.mktemp("frame")), frame, check_column_type=False)


def test_what_attrs_say_of_a_frame_comes_back_with_it(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1]})
    assert kept(frame, tmp_path).attrs == {}
    plain = (tmp_path / "first.parquet").read_bytes()
    frame.attrs = {"typed": ["a", "it's"], "more": {"b": 1}}
    assert kept(frame, tmp_path).attrs == frame.attrs
    assert (tmp_path / "first.parquet").read_bytes() != plain
    frame.attrs = {"typed": {1}}
    with pytest.raises(TypeError):
        codec.dump(frame, tmp_path / "first.parquet")


def test_a_frame_on_disk_comes_back_as_the_same_in_memory_with_equal_bytes_each_time(tmp_path: Path) -> None:
    whole = make_customers(3000).rename(columns={"bill": "Bill's", "noise": "BILL'S"})
    stored = StoredFrame(whole.columns)
    for start in range(0, len(whole), 700):
        stored.append(whole.iloc[start : start + 700])
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    codec.dump(stored, first)
    codec.dump(stored, second)
    assert first.read_bytes() == second.read_bytes()
    pd.testing.assert_frame_equal(codec.load(first), whole)
    pd.testing.assert_frame_equal(stored.frame(), whole)


def test_a_folder_may_be_named_as_a_pattern_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs [a-z]*"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    stored = StoredFrame(pd.Index(["bill", "BILL"]))
    stored.append(pd.DataFrame({"bill": [1.5, 2.5], "BILL": [1.0, 2.0]}))
    pd.testing.assert_frame_equal(kept(stored.frame(), folder), stored.frame())


def test_equal_texts_of_a_column_are_one_object_as_long_as_few_differ(tmp_path: Path) -> None:
    rows = 250_000
    frame = pd.DataFrame({"plan": pd.Series(["basic", "plus", None] * (rows // 3), dtype="str")}).assign(
        own=lambda made: pd.Series([f"C{row}" for row in range(len(made))], dtype="str")
    )
    codec.dump(frame, tmp_path / "frame.parquet")
    back = codec.load(tmp_path / "frame.parquet")
    pd.testing.assert_frame_equal(back, frame)
    assert len({id(text) for text in back["plan"].dropna()}) == 2
