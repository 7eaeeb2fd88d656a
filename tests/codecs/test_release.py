"""The codec `release`: what a step returned is what a later reader gets, or an error that says what to do."""

from pathlib import Path

import pytest

from churnflow.codecs import release
from churnflow.errors import IntegrityError, UsageError

FILES = {"model.bin": b"\x00\x01", "schema.json": b"{}", "card.json": b'{"model": "svm"}'}


def test_named_bytes_come_back(tmp_path: Path) -> None:
    path = tmp_path / f"candidate{release.SUFFIX}"
    release.dump(FILES, path)
    assert release.load(path) == FILES
    first = path.read_bytes()
    release.dump(release.load(path), path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("value", [b"bytes", {"model.bin": "text"}, {"../x": b""}, None])
def test_anything_else_is_refused_with_a_hint(tmp_path: Path, value: object) -> None:
    with pytest.raises(UsageError) as raised:
        release.dump(value, tmp_path / "x.release")
    assert raised.value.hint
    assert not (tmp_path / "x.release").exists()


def test_an_altered_bundle_is_an_integrity_error(tmp_path: Path) -> None:
    path = tmp_path / "x.release"
    release.dump(FILES, path)
    path.write_bytes(path.read_bytes().replace(b"\x00\x01", b"\x00\x02"))
    with pytest.raises(IntegrityError):
        release.load(path)
