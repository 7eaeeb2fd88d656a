"""In-memory answers for the ports of signing: signatures, who signs, and the list of reviewers."""

import hashlib
from collections.abc import Sequence

from churnflow.domain.reviewers import ListedReviewer, Pin, ReviewerList, SignedList
from churnflow.errors import ConflictError, RefusedError


class FakeSignatures:
    """A signature of a message is the digest of the key, the namespace and the message, in SSH's armour."""

    def verify(self, message: bytes, signature: str, namespace: str, keys: Sequence[str]) -> bool:
        return any(signature == self.made(key, message, namespace) for key in keys)

    def made(self, key: str, message: bytes, namespace: str) -> str:
        text = hashlib.sha256(f"{key} {namespace} ".encode() + message).hexdigest()
        return f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"


class FakeSigner:
    """Holds the private half of the key of that name."""

    def __init__(self, name: str) -> None:
        self.key = public_key_of(name)

    def signs_as(self, listed: ReviewerList) -> ListedReviewer:
        found = next((one for one in listed.reviewers if one.key == self.key), None)
        if found is None:
            message = "the key is not listed"
            raise RefusedError(message, hint="have it listed")
        return found

    def sign(self, message: bytes, namespace: str) -> str:
        return FakeSignatures().made(self.key, message, namespace)


def public_key_of(name: str) -> str:
    """Return a key that has the form of one."""
    return "ssh-ed25519 " + hashlib.sha256(name.encode()).hexdigest()


class FakeReviewers:
    """The versions of the list of reviewers in a list; `before` says which tags came before which tips."""

    def __init__(self) -> None:
        self.versions: list[SignedList] = []
        self.seen: Pin | None = None
        self.kept: list[str] = []
        self.before: set[tuple[str, tuple[str, ...]]] = set()

    def history(self) -> Sequence[SignedList]:
        return tuple(self.versions)

    def append(self, version: SignedList) -> None:
        if version.listed.number != len(self.versions) + 1:
            message = "the list was changed meanwhile"
            raise ConflictError(message, hint="look at it")
        self.versions.append(version)

    def tips(self) -> Sequence[str]:
        return tuple(self.kept)

    def precedes(self, tag: str, tips: Sequence[str]) -> bool:
        return (tag, tuple(tips)) in self.before

    def pinned(self) -> Pin | None:
        return self.seen

    def pin(self, pin: Pin) -> None:
        self.seen = pin
