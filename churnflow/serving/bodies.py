"""Bodies of requests and responses, as ASGI messages: limits in bytes, and JSON."""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from churnflow.serving.requests import Problem, RefusedRequestError

MAX_BODY_BYTES: Final = 2_000_000
# A longer body is read and dropped up to here, as a client that is still sending does not see an early answer.
DISCARD_BYTES: Final = 8 * MAX_BODY_BYTES

Headers = Iterable[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def declared_length(headers: Headers) -> int:
    """Return the length that a request says its body has, 0 where it says none."""
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


async def receive_body(headers: Headers, receive: Receive) -> bytes:
    """Return the body of a request, JSON by its content type; the connection sees to it that it comes in time.

    Raises RefusedRequestError: 413 when it is longer than MAX_BODY_BYTES, before it is read where that is far beyond;
    415 for another content type; 400 when it was cut off.
    """
    length, media = 0, b""
    for name, value in headers:
        if name == b"content-length":
            length = int(value) if value.isdigit() else 0
        elif name == b"content-type":
            media = value.partition(b";")[0].strip().lower()
    body = None if length > DISCARD_BYTES else await _received(receive)
    if body is None:
        raise RefusedRequestError(413, [Problem("body", f"must not be longer than {MAX_BODY_BYTES} bytes")])
    if media != b"application/json":
        raise RefusedRequestError(415, [Problem("body", "must be sent as content-type application/json")])
    return body


async def _received(receive: Receive) -> bytes | None:
    """Return what was sent, None when it is longer than MAX_BODY_BYTES."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole = bytes(message.get("body", b""))
        return whole if len(whole) <= MAX_BODY_BYTES else None
    chunks: list[bytes] = []
    length = 0
    while True:
        if message["type"] != "http.request":
            raise RefusedRequestError(400, [Problem("body", "was cut off")])
        chunk, more = message.get("body", b""), message.get("more_body", False)
        length += len(chunk)
        if length <= MAX_BODY_BYTES:
            chunks.append(chunk)
        if not more or length > DISCARD_BYTES:
            break
        message = await receive()
    return bytes(b"".join(chunks)) if length <= MAX_BODY_BYTES else None


async def send_json(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Send a response of JSON."""
    length = str(len(body)).encode()
    fields = [(b"content-type", b"application/json"), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def send_refusal(send: Send, refused: RefusedRequestError) -> None:
    """Send why a request is not answered."""
    await send_json(send, refused.status, refusal_json(refused), refused.headers)


def refusal_json(refused: RefusedRequestError) -> bytes:
    """Return the body of a refusal.

    ASCII only: what a client sent may come back in a field's name, and need not be valid in UTF-8.
    """
    return json.dumps({"detail": [problem.as_json() for problem in refused.problems]}, separators=(",", ":")).encode()
