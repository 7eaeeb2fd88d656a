"""No copy of the customers' rows enters a checkpoint under another name, unless its user has put it into git."""

from pathlib import Path

import pytest

from churnflow.domain.evidence import Artifact
from churnflow.errors import RefusedError
from tests.adapters.test_secret_scan import holds
from tests.adapters.workbench import Store, Work

TABLE = "customer_id,tenure,contract\nA1,3,month-to-month-of-A1\n"
DATA = {"data.csv": Artifact(name="data.csv", codec="file", sha256="0" * 64, size_bytes=1)}


@pytest.fixture
def store(work: Work) -> Store:
    work.commit()
    work.write("data.csv", TABLE)
    return Store(work.path)


def taken(work: Work, store: Store) -> set[str]:
    return work.files_at(store.git.snapshot(DATA).tree)


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "tenure;customer_id\n3;month-to-month-of-A1\n",
        "0,customer_id,tenure,contract,score\n1,month-to-month-of-A1,3,m,0.5\n" + "2,A2,3,m,0.5\n" * 90_000,
    ],
)
def test_a_copy_of_rows_is_refused_with_its_source_before_git_has_it(work: Work, store: Store, text: str) -> None:
    work.write("split/train.csv", text)
    with pytest.raises(RefusedError, match=r"split/train\.csv would enter .* rows as in data\.csv") as no:
        store.git.snapshot(DATA)
    assert no.value.exit_code == 4
    assert holds(work.path / ".git", b"month-to-month-of-A1") == []
    work.write(".gitignore", "split/train.csv\n")
    assert taken(work, store) == {"code.py", ".gitignore"}


def test_a_copy_of_a_file_that_is_no_text_is_known_by_its_bytes(work: Work, store: Store) -> None:
    (work.path / "data.csv").write_bytes(b"PAR1\0\1\2" * 200)
    (work.path / "model.bin").write_bytes(b"PAR1\0\1\3" * 200)
    assert taken(work, store) == {"code.py", "model.bin"}
    (work.path / "copy.parquet").write_bytes(b"PAR1\0\1\2" * 200)
    (work.path / "copy2.parquet").write_bytes(b"PAR1\0\1\2" * 200)
    with pytest.raises(RefusedError, match=r"copy\.parquet would .* rows as in data\.csv, and so would 1 more"):
        store.git.snapshot(DATA)


def test_what_the_user_has_put_into_git_is_taken(work: Work, store: Store) -> None:
    work.write("tests/sample.csv", TABLE)
    with pytest.raises(RefusedError) as refused:
        store.git.snapshot(DATA)
    work.git(*refused.value.hint.rpartition("git ")[2].split())
    assert taken(work, store) == {"code.py", "tests/sample.csv"}
    work.git("add", "data.csv")
    work.write("more.csv", TABLE)
    assert taken(work, store) == {"code.py", "tests/sample.csv", "data.csv", "more.csv"}


def test_a_table_that_is_known_later_is_looked_for_in_what_was_clean(work: Work, store: Store) -> None:
    work.write("kept.csv", TABLE)
    assert "kept.csv" in work.files_at(store.git.snapshot({}).tree)
    with pytest.raises(RefusedError, match=r"kept\.csv"):
        store.git.snapshot(DATA)


def test_a_source_that_is_gone_or_a_folder_hides_no_copy_of_another(work: Work, store: Store) -> None:
    folder, gone = (DATA["data.csv"].model_copy(update={"name": name}) for name in ("folder", "gone.csv"))
    (work.path / "folder").mkdir()
    Path(work.path / "gone.txt").symlink_to("nowhere")
    work.write("copy.csv", TABLE)
    with pytest.raises(RefusedError, match=r"copy\.csv"):
        store.git.snapshot({**DATA, "folder": folder, "gone.csv": gone})
