"""No copy of the customers' rows enters git under another name, unless its user has put it there."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from churnflow.domain.evidence import Artifact
from tests.adapters.test_secret_scan import holds
from tests.adapters.workbench import Store, Work

TABLE = "customer_id,tenure,contract\nA1,3,month-to-month-of-A1\n"
SIGN = b"month-to-month-of-A1"


def data(*names: str) -> Mapping[str, Artifact]:
    return {name: Artifact(name=name, codec="file", sha256="0" * 64, size_bytes=1) for name in names or ("data.csv",)}


@pytest.fixture
def store(work: Work) -> Store:
    work.commit()
    work.write("data.csv", TABLE)
    return Store(work.path)


def taken(work: Work, store: Store, *names: str) -> set[str]:
    return work.files_at(store.git.snapshot(data(*names)).tree)


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "tenure;contract;Customer_ID\n3;month-to-month-of-A1;A1\n",
        '{"customer_id": "A1", "tenure": 3, "contract": "month-to-month-of-A1"}\n',
        "0,customer_id,tenure,contract,score\n1,month-to-month-of-A1,3,m,0.5\n" + "2,A2,3,m,0.5\n" * 90_000,
    ],
)
def test_a_copy_of_rows_never_enters_git_and_is_told_with_its_source_once(work: Work, store: Store, text: str) -> None:
    work.write("a/train.csv", text)
    work.write("notes.md", "mine\n")
    assert taken(work, store) == {"code.py", "notes.md"}
    assert store.git.copies == {"a/train.csv": "data.csv"}
    assert holds(work.path / ".git", SIGN) == []
    later = Store(work.path)
    work.write("notes.md", "changed\n")
    assert taken(work, later) == {"code.py", "notes.md"}
    assert later.git.copies == {}
    work.write("b.csv", TABLE)
    assert taken(work, later) == {"code.py", "notes.md"}
    assert later.git.copies == {"b.csv": "data.csv"}
    assert (work.path / "a/train.csv").read_text() == text


@pytest.mark.parametrize("size", [2_000, 1_200_000])
def test_a_copy_of_a_file_that_is_no_text_is_known_by_its_bytes(work: Work, store: Store, size: int) -> None:
    for name, last in {"a.parquet": b"1", "b.parquet": b"2", "model.bin": b"3", "copy.bin": b"1"}.items():
        (work.path / name).write_bytes(b"\0" * size + last)
        os.utime(work.path / name, (0, 0))
    (work.path / "c.parquet").symlink_to("a.parquet")
    assert taken(work, store, "c.parquet", "b.parquet") == {"code.py", "model.bin", "data.csv"}
    assert store.git.copies == {"a.parquet": "c.parquet", "copy.bin": "c.parquet"}


def test_what_the_user_has_put_into_git_is_taken(work: Work, store: Store) -> None:
    work.write("tests/sample.csv", TABLE)
    assert taken(work, store) == {"code.py"}
    work.git("add", "tests/sample.csv")
    assert taken(work, store) == {"code.py", "tests/sample.csv"}
    work.git("add", "data.csv")
    work.write("more.csv", TABLE)
    assert taken(work, store) == {"code.py", "tests/sample.csv", "data.csv", "more.csv"}


def test_a_table_that_is_known_later_is_looked_for_in_what_was_taken_before(work: Work, store: Store) -> None:
    work.write("kept.csv", TABLE)
    assert "kept.csv" in work.files_at(store.git.snapshot({}).tree)
    assert taken(work, store) == {"code.py"}


def test_the_rows_of_a_table_that_was_moved_are_still_known(work: Work, store: Store) -> None:
    assert taken(work, store) == {"code.py"}
    (work.path / "data.csv").rename(work.path / "backup.csv")
    assert taken(work, Store(work.path)) == {"code.py"}


@pytest.mark.parametrize(
    "spoiled", ["{", "[]", '{"rules": 1, "tree": [], "columns": []}', '{"columns": {"data.csv": 1}}']
)
def test_a_spoiled_memory_hides_no_copy(work: Work, store: Store, spoiled: str) -> None:
    taken(work, store)
    (store.repository.state_dir / "row-copies.json").write_text(spoiled)
    work.write("copy.csv", TABLE)
    assert taken(work, Store(work.path)) == {"code.py"}


def test_a_source_that_is_gone_a_folder_a_pipe_or_unreadable_hides_no_copy_of_another(work: Work, store: Store) -> None:
    (work.path / "folder").mkdir()
    Path(work.path / "gone.txt").symlink_to("nowhere")
    os.mkfifo(work.path / "pipe")
    work.write("copy.csv", TABLE)
    assert taken(work, store, "data.csv", "folder", "gone.csv", "pipe") == {"code.py", "gone.txt"}


def test_files_of_any_name_are_left_out(work: Work, store: Store) -> None:
    for name in (
        "-x [a].csv",
        ":(top)b.csv",
        'quote"d.csv',
        "new\nline.csv",
        "ünï.csv",
        os.fsdecode(b"latin-\xe9.csv"),
    ):
        work.write(name, TABLE)
    assert taken(work, store) == {"code.py"}


def test_in_a_project_below_the_top_copies_anywhere_are_told_by_the_path_from_it(work: Work) -> None:
    work.commit()
    work.write("shop/data.csv", TABLE)
    work.write("shop/split/train.csv", TABLE)
    work.write("beside.csv", TABLE)
    store = Store(work.path / "shop")
    assert taken(work, store) == {"code.py"}
    assert store.git.copies == {"split/train.csv": "data.csv", "../beside.csv": "data.csv"}
    assert taken(work, Store(work.path / "shop")) == {"code.py"}
