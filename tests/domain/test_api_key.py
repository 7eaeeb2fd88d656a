"""API keys as values: a token opens what its key names, as long as the key is not revoked."""

from datetime import UTC, datetime

import pytest

from churnflow.domain.api_key import ApiKey, KeyRing, digest_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TOKEN = f"cf_{'a' * 12}_{'B' * 43}"
KEY = ApiKey(id="a" * 12, number=1, name="crm", sha256=digest_of(TOKEN), scopes=("predict",), made_at=NOW)


def test_a_token_is_found_again_and_nothing_else_is() -> None:
    ring = KeyRing(keys=(KEY,))
    assert ring.holder_of(TOKEN) == KEY
    for wrong in ("", TOKEN[:-1], TOKEN[:-1] + "C", TOKEN.replace("a" * 12, "b" * 12), "ü" * 59, f" {TOKEN}"):
        assert ring.holder_of(wrong) is None


def test_a_revoked_key_opens_nothing() -> None:
    ring = KeyRing(keys=(KEY.model_copy(update={"revoked_at": NOW}),))
    assert ring.holder_of(TOKEN) is None
    assert not ring.active


@pytest.mark.parametrize(("scopes", "allowed"), [(("predict",), False), (("feedback",), True), (("admin",), True)])
def test_a_key_allows_its_scopes_and_an_admins_all(scopes, allowed) -> None:
    assert KEY.model_copy(update={"scopes": scopes}).allows("feedback") is allowed
