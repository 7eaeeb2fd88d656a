"""The codecs `text`, `bytes` and `json`: what was written is read, equal values give equal bytes, damage is named."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.codecs import json_document, raw, text
from churnflow.errors import IntegrityError

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=12,
)
WHOLE_TEXT = st.text(st.characters(codec="utf-8"))


def kept(codec: ModuleType, value: object, path: Path) -> Any:
    codec.dump(value, path)
    return codec.load(path)


@settings(max_examples=80, deadline=None)
@given(WHOLE_TEXT, st.binary())
def test_text_and_bytes_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, words: str, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("plain")
    assert kept(text, words, folder / "a.txt") == words
    assert kept(raw, content, folder / "a.bin") == content


def test_line_ends_are_left_alone(tmp_path: Path) -> None:
    text.dump("one\r\ntwo\n", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == b"one\r\ntwo\n"


def test_bytes_in_any_buffer_are_written(tmp_path: Path) -> None:
    assert kept(raw, bytearray(b"\0\1"), tmp_path / "a.bin") == b"\0\1"
    assert kept(raw, memoryview(b"\0\1"), tmp_path / "a.bin") == b"\0\1"


@settings(max_examples=80, deadline=None)
@given(JSON)
def test_plain_values_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("plain") / "a.json"
    if not any(0xD800 <= ord(letter) < 0xE000 for letter in repr(value)):
        assert kept(json_document, value, path) == value


def test_the_order_of_keys_does_not_change_the_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    json_document.dump({"a": 1, "b": {"c": "ö", "d": None}}, first)
    json_document.dump({"b": {"d": None, "c": "ö"}, "a": 1}, second)
    assert first.read_bytes() == second.read_bytes() == '{"a":1,"b":{"c":"ö","d":null}}\n'.encode()


@pytest.mark.parametrize(
    ("codec", "value", "error"),
    [
        (text, b"bytes", TypeError),
        (text, None, TypeError),
        (raw, "text", TypeError),
        (raw, [1], TypeError),
        (json_document, {"a": float("nan")}, ValueError),
        (json_document, [float("inf")], ValueError),
        (json_document, {1, 2}, TypeError),
    ],
)
def test_anything_else_is_refused_and_nothing_written(
    tmp_path: Path, codec: ModuleType, value: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        codec.dump(value, tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("codec", "content", "said"),
    [
        (text, b"caf\xe9", "no text in UTF-8"),
        (json_document, b"", "no JSON document"),
        (json_document, b'{"a": 1', "no JSON document"),
        (json_document, b'{"a": "\xff"}', "no JSON document"),
        (json_document, b"[" * 200_000, "no JSON document"),
    ],
)
def test_a_damaged_file_is_an_integrity_error_with_what_to_do(
    tmp_path: Path, codec: ModuleType, content: bytes, said: str
) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=f"artifact is {said}") as raised:
        codec.load(path)
    assert "churnflow verify" in raised.value.hint
