"""What every checker and maker of signatures does."""

from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.adapters.ssh_signatures import KeySigner, SshSignatures
from churnflow.domain.reviewers import ListedReviewer, ReviewerList
from churnflow.engine.ports import Signatures, Signer
from churnflow.errors import RefusedError
from tests.fake_signing import FakeSignatures, FakeSigner, public_key_of
from tests.fakes import START
from tests.keys import make_key, public

SPACE = "churnflow-approval"


@pytest.fixture
def signatures(kind: str) -> Signatures:
    return FakeSignatures() if kind == "fake" else SshSignatures()


@pytest.fixture
def holder(kind: str, folder: Path) -> Callable[[str], tuple[Signer, str]]:
    """Make a key of that name; return who signs with it, and the public key."""

    def made(name: str) -> tuple[Signer, str]:
        if kind == "fake":
            return FakeSigner(name), public_key_of(name)
        key = make_key(folder, name)
        return KeySigner(key, SshSignatures()), public(key)

    return made


Holder = Callable[[str], tuple[Signer, str]]


def test_a_signature_holds_for_its_message_its_namespace_and_its_key(signatures: Signatures, holder: Holder) -> None:
    (ann, key), (bo, other) = holder("ann"), holder("bo")
    made = ann.sign(b"this", SPACE)
    assert signatures.verify(b"this", made, SPACE, [other, key])
    assert not signatures.verify(b"that", made, SPACE, [key])
    assert not signatures.verify(b"this", made, "git", [key])
    assert not signatures.verify(b"this", made, SPACE, [other])
    assert not signatures.verify(b"this", made, SPACE, [])
    assert not signatures.verify(b"this", bo.sign(b"this", SPACE), SPACE, [key])
    assert not signatures.verify(b"this", "-----BEGIN SSH SIGNATURE-----\nAA==\n", SPACE, [key])


def test_a_signer_knows_who_it_is_in_the_list(holder: Holder) -> None:
    (ann, key), (eve, _) = holder("ann"), holder("eve")
    entry = ListedReviewer(name="ann", key=key, roles=("admin",), since=START)
    listed = ReviewerList(project="0" * 32, number=1, previous=None, at=START, by="ann", reviewers=(entry,))
    assert ann.signs_as(listed) == entry
    with pytest.raises(RefusedError, match="not"):
        eve.signs_as(listed)
