"""What every place for the list of reviewers does."""

import subprocess
from pathlib import Path

import pytest

from churnflow.adapters.git_reviewers import GitReviewers
from churnflow.adapters.repository import open_repository
from churnflow.domain.reviewers import ListedReviewer, Pin, ReviewerList, SignedList
from churnflow.engine.ports import ReviewerLists
from churnflow.errors import ConflictError
from tests.fake_signing import FakeReviewers, FakeSignatures, public_key_of
from tests.fakes import START


@pytest.fixture
def lists(kind: str, folder: Path) -> ReviewerLists:
    if kind == "fake":
        return FakeReviewers()
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    return GitReviewers(open_repository(folder))


def version(number: int, previous: str | None = None) -> SignedList:
    ann = ListedReviewer(name="ann", key=public_key_of("ann"), roles=("admin",), since=START)
    listed = ReviewerList(project="0" * 32, number=number, previous=previous, at=START, by="ann", reviewers=(ann,))
    return SignedList(listed=listed, signature=FakeSignatures().made(ann.key, listed.text(), "churnflow-reviewers"))


def test_before_the_first_there_is_no_version_and_nothing_was_seen(lists: ReviewerLists) -> None:
    assert list(lists.history()) == []
    assert lists.pinned() is None


def test_versions_come_back_in_order_as_they_were_added(lists: ReviewerLists) -> None:
    first = version(1)
    second = version(2, first.listed.sha256)
    lists.append(first)
    lists.append(second)
    assert list(lists.history()) == [first, second]


def test_a_version_that_does_not_follow_is_refused(lists: ReviewerLists) -> None:
    lists.append(version(1))
    for number in (1, 3):
        with pytest.raises(ConflictError):
            lists.append(version(number))
    assert len(lists.history()) == 1


def test_what_was_seen_is_remembered(lists: ReviewerLists) -> None:
    for number in (1, 2):
        pin = Pin(first="1" * 64, number=number, newest="2" * 64)
        lists.pin(pin)
        assert lists.pinned() == pin
