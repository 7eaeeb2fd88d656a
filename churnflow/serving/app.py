"""The FastAPI application: routes, body limits, and the order in which a request is refused or answered."""

import asyncio
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse

from churnflow.errors import ChurnflowError
from churnflow.serving import answers
from churnflow.serving.current import Current, Served, Source, logger
from churnflow.serving.documentation import PREDICT_PATH, document
from churnflow.serving.page import render
from churnflow.serving.requests import Problem, RefusedBodyError

MAX_BODY_BYTES = 2_000_000
BODY_SECONDS = 10.0
# Scoring a few rows takes less time than handing them to a thread; more rows would keep a health probe waiting.
INLINE_CUSTOMERS = 8
# A longer body is read and dropped up to here, as a client that is still sending does not see an early answer.
DISCARD_BYTES = 8 * MAX_BODY_BYTES

POINTER_VARIABLE = "CHURNFLOW_SERVING_POINTER"
STORE_VARIABLE = "CHURNFLOW_SERVING_STORE"
BUNDLE_VARIABLE = "CHURNFLOW_SERVING_BUNDLE"

NOT_READY = "no release yet: the gate has to say ship first (churnflow status says what is missing)"
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": answers.Refusal, "description": HTTPStatus(status).phrase}
    for status in (400, 408, 413, 415, 422, 503)
}
UNREADY: dict[int | str, dict[str, Any]] = {503: REFUSALS[503]}

Answer = Callable[[Served], dict[str, Any]]


def create_app(current: Current) -> FastAPI:
    """Return the API over what `current` serves; while the application runs, `current` follows its source."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current.start()
        yield
        await run_in_threadpool(current.stop)

    app = FastAPI(title="churnflow prediction API", lifespan=lifespan, docs_url=None, redoc_url=None)
    _add_probes(app, current)
    _add_predict(app, current)
    _add_descriptions(app, current)
    _follow_openapi(app, current)
    _add_page(app, current)
    return app


def create() -> FastAPI:
    """Return the API for the source named by the environment, as each of several worker processes does.

    A worker ends with the process that started it, even if that one was killed.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    named = {
        "pointer": os.environ.get(POINTER_VARIABLE),
        "store": os.environ.get(STORE_VARIABLE),
        "bundle": os.environ.get(BUNDLE_VARIABLE),
    }
    current = Current(Source(**{name: Path(text) for name, text in named.items() if text}))
    try:
        current.refresh()
    except ChurnflowError as error:
        # A worker that is started anew beside a bad release answers 503 until the release is a good one.
        logger.warning("refused a release: %s", error)
    return create_app(current)


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _add_probes(app: FastAPI, current: Current) -> None:
    @app.get("/health", response_model=answers.Status, tags=["probes"])
    async def health() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "alive"}

    @app.get("/ready", response_model=answers.Status, responses=UNREADY, tags=["probes"])
    async def ready() -> Response:
        """Say whether a release is loaded and answers."""
        return _answer(current, lambda _: {"status": "ready"})


def _add_predict(app: FastAPI, current: Current) -> None:
    @app.post(PREDICT_PATH, response_model=answers.Predictions, responses=REFUSALS, tags=["predictions"])
    async def predict(request: Request) -> Response:
        """Predict one customer, or up to 1000 of them in `customers`, with the release that is served now.

        A release whose model is very wide takes fewer, as the schema says; more are refused with 413.
        """
        served = current.served
        if served is None:
            return _unready(current)
        try:
            batch = served.request.read(await _body(request))
        except RefusedBodyError as refused:
            return _refusal(refused.status, refused.problems)
        if len(batch.ids) <= INLINE_CUSTOMERS:
            return _json(answers.predict(served, batch))
        return _json(await run_in_threadpool(answers.predict, served, batch))


def _add_descriptions(app: FastAPI, current: Current) -> None:
    @app.get("/api/v1/version", response_model=answers.Version, responses=UNREADY, tags=["release"])
    async def version() -> Response:
        """Name the served release by digest and version, with the checkpoint and approval that justify it."""
        return _answer(current, lambda served: answers.version(served, current.refused))

    @app.get("/api/v1/model", response_model=answers.ModelDescription, responses=UNREADY, tags=["release"])
    async def model() -> Response:
        """Return the model card and the schema of the served release."""
        return _answer(current, lambda served: {"release": served.name, "card": served.card, "schema": served.schema})


def _follow_openapi(app: FastAPI, current: Current) -> None:
    base: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not base:
            base.update(
                get_openapi(title=app.title, version="unreleased", description=app.description, routes=app.routes)
            )
        served = current.served
        return base if served is None else document(base, served)

    # FastAPI documents this replacement; it is not kept in app.openapi_schema, so that it follows the release.
    app.openapi = openapi  # type: ignore[method-assign]


def _add_page(app: FastAPI, current: Current) -> None:
    # FastAPI's own page loads its script from another host; this one is whole by itself.
    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(render(app.openapi(), current.served, str(request.base_url)))


async def _body(request: Request) -> bytes:
    """Return the request's body. Raises RefusedBodyError when it is no JSON, too long, too slow or cut off."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _received(request)
    except TimeoutError:
        raise RefusedBodyError(408, [Problem("body", f"did not arrive within {BODY_SECONDS:g} seconds")]) from None
    except ClientDisconnect:
        raise RefusedBodyError(400, [Problem("body", "was cut off")]) from None
    if body is None:
        raise RefusedBodyError(413, [Problem("body", f"must not be longer than {MAX_BODY_BYTES} bytes")])
    if media != "application/json":
        raise RefusedBodyError(415, [Problem("body", "must be sent as content-type application/json")])
    return body


async def _received(request: Request) -> bytes | None:
    """Return what was sent, None when it is longer than MAX_BODY_BYTES."""
    chunks: list[bytes] = []
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif length > DISCARD_BYTES:
            break
    return b"".join(chunks) if length <= MAX_BODY_BYTES else None


def _answer(current: Current, answer: Answer) -> Response:
    served = current.served
    return _unready(current) if served is None else _json(answer(served))


def _unready(current: Current) -> Response:
    return _refusal(503, [Problem("release", current.refused or NOT_READY)])


def _refusal(status: int, problems: tuple[Problem, ...] | list[Problem]) -> Response:
    return _json({"detail": [problem.as_json() for problem in problems]}, status)


def _json(value: object, status: int = 200) -> Response:
    # ASCII only: what a client sent may come back in a field's name, and need not be valid in UTF-8.
    data = json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    return Response(data, status, media_type="application/json")
