"""What a server of the API says that it serves."""

import json
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from churnflow.domain.release import Release
from churnflow.errors import ConflictError, IntegrityError, UsageError

SECONDS: Final = 10.0
MOST_BYTES: Final = 1_000_000
PATH: Final = "/api/v1/version"
_HINT: Final = "a server of `churnflow serve` follows the pointer of its project; its log says why this one does not"


def version_at(url: str) -> dict[str, Any]:
    """Return what the server at `url` answers for its version. Ten seconds are waited, no redirect is followed.

    Raises UsageError for what is no address of HTTP, ConflictError where no server of the API answers.
    """
    where = _address(url)
    # A proxy could answer in the server's place.
    opener = build_opener(ProxyHandler({}), _Staying)
    try:
        with opener.open(Request(where + PATH), timeout=SECONDS) as response:  # noqa: S310 - HTTP alone, see _address
            answer = json.loads(response.read(MOST_BYTES))
    except (OSError, HTTPException, ValueError, RecursionError) as failure:
        message = f"the server at {where} does not tell what it serves: {type(failure).__name__}"
        raise ConflictError(message, hint="start it with `churnflow serve`, or leave --url out") from failure
    if not isinstance(answer, dict) or "sha256" not in answer:
        message = f"what answers at {where} is no server of churnflow"
        raise ConflictError(message, hint="give the address that `churnflow serve` prints")
    return answer


def refuse_other(url: str, served: Release | None) -> None:
    """Raise IntegrityError unless the server at `url` serves what the pointer says, by the digest of its bundle."""
    answer = version_at(url)
    stated = {
        "sha256": served.artifact.sha256 if served else None,
        "version": served.version if served else None,
        "checkpoint": served.checkpoint if served else None,
    }
    for name, value in stated.items():
        if answer.get(name) != value:
            message = f"the server says {name} {str(answer.get(name))[:80]}, and the pointer {value}"
            raise IntegrityError(message, hint=_HINT)


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or parts.username is not None or not url.isprintable() or " " in url:
        message = "--url is no address of a server that begins with http:// or https://"
        raise UsageError(message, hint="for example --url http://127.0.0.1:8000")
    return f"{parts.scheme}://{parts.netloc}"


class _Staying(HTTPRedirectHandler):
    """Follows no redirect: another host would answer in the place of the one that was asked about."""

    def redirect_request(self, *_: Any) -> None:
        """Return nothing, which makes an error of the redirect."""
