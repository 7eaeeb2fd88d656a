"""What every artifact store does."""

import hashlib
from pathlib import Path
from typing import Protocol

import pytest

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.domain.evidence import Artifact
from churnflow.engine.ports import ArtifactStore
from churnflow.errors import IntegrityError, UsageError
from churnflow.project import CODECS
from tests.fakes import FakeFiles, FakeStore


class Shelf(Protocol):
    """A store, and what happens to it from outside."""

    store: ArtifactStore

    def source(self, name: str, data: bytes) -> Path: ...

    def lose(self, artifact: Artifact) -> None: ...


class FakeShelf:
    def __init__(self) -> None:
        self.files = FakeFiles()
        self.fake = FakeStore(self.files)
        self.store: ArtifactStore = self.fake

    def source(self, name: str, data: bytes) -> Path:
        self.files.contents[name] = data
        return self.files.resolve(name)

    def lose(self, artifact: Artifact) -> None:
        self.fake.lost.add(artifact.sha256)


class RealShelf:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: ArtifactStore = ArtifactFiles(folder / "store", CODECS)

    def source(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def lose(self, artifact: Artifact) -> None:
        self.store.path(artifact).unlink()


@pytest.fixture
def shelf(kind: str, folder: Path) -> Shelf:
    return FakeShelf() if kind == "fake" else RealShelf(folder)


def test_a_value_comes_back(shelf: Shelf) -> None:
    kept = shelf.store.put("scores", {"a": [1, 2.5, None]}, "json")
    assert (kept.name, kept.codec) == ("scores", "json")
    assert kept.size_bytes > 0
    assert shelf.store.get(kept) == {"a": [1, 2.5, None]}
    shelf.store.verify(kept)


def test_equal_values_are_one_object_and_others_are_another(shelf: Shelf) -> None:
    first, second = (shelf.store.put(name, {"x": 1}, "json") for name in ("first", "second"))
    assert first.sha256 == second.sha256
    assert shelf.store.path(first) == shelf.store.path(second)
    assert shelf.store.put("first", {"x": 2}, "json").sha256 != first.sha256


def test_a_file_is_known_by_the_hash_of_its_bytes(shelf: Shelf) -> None:
    data = b"id,churn\n1,0\n"
    kept = shelf.store.put_file("data.csv", shelf.source("data.csv", data))
    assert (kept.codec, kept.sha256, kept.size_bytes) == ("file", hashlib.sha256(data).hexdigest(), len(data))
    shelf.store.verify(kept)


def test_what_was_lost_is_named_and_comes_back_by_being_put_again(shelf: Shelf) -> None:
    kept = shelf.store.put("model", {"x": 1}, "json")
    shelf.lose(kept)
    for use in (shelf.store.get, shelf.store.verify):
        with pytest.raises(IntegrityError, match=r"the artifact model .*missing"):
            use(kept)
    assert shelf.store.put("model", {"x": 1}, "json") == kept
    assert shelf.store.get(kept) == {"x": 1}


def test_whether_something_is_there_is_told_without_reading_it(shelf: Shelf) -> None:
    kept = shelf.store.put("model", {"x": 1}, "json")
    assert shelf.store.has(kept)
    shelf.lose(kept)
    assert not shelf.store.has(kept)


def test_a_lost_file_comes_back_by_being_put_again(shelf: Shelf) -> None:
    source = shelf.source("data.csv", b"1\n")
    kept = shelf.store.put_file("data.csv", source)
    shelf.lose(kept)
    with pytest.raises(IntegrityError, match=r"data\.csv .*missing"):
        shelf.store.verify(kept)
    assert shelf.store.put_file("data.csv", source) == kept
    shelf.store.verify(kept)


def test_an_unknown_codec_is_refused_with_what_there_is(shelf: Shelf) -> None:
    with pytest.raises(UsageError, match="unknown codec: jsn") as caught:
        shelf.store.put("a", 1, "jsn")
    assert "json" in caught.value.hint
