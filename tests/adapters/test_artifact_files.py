"""The artifact store on a real file system: what was put comes back, or is said to be broken."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.errors import ConflictError, IntegrityError, UsageError
from tests.adapters.faults import in_a_process
from tests.adapters.workbench import artifact

CODEC = """
import json
SUFFIX = ".json"
def dump(value, path):
    path.write_text(json.dumps(value, sort_keys=True))
def load(path):
    return json.loads(path.read_text())
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactFiles:
    (tmp_path / "own_codec.py").write_text(CODEC)
    monkeypatch.syspath_prepend(str(tmp_path))
    return ArtifactFiles(tmp_path / "store", {"json": "own_codec"})


def objects(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "store").rglob("*") if path.is_file())


def test_equal_bytes_are_one_file_that_only_its_owner_reaches_and_nobody_writes(
    store: ArtifactFiles, tmp_path: Path
) -> None:
    first, _ = store.put("a", {"x": 1}, "json"), store.put("b", {"x": 1}, "json")
    assert first.size_bytes == len(json.dumps({"x": 1}))
    assert objects(tmp_path) == [store.path(first)]
    assert store.path(first).stat().st_mode & 0o777 == 0o400
    assert store.path(first).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("size", [0, 1, 3_000_000, 16 << 20, (32 << 20) + 1])
def test_a_file_is_copied_not_linked(store: ArtifactFiles, tmp_path: Path, size: int) -> None:
    source = tmp_path / "data.csv"
    data = os.urandom(size)
    source.write_bytes(data)
    kept = store.put_file("data", source)
    assert kept == artifact("data", data)
    assert store.path(kept).stat().st_nlink == 1
    source.write_bytes(b"edited")
    assert Path(str(store.get(kept))).read_bytes() == data


def test_a_file_that_the_kernel_makes_up_while_it_is_read_is_copied_too(store: ArtifactFiles) -> None:
    made_up = Path("/proc/version")
    assert made_up.stat().st_size == 0
    kept = store.put_file("version", made_up)
    assert kept == artifact("version", made_up.read_bytes())
    store.verify(kept)


def delete(path: Path) -> None:
    path.unlink()


def alter(path: Path) -> None:
    path.write_text("[1, 3]")


def alter_and_set_the_time_back(path: Path) -> None:
    before = path.stat()
    path.write_text("[1, 3]")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_text("[1")


def make_a_link_to_the_same_bytes(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def make_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def delete_its_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


HARMS = [
    delete,
    alter,
    alter_and_set_the_time_back,
    cut,
    make_a_link_to_the_same_bytes,
    make_a_pipe,
    delete_its_folder,
]


@pytest.mark.parametrize("harm", HARMS)
def test_a_broken_object_is_named_and_healed_by_its_bytes(store: ArtifactFiles, harm: Callable[[Path], None]) -> None:
    kept = store.put("model", [1, 2], "json")
    path = store.path(kept)
    path.chmod(0o644)
    harm(path)
    for use in (store.get, store.verify):
        with pytest.raises(IntegrityError, match=r"the artifact model .* is (missing|altered)") as caught:
            use(kept)
        assert str(path) in caught.value.hint
    store.put("model", [1, 2], "json")
    assert store.get(kept) == [1, 2]
    assert path.is_file()
    assert not path.is_symlink()


def test_a_file_in_the_place_of_an_objects_folder_is_named_both_ways(store: ArtifactFiles) -> None:
    kept = store.put("model", [1, 2], "json")
    folder = store.path(kept).parent
    store.path(kept).unlink()
    folder.rmdir()
    folder.write_text("a file")
    with pytest.raises(IntegrityError, match="is missing"):
        store.verify(kept)
    with pytest.raises(ConflictError, match="something else stands"):
        store.put("model", [1, 2], "json")


def test_a_source_that_is_no_file_is_refused(store: ArtifactFiles, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        store.put_file("a", tmp_path)


def test_a_codec_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the codec own cannot be loaded: No module named"):
        ArtifactFiles(tmp_path / "store", {"own": "none_such_module"}).put("a", 1, "own")


UNREADABLE = """
from pathlib import Path
from churnflow.adapters.artifact_files import ArtifactFiles
store = ArtifactFiles(Path(sys.argv[1]), {})
kept = store.put_file("a", Path(sys.argv[2]))
store.path(kept).chmod(0)
with said():
    ArtifactFiles(Path(sys.argv[1]), {}).verify(kept)
"""


def test_an_object_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    said = in_a_process(UNREADABLE, tmp_path / "store", Path(__file__), plain=True)
    assert re.match(r"6 the artifact a .* is not readable in the store", said)


FULL_DISK = """
from pathlib import Path
from churnflow.adapters.artifact_files import ArtifactFiles
store = ArtifactFiles(Path(sys.argv[1]), {"wrapping": "wrapping"})
with full(1000), said():
    store.put_file("big", Path(sys.argv[2]))
sys.path.insert(0, sys.argv[3])
with said():
    store.put("big", 1, "wrapping")
"""


def test_a_full_disk_is_said_in_two_lines_and_leaves_nothing_even_where_a_library_wraps_it(tmp_path: Path) -> None:
    (tmp_path / "wrapping.py").write_text(
        "SUFFIX = '.x'\n"
        "def dump(value, path):\n"
        "    path.write_text('half')\n"
        "    raise RuntimeError('IO Error: could not write: No space left on device')\n"
    )
    big = tmp_path / "big"
    big.write_bytes(b"x" * 5000)
    said = in_a_process(FULL_DISK, tmp_path / "store", big, tmp_path).splitlines()
    assert len(said) == 2
    assert all(line.startswith("5 no space left on the disk of") and "| free some space" in line for line in said)
    assert objects(tmp_path) == []


def test_an_unknown_codec_is_met_with_the_nearest(store: ArtifactFiles) -> None:
    with pytest.raises(UsageError, match="unknown codec: jsn") as caught:
        store.put("a", 1, "jsn")
    assert caught.value.hint == "did you mean json?"


def test_a_codec_that_fails_leaves_nothing(store: ArtifactFiles, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        store.put("a", {1, 2}, "json")
    assert objects(tmp_path) == []


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(ConflictError, match="something else stands"):
        ArtifactFiles(tmp_path / "store", {}).put_file("a", Path(__file__))


def test_what_a_killed_process_left_is_swept(store: ArtifactFiles, tmp_path: Path) -> None:
    folder = tmp_path / "store/tmp"
    folder.mkdir(parents=True)
    left = folder / ".churnflow-999999999-0a1b.json"
    left.write_text("half")
    store.put("a", 1, "json")
    assert not left.exists()
