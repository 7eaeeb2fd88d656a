"""API keys: who may ask the prediction API what, kept as digests of what the clients hold."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Final, Literal

from pydantic import ConfigDict, Field

from churnflow.domain.base import Frozen, Moment, Name, Sha256

Scope = Literal["predict", "feedback", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("predict", "feedback", "admin")
MOST_KEYS: Final = 1_000
USUAL_RATE: Final = 100.0
USUAL_BURST: Final = 200

# What a client sends: an id to find the key by, and a secret of 32 random bytes.
TOKEN: Final = re.compile(r"cf_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")


class ApiKey(Frozen):
    """One key. number: its place among all that were ever made, from 1. sha256: of the whole token, never the token.

    rate: requests a second that it may go on with; burst: how many at once after a pause. A token has 256 random bits,
    so that a plain digest of it can not be searched, and needs no slow hash.
    """

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    number: int = Field(ge=1, le=MOST_KEYS)
    name: Name
    sha256: Sha256
    scopes: tuple[Scope, ...] = Field(min_length=1)
    rate: float = Field(default=USUAL_RATE, gt=0, le=1e6)
    burst: int = Field(default=USUAL_BURST, ge=1, le=1_000_000)
    made_at: Moment
    revoked_at: Moment | None = None

    def allows(self, scope: Scope) -> bool:
        """Tell whether the key may be used for `scope`; an admin's may be for everything."""
        return scope in self.scopes or "admin" in self.scopes


class KeyRing(Frozen):
    """All keys of a project, revoked ones among them."""

    # A frozen model keeps what it has worked out of its fields.
    model_config = ConfigDict(ignored_types=(cached_property,))

    form: Literal["churnflow/keys@1"] = Field(default="churnflow/keys@1", alias="schema")
    keys: tuple[ApiKey, ...] = ()

    @cached_property
    def active(self) -> Mapping[str, ApiKey]:
        """The keys that are not revoked, by id."""
        return {key.id: key for key in self.keys if key.revoked_at is None}

    def holder_of(self, token: str) -> ApiKey | None:
        """Return the active key that `token` is, None if it is none.

        The digests are compared in constant time, also where no key has that id.
        """
        parts = TOKEN.fullmatch(token)
        known = self.active.get(parts["id"]) if parts else None
        expected = known.sha256 if known else "0" * 64
        matches = hmac.compare_digest(digest_of(token), expected)
        return known if matches else None


def digest_of(token: str) -> str:
    """Return the sha256 of a token, in hex."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
