"""The door of the API: who may come in is decided here, and each request is counted with what became of it."""

import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from churnflow.domain.api_key import Scope as KeyScope
from churnflow.serving import measures
from churnflow.serving.bodies import Receive, Send, send_refusal
from churnflow.serving.documentation import FEEDBACK_PATH, PREDICT_PATH
from churnflow.serving.guard import Guard
from churnflow.serving.logbook import Logbook
from churnflow.serving.predicting import Predicting
from churnflow.serving.requests import Problem, RefusedRequestError

# Probes are asked by what has no key.
_UNGUARDED: Final = frozenset({"/health", "/ready"})
_SCOPES: Final[Mapping[str, KeyScope]] = {FEEDBACK_PATH: "feedback", "/metrics": "admin"}
# Counted by name; what else is asked for could be any text.
_ROUTES: Final[Mapping[str, str]] = {
    FEEDBACK_PATH: "feedback",
    "/health": "health",
    "/ready": "ready",
    "/metrics": "metrics",
    "/api/v1/version": "version",
    "/api/v1/model": "model",
}


class Front:
    """The whole API as one ASGI application."""

    def __init__(self, app: Any, predicting: Predicting, guard: Guard, logbook: Logbook | None) -> None:
        """Take FastAPI's application, the short way of predictions, who may ask, and the log, None for none."""
        self._app = app
        self._predicting = predicting
        self._guard = guard
        self._logbook = logbook

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or follow the life of the process."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif not scope["path"].isprintable():
            # A router may take "/metrics" and a line break for "/metrics", and its scope would not be asked for.
            await send_refusal(send, RefusedRequestError(404, [Problem("path", "not found")]))
        elif scope["path"] == PREDICT_PATH and scope["method"] == "POST":
            await self._predicting(scope, receive, send)
        else:
            await self._other(scope, receive, send)

    async def _other(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        started, path, status = time.perf_counter(), scope["path"], 500

        async def heard(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            if path not in _UNGUARDED:
                scope["key"] = self._guard.admit(scope["headers"], _SCOPES.get(path))
            await self._app(scope, receive, heard)
        except RefusedRequestError as refused:
            await send_refusal(heard, refused)
        finally:
            seconds = time.perf_counter() - started
            measures.answered(_ROUTES.get(path, "other"), status, seconds)
            if path == FEEDBACK_PATH and self._logbook is not None:
                self._logbook.count("feedback", status, seconds)
