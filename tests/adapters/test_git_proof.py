"""What git keeps of a run is proved link by link: what hides, is missing, or lies under another's name is reported."""

import zlib
from pathlib import Path

import pytest

from churnflow.adapters.git_chain import ref_of
from churnflow.errors import ChurnflowError
from tests.adapters.workbench import RUN, TAG, Store, Work


@pytest.fixture
def store(work: Work) -> Store:
    """Two checkpoints over a commit."""
    work.commit()
    store = Store(work.path)
    store.save()
    store.save("model-built")
    return store


def broken(store: Store) -> tuple[str, str] | None:
    """Return the first link that does not hold, and what is said of it."""
    for name, check in store.git.proofs(RUN):
        try:
            check()
        except ChurnflowError as error:
            return name, str(error)
    return None


def loose(work: Work, name: str) -> Path:
    oid = work.git("rev-parse", name)
    return work.path / ".git/objects" / oid[:2] / oid[2:]


def test_a_whole_run_and_one_without_a_checkpoint_hold(work: Work, store: Store) -> None:
    assert broken(store) is None
    work.git("gc", "-q")
    work.git("commit-graph", "write", "--reachable")
    assert broken(store) is None
    for _, check in store.git.proofs("261123-none"):
        check()


@pytest.mark.parametrize("what", [f"{TAG}^{{commit}}", TAG, f"{TAG}:code.py"])
def test_a_replacement_of_what_the_run_holds_is_named(work: Work, store: Store, what: str) -> None:
    oid = work.git("rev-parse", what)
    others = {"commit": "HEAD", "tag": f"churnflow/{RUN}/02-model-built", "blob": work.hash("blob", b"forged\n")}
    other = work.git("rev-parse", others[work.git("cat-file", "-t", oid)])
    work.git("update-ref", f"refs/replace/{oid}", other)
    assert broken(store) == (
        "history",
        f"git replace shows another object in the place of {oid[:12]}, which the run {RUN} holds",
    )
    work.git("replace", "-d", oid)
    assert broken(store) is None


def test_a_replacement_of_the_users_own_is_the_users_affair(work: Work, store: Store) -> None:
    work.git("replace", work.hash("blob", b"mine\n"), work.hash("blob", b"other\n"))
    assert broken(store) is None


@pytest.mark.parametrize("file", ["info/grafts", "shallow"])
def test_what_hides_the_history_behind_a_checkpoint_is_named(work: Work, store: Store, file: str) -> None:
    (work.path / ".git/info").mkdir(exist_ok=True)
    (work.path / ".git" / file).write_text(work.git("rev-parse", f"churnflow/{RUN}/02-model-built^{{commit}}") + "\n")
    link, said = broken(store) or ("", "")
    assert link == "history"
    assert ("shallow boundary" if file == "shallow" else "graft") in said


def test_a_shallow_boundary_in_the_users_own_history_hides_no_checkpoint(work: Work, store: Store) -> None:
    (work.path / ".git/shallow").write_text(work.git("rev-parse", "HEAD") + "\n")
    assert broken(store) is None


def test_a_ref_that_is_gone_is_named_with_the_way_back(work: Work, store: Store) -> None:
    work.git("update-ref", "-d", ref_of(RUN))
    link, said = broken(store) or ("", "")
    assert (link, f"the ref {ref_of(RUN)} is gone" in said) == ("commit", True)


def test_a_deleted_tag_is_named_until_it_is_made_again(work: Work, store: Store) -> None:
    work.git("tag", "-d", TAG)
    assert broken(store) == ("tag", f"the tag {TAG} is gone")
    store.git.repair(RUN)
    assert broken(store) is None


@pytest.mark.parametrize(
    ("what", "link"),
    [(TAG, "tag"), (f"{TAG}:checkpoints/{RUN}/01-features-validated.yaml", "record"), (f"{TAG}:code.py", "snapshot")],
)
@pytest.mark.parametrize("how", ["other content", "spoiled", "gone"])
def test_an_object_that_is_not_what_its_name_promises_is_named(
    work: Work, store: Store, what: str, link: str, how: str
) -> None:
    path, kind = loose(work, what), work.git("cat-file", "-t", what)
    content = work.git("cat-file", "-p", what).replace("0", "1", 1).encode() + b"#"
    path.chmod(0o644)
    match how:
        case "other content":
            path.write_bytes(zlib.compress(f"{kind} {len(content)}\0".encode() + content))
        case "spoiled":
            path.write_bytes(path.read_bytes()[:-3] + b"xyz")
        case _:
            path.unlink()
    # A tag that is gone or can not be read already stands in the way of asking what is hidden.
    assert (broken(store) or ("",))[0] in {link, "history" if what == TAG else link}


@pytest.mark.parametrize("suffix", [".pack", ".idx"])
def test_a_pack_or_index_with_a_changed_byte_is_named(work: Work, store: Store, suffix: str) -> None:
    work.git("gc", "-q")
    (path,) = (work.path / ".git/objects/pack").glob(f"*{suffix}")
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    link, said = broken(store) or ("", "")
    assert (link, path.name in said) == ("commit", True), said


def test_a_copy_that_was_edited_or_belongs_to_no_checkpoint_is_named(work: Work, store: Store) -> None:
    copy = work.path / f"checkpoints/{RUN}/02-model-built.yaml"
    text = copy.read_text()
    copy.write_text(text.replace("0.85", "0.95"))
    assert (broken(store) or ("",))[0] == "copy"
    copy.write_text(text.replace("\n", "\r\n"))
    assert broken(store) is None
    copy.rename(copy.with_name("03-lost.yaml"))
    link, said = broken(store) or ("", "")
    assert (link, "does not have (any more)" in said) == ("copy", True)
