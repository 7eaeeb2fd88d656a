"""The list of reviewers in a real repository: it travels with a push, and what is no list is refused."""

from pathlib import Path

import pytest

from churnflow.adapters.git_reviewers import REF, GitReviewers, GitWriters
from churnflow.adapters.repository import open_repository
from churnflow.errors import ConflictError, IntegrityError
from tests.adapters.workbench import RUN, Store, Work
from tests.conformance.test_reviewer_lists import version


def reviewers(work: Work) -> GitReviewers:
    return GitReviewers(open_repository(work.path))


def test_the_list_travels_with_a_push_of_its_ref(work: Work, tmp_path: Path) -> None:
    first = version(1)
    reviewers(work).append(first)
    work.git("init", "-q", "--bare", str(tmp_path / "remote"))
    work.git("push", "-q", str(tmp_path / "remote"), REF)
    work.git("init", "-q", str(tmp_path / "clone"))
    clone = Work(tmp_path / "clone")
    clone.git("fetch", "-q", str(tmp_path / "remote"), f"{REF}:{REF}")
    assert list(reviewers(clone).history()) == [first]
    clone.git("pack-refs", "--all")
    assert list(reviewers(clone).history()) == [first]


def test_a_list_that_was_fetched_is_read_before_a_ref_leads_to_it(work: Work) -> None:
    first = version(1)
    reviewers(work).append(first)
    tip = work.git("rev-parse", REF)
    work.git("update-ref", "-d", REF)
    assert list(reviewers(work).history()) == []
    assert list(GitReviewers(open_repository(work.path), tip).history()) == [first]


def test_a_version_is_two_files_that_ssh_keygen_takes_as_they_are(work: Work) -> None:
    one = version(1)
    reviewers(work).append(one)
    assert work.files_at(REF) == {"reviewers.json", "reviewers.json.sig"}
    assert work.git("show", f"{REF}:reviewers.json") == one.listed.text().decode().strip()
    assert work.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    "files",
    [
        {"reviewers.json": "{}", "reviewers.json.sig": version(1).signature},
        {"reviewers.json": version(1).listed.text().decode()},
        {"reviewers.json": version(1).listed.text().decode() + " ", "reviewers.json.sig": version(1).signature},
        {"reviewers.json": version(1).listed.text().decode(), "reviewers.json.sig": "no signature"},
    ],
    ids=["no list", "no signature file", "not canonical", "no signature"],
)
def test_what_is_no_list_is_refused(work: Work, files: dict[str, str]) -> None:
    for name, text in files.items():
        work.write(name, text)
    work.git("add", *files)
    work.git("update-ref", REF, work.git("commit-tree", "-m", "x", work.git("write-tree")))
    with pytest.raises(IntegrityError, match="leads to what is no list of reviewers"):
        reviewers(work).history()


def test_a_ref_that_leads_to_no_commit_is_refused(work: Work) -> None:
    work.git("update-ref", REF, work.hash("blob", b"x"))
    with pytest.raises(IntegrityError, match="leads to what is no list of reviewers"):
        reviewers(work).history()


def test_two_who_change_the_list_at_once_do_not_lose_one(work: Work) -> None:
    reviewers(work).append(version(1))
    reviewers(work).append(version(2))
    with pytest.raises(ConflictError, match="was changed meanwhile"):
        reviewers(work).append(version(2))
    assert len(reviewers(work).history()) == 2


def test_a_note_of_what_was_seen_that_was_altered_is_refused(work: Work) -> None:
    place = work.path / ".git" / "churnflow" / "reviewers.pin"
    place.parent.mkdir()
    place.write_text("{}")
    with pytest.raises(IntegrityError, match="what was seen of the list of reviewers was altered"):
        reviewers(work).pinned()


def test_writers_are_the_authors_and_committers_since_a_tag(work: Work) -> None:
    writers = GitWriters(open_repository(work.path))
    assert writers(RUN, None) == []
    work.commit()
    Store(work.path).save()
    assert writers(RUN, None) == ["Ada", "ada@example.org"]
    released = f"churnflow/{RUN}/01-features-validated"
    assert writers(RUN, released) == []
    work.git("-c", "user.name=Bo", "-c", "user.email=bo@x", "commit", "-q", "--allow-empty", "-m", "more")
    work.git("-c", "user.name=Cy", "commit", "-q", "--allow-empty", "--author", "Di <di@x>", "-m", "more")
    assert set(writers(RUN, released)) == {"Bo", "bo@x", "Cy", "Di", "di@x", "ada@example.org"}
    assert set(writers(RUN, "churnflow/gone/01-x")) >= {"Ada", "Bo"}


def test_a_configured_program_for_signatures_is_not_run_to_find_the_writers(work: Work) -> None:
    trap = work.write("liar", f"#!/bin/sh\ntouch {work.path / 'ran'}\n")
    trap.chmod(0o755)
    work.git("config", "log.showSignature", "true")
    work.git("config", "gpg.ssh.program", str(trap))
    work.git("config", "gpg.program", str(trap))
    work.commit()
    tree, parent = work.git("rev-parse", "HEAD^{tree}"), work.git("rev-parse", "HEAD")
    person = "Ada <ada@example.org> 1700000000 +0000"
    armour = "gpgsig -----BEGIN SSH SIGNATURE-----\n AA==\n -----END SSH SIGNATURE-----"
    text = f"tree {tree}\nparent {parent}\nauthor {person}\ncommitter {person}\n{armour}\n\nsigned\n"
    work.git("update-ref", "HEAD", work.hash("commit", text.encode()))
    assert "Ada" in GitWriters(open_repository(work.path))(RUN, None)
    assert not (work.path / "ran").exists()


def test_what_stood_before_a_list_is_known_by_git_and_no_graft_adds_to_it(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    old, newest = store.save(), store.save()
    lists = reviewers(work)
    tips = lists.tips()
    later = store.save()
    assert [lists.precedes(one.tag, tips) for one in (old, newest, later)] == [True, True, False]
    assert not lists.precedes(later.tag, [])
    assert not lists.precedes("churnflow/gone/01-x", tips)
    commit = work.git("rev-parse", f"refs/tags/{later.tag}^{{commit}}")
    work.write(".git/info/grafts", f"{tips[0]} {commit}\n")
    work.git("config", "core.commitGraph", "true")
    assert not lists.precedes(later.tag, tips)
