"""Pseudonyms of customers: keyed hashes, which nobody without the key can compute or search.

HMAC-SHA256 (RFC 2104). Whoever has the key can tell whether a given customer is meant, so that outcomes find their
predictions and a person can be forgotten; the key never leaves the machine that serves.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from churnflow.errors import ConflictError, IntegrityError

KEY_BYTES = 32


def secret_at(path: Path) -> bytes:
    """Return the key kept in a file; it is made, for its owner alone, where there is none.

    Processes that begin together get the same key. Raises IntegrityError when the file is of another length,
    ConflictError when it can not be made or read.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        message = f"the key of pseudonyms can not be kept: {path}: {error.strerror}"
        raise ConflictError(message, hint="give write permission to that folder") from error
    if len(key) != KEY_BYTES:
        message = f"the key of pseudonyms is damaged: {path}"
        raise IntegrityError(message, hint="bring it back from a backup: with another key no customer is found again")
    return key


def pseudonym(secret: bytes, identifier: str | int) -> str:
    """Return what stands for a customer: `p:` and half of the keyed hash of the id, in hex."""
    text = str(identifier).encode(errors="surrogatepass")
    return f"p:{hmac.new(secret, text, hashlib.sha256).hexdigest()[:32]}"


def of_a_lost_key() -> Callable[[str], str]:
    """Return what makes pseudonyms with a key that nobody keeps: equal ids have equal ones, and that is all."""
    return partial(pseudonym, secrets.token_bytes(KEY_BYTES))


def kept_customer(secret: bytes, identifier: str | int | None, kept: str) -> str | None:
    """Return what is kept of a customer's id: its `pseudonym`, the id (`plain`), or nothing (`none`)."""
    if identifier is None or kept == "none":
        return None
    if kept == "plain":
        return str(identifier).replace("\0", "\ufffd")  # a text of PostgreSQL holds no NUL
    return pseudonym(secret, identifier)


def _make(path: Path) -> None:
    """Write a new key under another name and link it: the first of several processes wins, and none sees half of it."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()
