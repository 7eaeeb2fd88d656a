"""The application: predictions by the short way, everything else by FastAPI, and what runs beside the requests."""

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from multiprocessing.process import BaseProcess
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from churnflow.domain.failures import keep_messages_out_of_logs
from churnflow.errors import ChurnflowError
from churnflow.serving import answers, measures
from churnflow.serving.bodies import receive_body, refusal_json
from churnflow.serving.current import Current, Served, Source, logger
from churnflow.serving.documentation import FEEDBACK_PATH, PREDICT_PATH, document, feedback_request
from churnflow.serving.explaining import MOST_REASONS
from churnflow.serving.feedback import take_outcomes
from churnflow.serving.front import Front
from churnflow.serving.guard import Guard, retry_after
from churnflow.serving.logbook import Logbook
from churnflow.serving.page import render
from churnflow.serving.predicting import Predicting, unready
from churnflow.serving.requests import Problem, RefusedRequestError
from churnflow.serving.settings import Settings

KEYS_SECONDS = 0.2
MOST_FEEDBACK = 4
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": answers.Refusal, "description": HTTPStatus(status).phrase}
    for status in (400, 401, 403, 408, 413, 415, 422, 429, 503)
}
UNREADY: dict[int | str, dict[str, Any]] = {status: REFUSALS[status] for status in (401, 403, 429, 503)}

WantedReasons = Annotated[
    int | None, Query(ge=1, le=MOST_REASONS, description="How many reasons to give for each customer at risk")
]
Answer = Callable[[Served], dict[str, Any]]


def create_app(current: Current, settings: Settings) -> Front:
    """Return the API over what `current` serves.

    While it runs, `current` follows its source, the keys their file, and what is answered goes to the log.
    """
    guard = Guard(settings)
    logbook = Logbook(settings) if settings.log is not None else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current.start()
        if logbook is not None:
            logbook.start()
        keys = asyncio.create_task(_follow_keys(guard))
        _settle_memory()
        yield
        keys.cancel()
        await run_in_threadpool(current.stop)
        if logbook is not None:
            await logbook.stop()
        guard.close()

    app = FastAPI(title="churnflow prediction API", lifespan=lifespan, docs_url=None, redoc_url=None)
    _add_refusals(app)
    predicting = Predicting(current, guard, logbook)
    _add_probes(app, current)
    _add_predict(app, predicting)
    _add_feedback(app, current, logbook)
    _add_descriptions(app, current)
    _follow_openapi(app, current)
    _add_page(app, current)
    guard.refresh()
    return Front(app, predicting, guard, logbook)


def create() -> Front:
    """Return the API with the settings in the environment, as each of several worker processes does.

    A worker ends with the process that started it, even if that one was killed.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        keep_messages_out_of_logs()
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    settings = Settings.from_environment()
    current = Current(Source(settings.pointer, settings.store, settings.bundle))
    try:
        current.refresh()
    except ChurnflowError as error:
        # A worker that is started anew beside a bad release answers 503 until the release is a good one.
        logger.warning("refused a release: %s", error)
    return create_app(current, settings)


def _settle_memory() -> None:
    """Have what is there now left alone by collections, which come in the middle of a request."""
    gc.collect()
    gc.freeze()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


async def _follow_keys(guard: Guard) -> None:
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(KEYS_SECONDS)
            guard.refresh()


def _add_refusals(app: FastAPI) -> None:
    app.add_exception_handler(RefusedRequestError, _refused)
    app.add_exception_handler(HTTPException, _not_here)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedRequestError)  # noqa: S101 - it is registered for these; for the type checker
    headers = {name.decode(): value.decode() for name, value in error.headers}
    return Response(refusal_json(error), error.status, headers, "application/json")


async def _not_here(_: Request, error: Exception) -> Response:
    """Answer an unknown path or method in the form of every other refusal."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these; for the type checker
    refused = RefusedRequestError(error.status_code, [Problem("path", error.detail.lower())])
    return Response(refusal_json(refused), error.status_code, error.headers, "application/json")


def _add_probes(app: FastAPI, current: Current) -> None:
    @app.get("/health", response_model=answers.Status, tags=["probes"])
    async def health() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "alive"}

    @app.get("/ready", response_model=answers.Status, responses={503: REFUSALS[503]}, tags=["probes"])
    async def ready() -> Response:
        """Say whether a release is loaded and answers."""
        return _answer(current, lambda _: {"status": "ready"})

    @app.get("/metrics", tags=["probes"], responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Return what Prometheus collects; with keys, one of the scope admin is asked for."""
        return Response(measures.exposition(current), media_type=measures.MEDIA)


def _add_predict(app: FastAPI, predicting: Predicting) -> None:
    class Handed(Response):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await predicting(scope, receive, send)

    @app.post(PREDICT_PATH, response_model=answers.Predictions, responses=REFUSALS, tags=["predictions"])
    async def predict(reasons: WantedReasons = None) -> Response:  # noqa: ARG001 - it reads the request itself
        """Predict one customer, or up to 1000 of them in `customers`, with the release that is served now.

        `?reasons=3` adds what raises the risk of each customer at risk, in words.
        A release whose model is very wide takes fewer, as the schema says; more are refused with 413.
        """
        return Handed()


def _add_feedback(app: FastAPI, current: Current, logbook: Logbook | None) -> None:
    under_way = asyncio.Semaphore(MOST_FEEDBACK)

    @app.post(
        FEEDBACK_PATH,
        response_model=answers.Taken,
        responses={**REFUSALS, 404: {"model": answers.Refusal, "description": "No log is kept"}},
        tags=["predictions"],
        openapi_extra={"requestBody": feedback_request()},
    )
    async def feedback(request: Request) -> Response:
        """Take down what became of customers, by the id of a prediction or of a customer; answered once it is kept."""
        if logbook is None:
            raise RefusedRequestError(404, [Problem("log", "this server keeps no log of predictions")])
        body = await receive_body(request.headers.raw, request.receive)
        served = current.served
        if served is None:
            raise unready(current)
        # A database that does not answer must not keep the threads that long predictions need.
        if under_way.locked():
            raise RefusedRequestError(503, [Problem("log", "too many outcomes at once")], (retry_after(5.0),))
        async with under_way:
            key = request.scope.get("key")
            return _json(await asyncio.to_thread(take_outcomes, body, served, logbook, key))


def _add_descriptions(app: FastAPI, current: Current) -> None:
    @app.get("/api/v1/version", response_model=answers.Version, responses=UNREADY, tags=["release"])
    async def version() -> Response:
        """Name the served release by digest and version, with the checkpoint and approval that justify it."""
        return _answer(current, lambda served: answers.version(served, current.refused))

    @app.get("/api/v1/model", response_model=answers.ModelDescription, responses=UNREADY, tags=["release"])
    async def model() -> Response:
        """Return the model card, its metrics with intervals among it, and the schema of the served release."""
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


def _answer(current: Current, answer: Answer) -> Response:
    served = current.served
    if served is None:
        raise unready(current)
    return _json(answer(served))


def _json(value: object) -> Response:
    return Response(answers.encode(value), media_type="application/json")
