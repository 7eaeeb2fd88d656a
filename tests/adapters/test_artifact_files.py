"""The artifact store on a real file system: what was put comes back, or is said to be broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.errors import ConflictError, IntegrityError, UsageError
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


def test_a_value_comes_back_and_equal_bytes_are_kept_once(store: ArtifactFiles, tmp_path: Path) -> None:
    first = store.put("a", {"x": 1}, "json")
    second = store.put("b", {"x": 1}, "json")
    assert store.get(first) == {"x": 1}
    assert (first.sha256, first.size_bytes) == (second.sha256, len(json.dumps({"x": 1})))
    assert objects(tmp_path) == [store.path(first)]
    assert store.path(first).stat().st_mode & 0o777 == 0o444
    assert store.path(first).parent.stat().st_mode & 0o777 == 0o700


def test_a_file_is_copied_not_linked(store: ArtifactFiles, tmp_path: Path) -> None:
    source = tmp_path / "data.csv"
    data = os.urandom(3_000_000)
    source.write_bytes(data)
    kept = store.put_file("data", source)
    assert kept == artifact("data", data)
    assert store.path(kept).stat().st_nlink == 1
    source.write_bytes(b"edited")
    assert Path(str(store.get(kept))).read_bytes() == data


@pytest.mark.parametrize("how", ["deleted", "altered", "cut"])
def test_a_broken_object_is_named_and_healed_by_its_bytes(store: ArtifactFiles, how: str) -> None:
    kept = store.put("model", [1, 2], "json")
    path = store.path(kept)
    path.chmod(0o644)
    match how:
        case "deleted":
            path.unlink()
        case "altered":
            path.write_text("[1, 3]")
        case _:
            path.write_text("[1")
    for use in (store.get, store.verify):
        with pytest.raises(IntegrityError, match=r"the artifact model .* is (missing|altered)") as caught:
            use(kept)
        assert str(path) in caught.value.hint
    store.put("model", [1, 2], "json")
    assert store.get(kept) == [1, 2]


def test_an_unknown_codec_is_met_with_the_nearest(store: ArtifactFiles) -> None:
    with pytest.raises(UsageError, match="unknown codec: jsn") as caught:
        store.put("a", 1, "jsn")
    assert caught.value.hint == "did you mean json?"


def test_a_codec_that_fails_leaves_nothing(store: ArtifactFiles, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        store.put("a", {1, 2}, "json")
    assert objects(tmp_path) == []


def test_a_full_disk_is_said_in_two_lines_and_leaves_nothing(tmp_path: Path) -> None:
    limit = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from pathlib import Path; from churnflow.adapters.artifact_files import ArtifactFiles;"
        "from churnflow.errors import ConflictError\n"
        "try: ArtifactFiles(Path(sys.argv[1]), {}).put_file('big', Path(sys.argv[2]))\n"
        "except ConflictError as error: print(error, '|', error.hint)"
    )
    big = tmp_path / "big"
    big.write_bytes(b"x" * 5000)
    done = subprocess.run(
        [sys.executable, "-c", limit, str(tmp_path / "store"), str(big)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("no space left on the disk")
    assert "free some space" in done.stdout
    assert objects(tmp_path) == []


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(ConflictError, match="something else stands"):
        ArtifactFiles(tmp_path / "store", {}).put_file("a", Path(__file__))


def test_what_a_killed_process_left_is_swept(store: ArtifactFiles, tmp_path: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    folder = tmp_path / "store/tmp"
    folder.mkdir(parents=True)
    left = folder / f".churnflow-{dead.stdout.decode().strip()}-00.tmp"
    left.write_text("half")
    store.put("a", 1, "json")
    assert not left.exists()
