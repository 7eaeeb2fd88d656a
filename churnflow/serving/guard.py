"""Who may ask: API keys, their scopes and their rates, decided before a byte of the body is read."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from churnflow.domain.api_key import MOST_KEYS, ApiKey, KeyRing, Scope
from churnflow.errors import IntegrityError
from churnflow.modelling.bundle import read_limited
from churnflow.serving.buckets import Buckets
from churnflow.serving.requests import Problem, RefusedRequestError
from churnflow.serving.settings import Settings

_MAX_BYTES: Final = 4 * 1024 * 1024

logger = logging.getLogger(__name__)

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Lock:
    """Why no key is asked for, or which keys there are."""

    ring: KeyRing
    readable: bool = True


class Guard:
    """Lets requests in by their key. `refresh` follows the file of keys; a file that can not be read lets nobody in."""

    def __init__(self, settings: Settings) -> None:
        """Take where the keys are, and whether a server without any may answer."""
        self._path = settings.keys
        self._open = settings.open_
        self._seen: object = ()
        self._lock = Lock(KeyRing())
        self._known = False
        self._buckets = Buckets(MOST_KEYS + 1, settings.buckets)

    @property
    def is_open(self) -> bool:
        """Whether requests are answered without a key."""
        return self._open and self._lock.readable and not self._lock.ring.keys

    def refresh(self) -> None:
        """Read the file of keys again if it has changed."""
        try:
            seen = _identity(self._path)
            if seen == self._seen:
                return
            self._seen = seen
            self._lock = self._looked(seen)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError):
                # It may have been the moment: looked at again at the next turn.
                self._seen = ()
            if self._lock.readable:
                logger.warning("the file of API keys can not be read: nobody is let in until it can")
            self._lock = Lock(KeyRing(), readable=False)

    def _looked(self, seen: object) -> Lock:
        if self._path is None or seen is None:
            # A file that was there and is gone lets nobody in: it would open what it had closed.
            return Lock(KeyRing(), readable=not self._known)
        ring = _read(self._path)
        self._known = self._known or bool(ring.keys)
        return Lock(ring)

    def admit(self, headers: Headers, scope: Scope | None) -> ApiKey | None:
        """Return the key of a request that may have what `scope` names (None: any key will do), None where all may.

        Takes a token from the bucket of the key. Raises RefusedRequestError: 401 without a key, 403 for one of another
        scope, 429 with Retry-After when the bucket is empty.
        """
        if self.is_open:
            return None
        token = _token(headers)
        key = self._lock.ring.holder_of(token) if token else None
        if key is None:
            text = "is not a valid API key" if token else "needs an API key: Authorization: Bearer KEY"
            raise RefusedRequestError(401, [Problem("authorization", text)], ((b"www-authenticate", b"Bearer"),))
        if scope is not None and not key.allows(scope):
            raise RefusedRequestError(403, [Problem("authorization", f"this key has not the scope {scope}")])
        wait = self._buckets.take(key.number, key.rate, key.burst)
        if wait:
            text = f"more than {key.rate:g} requests a second, or {key.burst} at once"
            raise RefusedRequestError(429, [Problem("rate", text)], (retry_after(wait),))
        return key

    def close(self) -> None:
        """Give back what is shared with other processes."""
        self._buckets.close()


def has_keys(settings: Settings) -> bool:
    """Tell whether there is a key that may be used. Raises IntegrityError for a file that is none of keys."""
    if settings.keys is None or not settings.keys.exists():
        return False
    try:
        return bool(_read(settings.keys).active)
    except (OSError, ValueError):
        message = f"the file of API keys can not be read: {settings.keys}"
        raise IntegrityError(
            message, hint="bring it back, or remove it and make new keys: churnflow keys add"
        ) from None


def retry_after(seconds: float) -> tuple[bytes, bytes]:
    """Return the header that says when to try again, in whole seconds."""
    return b"retry-after", str(max(1, -int(-seconds // 1))).encode()


def _token(headers: Headers) -> str:
    """Return what stands in `Authorization: Bearer` or `X-API-Key`, empty for none."""
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip().decode("latin-1")
        if name == b"x-api-key":
            return value.strip().decode("latin-1")
    return ""


def _read(path: Path) -> KeyRing:
    """Return the keys in a file. Raises OSError, and ValueError for a file that is none of keys or too long."""
    return KeyRing.model_validate_json(read_limited(path, _MAX_BYTES))


def _identity(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_ctime_ns
