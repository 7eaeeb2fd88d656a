"""No secret of the work tree enters a checkpoint: it is named before git has it; a false alarm can be allowed."""

import string
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from churnflow.adapters.secret_scan import ALLOW
from churnflow.errors import RefusedError
from tests.adapters.workbench import Store, Work

TOKEN = "ghp" + f"_{(string.ascii_letters * 2)[:36]}"
SIGN = TOKEN.encode()[10:30]


def holds(folder: Path, sign: bytes) -> list[Path]:
    """Return the files below a folder that hold `sign`, as they are or unpacked as git's objects are."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        with suppress(zlib.error):
            data += zlib.decompress(data)
        if sign in data:
            found.append(path)
    return found


@pytest.fixture
def store(work: Work) -> Store:
    work.commit()
    return Store(work.path)


def test_a_secret_is_refused_by_file_and_line_before_git_has_it(work: Work, store: Store) -> None:
    store.save()
    work.write("src/settings.py", f"# settings\nTOKEN = '{TOKEN}'\n")
    with pytest.raises(RefusedError) as refused:
        store.save("model-built")
    assert "src/settings.py, line 2 (GitHub token)" in str(refused.value)
    assert TOKEN not in str(refused.value) + refused.value.hint
    assert refused.value.exit_code == 4
    assert holds(work.path / ".git", SIGN) == []
    work.write(".gitignore", "src/settings.py\n")
    assert "src/settings.py" not in work.files_at(store.save("model-built").code.tree)


def test_nothing_that_only_looks_writes_a_secret_either(work: Work, store: Store) -> None:
    checkpoint = store.save()
    work.write("a.env", "DATABASE=abc-def-ghi\n")
    for look in (lambda: store.git.changes(checkpoint), lambda: store.git.restore_files(checkpoint)):
        with pytest.raises(RefusedError, match=r"a\.env, line 1"):
            look()
    assert holds(work.path / ".git", b"abc-def-ghi") == []


def test_a_false_alarm_is_allowed_by_its_digest_which_the_checkpoint_holds_beside_it(work: Work, store: Store) -> None:
    work.write("example.txt", f"{TOKEN}\n")
    with pytest.raises(RefusedError) as refused:
        store.save()
    command = refused.value.hint.partition("echo '")[2].partition("'")[0]
    work.write(ALLOW, f"# reviewed\n{command}\n")
    assert {"example.txt", ALLOW} <= work.files_at(store.save().code.tree)
    work.write("example.txt", f"{TOKEN}\nx{TOKEN.replace('abc', 'xyz')[1:]} {TOKEN[:-3]}xyz\n")
    with pytest.raises(RefusedError, match="line 2"):
        store.save("model-built")
    (work.path / ALLOW).unlink()
    work.write("example.txt", f"{TOKEN}\n")
    with pytest.raises(RefusedError, match="line 1"):
        store.save("model-built")


def test_a_file_that_git_tracks_although_it_ignores_it_is_looked_at(work: Work, store: Store) -> None:
    work.write(".gitignore", ".env\n")
    work.write(".env", "TOKEN=abc\n")
    assert ".env" not in work.files_at(store.save().code.tree)
    work.git("add", "-f", ".env")
    with pytest.raises(RefusedError, match=r"\.env, line 1 \(\.env file that sets a value\)"):
        store.save("model-built")


@pytest.mark.parametrize("spoiled", ["{", "[]", '{"rules": "x", "trees": "--output=x"}', None])
def test_a_spoiled_memory_of_what_was_clean_hides_nothing(work: Work, store: Store, spoiled: str | None) -> None:
    store.save()
    memory = store.repository.state_dir / "clean-trees.json"
    known = memory.read_text()
    # A tree that is no longer there, as after a `git gc`.
    memory.write_text(known.replace(known[-10:-2], "00000000") if spoiled is None else spoiled)
    work.write("b.txt", TOKEN)
    with pytest.raises(RefusedError, match=r"b\.txt, line 1"):
        store.save("model-built")
    assert not (work.path / "x").exists()


def test_a_secret_in_the_words_of_the_record_is_refused_too(work: Work, store: Store) -> None:
    draft = store.draft().model_copy(update={"reason": f"it needs {TOKEN}"})
    with pytest.raises(RefusedError, match="would enter the record") as refused:
        store.git.save(draft)
    assert TOKEN not in str(refused.value) + refused.value.hint
    assert store.git.head(draft.run.id) is None


def test_of_a_large_file_the_beginning_is_looked_at(work: Work, store: Store) -> None:
    work.write("dump.sql", f"-- {TOKEN}\n" + "x" * 1_100_000)
    with pytest.raises(RefusedError, match=r"dump\.sql, line 1"):
        store.save()
    work.write("dump.sql", "x" * 1_100_000)
    assert "dump.sql" in work.files_at(store.save().code.tree)


def test_many_files_are_looked_at_in_parts(work: Work, store: Store) -> None:
    for number in range(40):
        work.write(f"many/{number}.txt", f"{number} " + "y" * 900_000)
    store.save()
    work.write("many/39.txt", TOKEN)
    with pytest.raises(RefusedError, match=r"many/39\.txt, line 1"):
        store.save("model-built")


def test_what_a_checkpoint_holds_anyway_keeps_no_way_back_shut_and_is_told_at_the_next(
    work: Work, store: Store
) -> None:
    work.write(".gitignore", f"{ALLOW}\n")
    work.write("example.txt", f"{TOKEN}\n")
    with pytest.raises(RefusedError) as refused:
        store.save()
    allowed = work.write(ALLOW, refused.value.hint.partition("echo '")[2].partition("'")[0])
    first = store.save()
    allowed.unlink()
    (work.path / "example.txt").unlink()
    store.save("model-built")
    store.git.restore_files(first)
    with pytest.raises(RefusedError, match=r"example\.txt, line 1"):
        store.save("restored")
    store.git.hold(first)
    assert (work.path / "example.txt").read_text() == f"{TOKEN}\n"
    store.save("restored")
    with pytest.raises(RefusedError, match=r"example\.txt, line 1"):
        Store(work.path).save("more")


def test_on_a_way_back_a_secret_that_came_to_lie_open_is_left_out_and_one_to_be_overwritten_refused(
    work: Work, store: Store
) -> None:
    first = store.save()
    store.git.hold(first)
    work.write("another.txt", f"{TOKEN[:-3]}xyz\n")
    assert "another.txt" not in work.files_at(store.save("back").code.tree)
    assert holds(work.path / ".git", SIGN) == []
    with pytest.raises(RefusedError, match=r"another\.txt, line 1"):
        store.git.snapshot({}, ["another.txt"])
    work.git("add", "another.txt")
    with pytest.raises(RefusedError, match=r"another\.txt, line 1"):
        store.git.snapshot({})
