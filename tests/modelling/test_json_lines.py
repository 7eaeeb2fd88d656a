"""JSON lines as text: digits as they are written, one level of nesting as dots, and every bad line named."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modelling.written import read, refused, written

NAME = "customers.jsonl"


def test_values_keep_their_digits_and_keys_may_differ(tmp_path: Path) -> None:
    lines = [
        '{"id": "007", "big": 12345678901234567890, "part": 1.10, "flag": true, "none": null}',
        "",
        '{"id": "008", "plan": {"name": "a", "fee": 1e3}, "flag": false, "part": NaN}',
    ]
    found = read(written(tmp_path, "\n".join(lines), NAME))
    assert found.header == ("id", "big", "part", "flag", "none", "plan.name", "plan.fee")
    assert found.rows == [
        ["007", "12345678901234567890", "1.10", "true", "", "", ""],
        ["008", "", "NaN", "false", "", "a", "1e3"],
    ]
    assert list(found.lines) == [1, 3]
    assert found.form.shown() == "JSON lines, utf-8"


def test_it_may_be_compressed_or_marked_or_of_another_encoding(tmp_path: Path) -> None:
    text = '{"id": "1", "name": "Zoë"}\r\n'
    for content in (gzip.compress(text.encode()), text.encode("utf-8-sig"), text.encode("utf-16")):
        assert read(written(tmp_path, content, NAME)).rows == [["1", "Zoë"]]
    path = written(tmp_path, text.encode("cp1252"), NAME)
    assert refused(path) == ("customers.jsonl is not utf-8 (line 1)", "name its encoding: with: {encoding: ...}")
    assert read(path, encoding="cp1252").rows == [["1", "Zoë"]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": 1, "tags": ["a"]}', "line 2: a field holds a list, not a single value"),
        ('{"id": 1, "a": {"b": {"c": 1}}}', "line 2: a field holds fields, not a single value"),
        ('{"id": 1, "id": 2}', "line 2: a key stands twice"),
        ('{"ann@example.org": 1, "ann@example.org": 2}', "line 2: a key stands twice"),
        ('{"id": 1', "line 2: Expecting"),
        ("[1]", "line 2: a list, not a record"),
        ("7", "line 2: a single value, not a record"),
        ('{"id": "\\ud800"}', "line 2: "),
        ("[" * 100_000, "line 2: "),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    message, hint = refused(written(tmp_path, '{"id": 0, "a": "x"}\n' + line + "\n", NAME))
    assert message.startswith(f"customers.jsonl, {said}")
    assert "ann@example.org" not in message + hint
    assert "one record a line" in hint


def test_records_without_keys_are_an_empty_file(tmp_path: Path) -> None:
    assert refused(written(tmp_path, "{}\n{}\n", NAME))[0] == "customers.jsonl is empty"


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text(st.characters(codec="utf-8"))), min_size=1))
def test_whatever_the_records_every_text_is_kept(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, str]]
) -> None:
    records = [{"a": "", "b": "", **record} for record in records if record != {"a": "a", "b": "b", "c": "c"}]
    if not records or "total" in " ".join(records[-1].values()).casefold():
        return
    path = written(tmp_path_factory.mktemp("json"), "\n".join(map(json.dumps, records)), NAME)
    found = read(path)
    assert [dict(zip(found.header, row, strict=True)) for row in found.rows] == [
        {name: record.get(name, "") for name in found.header} for record in records
    ]


def test_a_key_with_a_dot_that_a_nested_one_gives_again_is_refused(tmp_path: Path) -> None:
    message, _ = refused(written(tmp_path, '{"a.b": 1, "a": {"b": 2}}', NAME))
    assert "a key stands twice" in message
