"""What every view of the source files does."""

import hashlib
from pathlib import Path
from typing import Protocol

import pytest

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.source_files import SourceFiles
from churnflow.engine.ports import ArtifactStore, Files
from churnflow.errors import ConflictError, IntegrityError, UsageError
from tests.adapters.workbench import artifact
from tests.fakes import FakeFiles, FakeStore


class Folder(Protocol):
    """Source files, and what a user does to them."""

    files: Files
    store: ArtifactStore

    def write(self, name: str, data: bytes) -> None: ...

    def delete(self, name: str) -> None: ...

    def block(self, name: str) -> None: ...


class FakeFolder:
    def __init__(self) -> None:
        self.fake = FakeFiles()
        self.files: Files = self.fake
        self.fake.store = FakeStore(self.fake)
        self.store: ArtifactStore = self.fake.store

    def write(self, name: str, data: bytes) -> None:
        self.fake.contents[name] = data

    def delete(self, name: str) -> None:
        del self.fake.contents[name]

    def block(self, name: str) -> None:
        self.fake.blocked.add(name)


class RealFolder:
    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.store: ArtifactStore = ArtifactFiles(folder.parent / "store", {})
        self.files: Files = SourceFiles(folder, self.store, folder.parent / "state")

    def write(self, name: str, data: bytes) -> None:
        (self.root / name).parent.mkdir(exist_ok=True)
        (self.root / name).write_bytes(data)

    def delete(self, name: str) -> None:
        (self.root / name).unlink()

    def block(self, name: str) -> None:
        (self.root / name).mkdir(parents=True)


@pytest.fixture
def place(kind: str, folder: Path) -> Folder:
    return FakeFolder() if kind == "fake" else RealFolder(folder)


def test_a_file_is_found_by_its_path_in_the_project(place: Folder) -> None:
    place.write("data/a.csv", b"1\n")
    path = place.files.resolve("data/a.csv")
    assert path.is_absolute()
    assert path.parts[-2:] == ("data", "a.csv")


@pytest.mark.parametrize("name", ["data/none.csv", "../outside.csv"])
def test_a_file_that_is_not_there_is_refused(place: Folder, name: str) -> None:
    with pytest.raises(UsageError, match=r"none|outside"):
        place.files.resolve(name)


def test_the_digest_is_that_of_the_bytes_as_they_are_now(place: Folder) -> None:
    assert place.files.sha256("data/a.csv") is None
    for data in (b"one\n", b"two\n"):
        place.write("data/a.csv", data)
        assert place.files.sha256("data/a.csv") == hashlib.sha256(data).hexdigest()
    place.delete("data/a.csv")
    assert place.files.sha256("data/a.csv") is None


@pytest.mark.parametrize("change", ["edited", "deleted"])
def test_a_file_is_brought_back_as_it_was_kept(place: Folder, change: str) -> None:
    place.write("data/a.csv", b"one\n")
    kept = place.store.put_file("data/a.csv", place.files.resolve("data/a.csv"))
    if change == "edited":
        place.write("data/a.csv", b"edited\n")
    else:
        place.delete("data/a.csv")
    place.files.refuse_blocked("data/a.csv")
    place.files.restore("data/a.csv", kept)
    assert place.files.sha256("data/a.csv") == kept.sha256


def test_bytes_that_are_not_in_the_store_change_nothing(place: Folder) -> None:
    place.write("data/a.csv", b"mine\n")
    with pytest.raises(IntegrityError):
        place.files.restore("data/a.csv", artifact("data/a.csv", b"never kept\n"))
    assert place.files.sha256("data/a.csv") == hashlib.sha256(b"mine\n").hexdigest()


def test_a_path_where_something_else_stands_is_refused(place: Folder) -> None:
    place.block("data/a.csv")
    with pytest.raises(ConflictError, match="place"):
        place.files.refuse_blocked("data/a.csv")
