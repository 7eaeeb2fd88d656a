"""The request path of a prediction, from the head of the request to its answer, as a plain ASGI application.

It stands in front of FastAPI, whose routing and validation cost more than a prediction does; refusals are made before
the body is read, and the body is read once.
"""

import random
import time
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from churnflow.serving import answers, measures
from churnflow.serving.bodies import Receive, Send, declared_length, receive_body, send_json, send_refusal
from churnflow.serving.crowd import SHED, Crowd
from churnflow.serving.current import Current, Served
from churnflow.serving.explaining import Explainer, wanted_reasons
from churnflow.serving.guard import Guard, retry_after
from churnflow.serving.logbook import Logbook, answered
from churnflow.serving.reading import Asked
from churnflow.serving.requests import Problem, RefusedRequestError

NOT_READY: Final = "no release yet: the gate has to say ship first (churnflow status says what is missing)"
# What is scored for longer than this would keep a health probe waiting, and goes to a thread.
_INLINE_SECONDS: Final = 0.002

Scope = MutableMapping[str, Any]
Explain = Callable[[Asked, list[float]], list[list[str]]]


class Predicting:
    """Answers `POST /api/v1/predict`."""

    def __init__(self, current: Current, guard: Guard, logbook: Logbook | None) -> None:
        """Take what is served, who may ask, and where answers are taken down, None for nowhere."""
        self._current = current
        self._guard = guard
        self._logbook = logbook
        self._crowd = Crowd()
        self._explainer: tuple[Served, Explainer] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with one release only."""
        started = time.perf_counter()
        status = 500
        try:
            body, take_down = await self._answer(scope, receive)
            await send_json(send, 200, body)
            status = 200
            if take_down is not None:
                take_down(time.perf_counter() - started)
        except RefusedRequestError as refused:
            status = refused.status
            if status == 503 and refused.problems[0].field == SHED:  # noqa: PLR2004
                await self._crowd.hold_back()
            await send_refusal(send, refused)
        finally:
            seconds = time.perf_counter() - started
            measures.answered("predict", status, seconds)
            if self._logbook is not None:
                self._logbook.count("predict", status, seconds)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[bytes, Callable[[float], None] | None]:
        """Return the answer, and what takes it down with the seconds it took. Raises RefusedRequestError."""
        key = self._guard.admit(scope["headers"], "predict")
        length = declared_length(scope["headers"])
        self._crowd.enter(length)
        wanted = wanted_reasons(scope["query_string"])
        served = self._current.served
        if served is None:
            raise unready(self._current)
        asked = served.reader.read(await receive_body(scope["headers"], receive))
        identifier = f"{time.time_ns() // 1_000_000:012x}{random.getrandbits(40):010x}"
        if not wanted and len(asked.ids) * served.seconds_a_customer <= _INLINE_SECONDS:
            probabilities, body = _scored(served, asked, identifier)
        else:
            async with self._crowd.heavy():
                probabilities, body = await run_in_threadpool(self._explained, served, asked, identifier, wanted)
        positive = sum(probability >= served.model.threshold for probability in probabilities)
        measures.predicted(positive, len(probabilities) - positive)
        if self._logbook is None:
            return body, None
        logbook = self._logbook
        entry = answered(identifier, key.id if key else None, served, asked, probabilities)
        return body, lambda seconds: logbook.take(entry(seconds), served)

    def _explained(self, served: Served, asked: Asked, identifier: str, wanted: int) -> tuple[list[float], bytes]:
        """Return what `_scored` does, with as many reasons as are wanted."""
        if not wanted:
            return _scored(served, asked, identifier)
        known = self._explainer
        if known is None or known[0] is not served:
            known = self._explainer = (served, Explainer(served))
        return _scored(served, asked, identifier, partial(known[1].reasons, most=wanted))


def unready(current: Current) -> RefusedRequestError:
    """Return the refusal of a server that has nothing to serve."""
    return RefusedRequestError(503, [Problem("release", current.refused or NOT_READY)], (retry_after(1.0),))


def _scored(served: Served, asked: Asked, identifier: str, explain: Explain | None = None) -> tuple[list[float], bytes]:
    probabilities = served.probabilities(asked.matrix)
    reasons = explain(asked, probabilities) if explain else None
    return probabilities, answers.encode(answers.predictions(served, asked, probabilities, identifier, reasons))
