"""The HTTP connection: what uvicorn leaves open, a deadline for the head of a request and a limit for its size."""

import asyncio
import logging

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
BODY_SECONDS = 10
MAX_HEAD_BYTES = 64 * 1024

# A line for each request that is no HTTP would let any client fill the log.
_logger = logging.getLogger(__name__)
_logger.setLevel(logging.ERROR)

_LATE_BODY = b'{"detail":[{"field":"body","problem":"did not arrive within %d seconds"}]}' % BODY_SECONDS
_TOO_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_LATE_BODY), _LATE_BODY)
)
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class DeadlineProtocol(HttpToolsProtocol):
    """A connection that is closed when a request does not arrive in time, or its head does not end.

    Without it a client that sends a byte now and then holds a connection for ever. A connection that is kept between
    requests has a deadline already.
    """

    _overdue: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.logger = _logger
        self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what begins a request that does not end in it is waited for."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self.transport.write(_TOO_LONG)
            self.transport.close()
        elif self._overdue is None and (self._in_head or self._in_body or self._is_idle):
            # A blank line between requests begins none, and has ended the wait for the next one.
            self._wait(BODY_SECONDS if self._in_body and not self._in_head else HEAD_SECONDS)

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the head is there."""
        self._in_head = False
        self._head_bytes = 0
        self._arrived()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the body is there."""
        self._arrived()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Count the head of the next request from here."""
        self._head_bytes = 0
        super().on_response_complete()

    @property
    def _in_body(self) -> bool:
        return self.cycle.more_body and not self.cycle.response_complete

    @property
    def _is_idle(self) -> bool:
        return not self._in_head and self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        self._overdue = self.loop.call_later(seconds, self._late)

    def _arrived(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _late(self) -> None:
        self._overdue = None
        if self.transport.is_closing():
            return
        if not self._in_head and not self.cycle.response_started:
            self.transport.write(_TOO_LATE)
        self.transport.close()
