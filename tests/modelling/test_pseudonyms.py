"""Pseudonyms: the same for a customer as long as the key is the same, and no way back without it."""

import multiprocessing
from pathlib import Path

import pytest

from churnflow.errors import ConflictError, IntegrityError
from churnflow.modelling.pseudonyms import kept_customer, pseudonym, secret_at


def test_a_customer_has_one_pseudonym_under_a_key_and_another_under_another() -> None:
    first, second = b"a" * 32, b"b" * 32
    assert pseudonym(first, "C-1") == pseudonym(first, "C-1") != pseudonym(second, "C-1")
    assert pseudonym(first, 7) == pseudonym(first, "7") != pseudonym(first, "07")
    assert "C-1" not in pseudonym(first, "C-1")


def test_it_is_half_of_the_keyed_hash() -> None:
    # RFC 4231, test case 2.
    assert pseudonym(b"Jefe", "what do ya want for nothing?") == "p:5bdcc146bf60754e6a042426089575c7"


@pytest.mark.parametrize(
    ("identifier", "kept", "expected"),
    [
        (7, "pseudonym", pseudonym(b"k", "7")),
        (7, "plain", "7"),
        ("nul\0", "plain", "nul\ufffd"),
        (7, "none", None),
        (None, "pseudonym", None),
    ],
)
def test_of_a_customer_is_kept_what_privacy_says(identifier, kept, expected) -> None:
    assert kept_customer(b"k", identifier, kept) == expected


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "serving" / "pseudonym.key"
    key = secret_at(path)
    assert len(key) == 32
    assert secret_at(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["pseudonym.key"]


def put(path: Path, answers: "multiprocessing.Queue[bytes]") -> None:
    answers.put(secret_at(path))


def test_processes_that_begin_together_have_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=put, args=(tmp_path / "key", answers)) for _ in range(4)]
    for process in processes:
        process.start()
    assert len({answers.get(timeout=30) for _ in processes}) == 1
    for process in processes:
        process.join(30)


def test_a_damaged_key_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(IntegrityError, match="is damaged"):
        secret_at(tmp_path / "key")


def test_a_key_that_can_not_be_kept_is_an_error() -> None:
    with pytest.raises(ConflictError, match="can not be kept"):
        secret_at(Path("/proc/none/key"))
