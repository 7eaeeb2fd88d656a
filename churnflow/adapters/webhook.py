"""A webhook: where the outcome of monitoring is posted as JSON; that it fails is told, and never an error."""

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from churnflow.errors import UsageError

SECONDS: Final = 10.0
_SCHEMES: Final = ("http", "https")


def checked(url: str) -> str:
    """Return the URL of a webhook. Raises UsageError for one that is not of HTTP, without repeating it."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or not url.isprintable() or " " in url:
        message = "the webhook is no address that begins with http:// or https://"
        raise UsageError(message, hint="for example --webhook https://hooks.example.com/services/...")
    return url


def post(url: str, content: Mapping[str, Any]) -> str | None:
    """Post `content` as JSON; return None where it was taken, else why not, without the URL's path and its secret.

    It is sent to this address alone: a redirect is not followed. Ten seconds are waited.
    """
    host = urlsplit(url).hostname
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "churnflow"}
    request = Request(url, body, headers, method="POST")  # noqa: S310 - `checked` lets HTTP through alone
    try:
        with build_opener(_Staying).open(request, timeout=SECONDS):
            return None
    except HTTPError as answer:
        answer.close()
        return f"the webhook at {host} answered {answer.code}"
    except (OSError, HTTPException, ValueError) as failure:
        reason = getattr(failure, "reason", None) or failure
        return f"the webhook at {host} was not reached: {getattr(reason, 'strerror', None) or type(reason).__name__}"


class _Staying(HTTPRedirectHandler):
    """Follows no redirect: what is posted could else go to another host, or to another scheme."""

    def redirect_request(self, *_: Any) -> None:
        """Return nothing, which makes an error of the redirect."""
