"""The step `rehearse`: the candidate release, served by the real API as its own process and asked real requests."""

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import churnflow
from churnflow import InputError, Issue, Measure, StepResult, reports
from churnflow.modelling.api_requests import as_customers, bad_requests, encode, largest_batch
from churnflow.modelling.bundle import write_bundle
from churnflow.modelling.card import candidate_files, reference_of, served_schema, with_proof
from churnflow.modelling.compiled_proof import Proof, prove
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.metrics import wilson
from churnflow.modelling.quantiles import quantile
from churnflow.modelling.request_size import most_customers
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.usage import SAMPLE_SECONDS, Usage

READY_SECONDS = 30.0
STOP_SECONDS = 3.0
ANSWER_SECONDS = 5.0
MAX_LOG_BYTES = 64 * 1024
WARM_UP = 20
# The API refuses a longer body; wide rows make a shorter batch.
BATCH_BYTES = 2_000_000
PARITY = 1e-6

_LISTENING = re.compile(r"^listening on \S+:(\d+)\n", re.MULTILINE)


@reports(
    "parity_max_abs_diff",
    "compiled_max_abs_diff",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_batch_ms",
    "throughput_rps",
    "memory_peak_mb",
    "cpu_mean_percent",
    "error_ratio",
    "ready_seconds",
    "bad_requests_refused_ratio",
)
def rehearse(
    model: PortableModel,
    schema: dict[str, Any],
    test: pd.DataFrame,
    evaluation: dict[str, Any],
    leaderboard: dict[str, Any],
    *,
    train: pd.DataFrame | None = None,
    requests: int = 400,
    concurrency: int = 4,
    limit_seconds: float = 30.0,
    seed: int = 0,
) -> StepResult:
    """Serve the candidate as a customer would meet it, and measure the answers.

    Sends `requests` rows of `test` one after the other (latency), as many again over `concurrency` connections
    (throughput), each for at most `limit_seconds`, one batch of up to 1000 rows, and requests that have to be refused.
    Output `candidate`: the files of the release bundle, with a reference for drift where the part `train` is given, and
    a proof of the compiled model. Raises InputError when the API does not start or the parameters leave nothing to ask.
    """
    _check(test, requests, concurrency, limit_seconds)
    candidate = candidate_files(model, schema, evaluation, leaderboard, reference_of(model, train, test))
    # Before the API starts, which serves the compiled model where the card says that it is equal.
    proof = prove(model, test)
    candidate = with_proof(candidate, proof)
    schema = served_schema(model, schema)
    rows = np.random.default_rng(seed).choice(len(test), requests, replace=len(test) < requests)
    customers = as_customers(test, schema)
    alone = [_Request(encode(customers[row]), row=int(row)) for row in rows]
    batch = _Request(*largest_batch(customers, most_customers(model.encoding.width), BATCH_BYTES))
    bad = [_Request(body) for body in bad_requests(customers[0], schema)]
    plan = _Plan(alone, batch, bad, concurrency, limit_seconds)
    heard = _converse(candidate, plan)
    parity = _parity(heard.good, np.asarray(model.score(as_columns(test, model.encoding))))
    return StepResult(
        outputs={"candidate": candidate},
        metrics=({} if parity is None else {"parity_max_abs_diff": parity}) | _metrics(heard, proof),
        facts={**_facts(plan), "scorer": str(proof), "drift": _drift(train)},
        issues=[*_slow(proof), *_issues(plan, heard, parity)],
    )


@dataclass(frozen=True)
class _Request:
    """A body that asks for `customers` rows of the test part from `row` on."""

    body: bytes
    customers: int = 1
    row: int = 0


@dataclass(frozen=True)
class _Plan:
    """What is asked: `alone` one after the other and again over `concurrency` connections, a batch, bad requests."""

    alone: list[_Request]
    batch: _Request
    bad: list[_Request]
    concurrency: int
    seconds: float


@dataclass(frozen=True)
class _Api:
    port: int
    pid: int
    ready_seconds: float


@dataclass(frozen=True)
class _Answer:
    """What came back; status 0 when nothing did."""

    request: _Request
    status: int
    seconds: float
    probabilities: list[float]

    @property
    def whole(self) -> bool:
        """Whether every customer asked about was answered."""
        return self.status == http.HTTPStatus.OK and len(self.probabilities) == self.request.customers


@dataclass(frozen=True)
class _Heard:
    """All answers of a rehearsal: one connection, several, one batch, and what had to be refused."""

    alone: list[_Answer]
    parallel: list[_Answer]
    parallel_seconds: float
    batch: list[_Answer]
    bad: list[_Answer]
    usage: Usage
    ready_seconds: float

    @property
    def good(self) -> list[_Answer]:
        """The answers to requests that had to be answered."""
        return [*self.alone, *self.parallel, *self.batch]

    @property
    def failed(self) -> int:
        """How many of them were not answered, or not whole."""
        return sum(not answer.whole for answer in self.good)


def _converse(candidate: Mapping[str, bytes], plan: _Plan) -> _Heard:
    with tempfile.TemporaryDirectory(prefix="churnflow-rehearse-") as folder:
        bundle = Path(folder) / "candidate.release"
        write_bundle(candidate, bundle)
        with serving(bundle) as api:
            _send(api, plan.alone[:WARM_UP], plan.seconds)
            with Usage(api.pid) as usage:
                alone = _send(api, plan.alone, plan.seconds)
                parallel, seconds = _send_parallel(api, plan)
                batch = _send(api, [plan.batch], plan.seconds)
            bad = _send(api, plan.bad, plan.seconds)
    return _Heard(alone, parallel, seconds, batch, bad, usage, api.ready_seconds)


@contextmanager
def serving(bundle: Path) -> Iterator[_Api]:
    """Run the API on `bundle` as its own process, and stop it however the block ends.

    Raises InputError when it does not listen within READY_SECONDS.
    """
    started = time.perf_counter()
    # Its standard input is our pipe: should this process be killed, the API sees the end of it and stops.
    command = [sys.executable, "-P", "-m", "churnflow.serving", "--bundle", str(bundle), "--port", "0"]
    # What it says goes to a file: a pipe that nobody reads would stop it in the middle of an answer when it is full.
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [*command, "--stop-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        ) as process,
    ):
        try:
            port = _wait_for_port(process, log.fileno())
            yield _Api(port, process.pid, time.perf_counter() - started)
        finally:
            _stop(process)


def _environment() -> dict[str, str]:
    package = str(Path(churnflow.__file__).parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def _wait_for_port(process: subprocess.Popen[bytes], log: int) -> int:
    deadline, said, ended = time.monotonic() + READY_SECONDS, "", False
    while not ended and time.monotonic() < deadline:
        # Asked before the log is read, so that the last words of a process that has ended are heard.
        ended = process.poll() is not None
        # Not seek and read: the process writes where this file's one position is.
        said = os.pread(log, MAX_LOG_BYTES, 0).decode(errors="replace")
        if found := _LISTENING.search(said):
            return int(found[1])
        time.sleep(0.01)
    lines = [line.removeprefix("error: ") for line in said.splitlines() if not line.startswith("hint: ")]
    message = f"the API did not start on the candidate: {lines[-1] if lines else 'it said nothing'}"
    raise InputError(message, hint="try the same by hand: python -m churnflow.serving --bundle FILE")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _send(api: _Api, requests: Sequence[_Request], seconds: float) -> list[_Answer]:
    """Return the answers to as many `requests` as can be sent in `seconds`, in a row over one kept connection."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=ANSWER_SECONDS)
    deadline = time.monotonic() + seconds
    try:
        return [_ask(connection, request) for request in takewhile(lambda _: time.monotonic() < deadline, requests)]
    finally:
        connection.close()


def _send_parallel(api: _Api, plan: _Plan) -> tuple[list[_Answer], float]:
    """Return the answers of several connections at once, and the seconds that all took."""
    shares = [plan.alone[first :: plan.concurrency] for first in range(plan.concurrency)]
    started = time.perf_counter()
    with ThreadPoolExecutor(plan.concurrency) as pool:
        answers = list(pool.map(lambda share: _send(api, share, plan.seconds), shares))
    return [answer for share in answers for answer in share], time.perf_counter() - started


def _ask(connection: http.client.HTTPConnection, request: _Request) -> _Answer:
    started = time.perf_counter()
    try:
        connection.request("POST", "/api/v1/predict", request.body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        data = response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return _Answer(request, 0, time.perf_counter() - started, [])
    seconds = time.perf_counter() - started
    predictions = json.loads(data)["predictions"] if response.status == http.HTTPStatus.OK else []
    return _Answer(request, response.status, seconds, [one["probability"] for one in predictions])


def _metrics(heard: _Heard, proof: Proof) -> dict[str, float | Measure]:
    """Return what was measured; what could not be is left out, so that a limit on it does not hold."""
    usage = heard.usage
    optional = {
        "latency_batch_ms": next((answer.seconds * 1000 for answer in heard.batch if answer.whole), None),
        "memory_peak_mb": None if usage.peak_bytes is None else usage.peak_bytes / 1e6,
        "cpu_mean_percent": usage.cpu_percent,
    }
    refused = sum(answer.status == http.HTTPStatus.UNPROCESSABLE_ENTITY for answer in heard.bad)
    return {
        "compiled_max_abs_diff": Measure(value=proof.max_abs_diff, n=proof.rows),
        **_latencies([answer.seconds for answer in heard.alone if answer.whole]),
        **{name: value for name, value in optional.items() if value is not None},
        "throughput_rps": sum(answer.whole for answer in heard.parallel) / heard.parallel_seconds,
        "error_ratio": Measure(**asdict(wilson(heard.failed, len(heard.good)))),
        "ready_seconds": heard.ready_seconds,
        "bad_requests_refused_ratio": refused / len(heard.bad),
    }


def _parity(answers: Iterable[_Answer], expected: np.ndarray) -> float | None:
    """Return the largest difference to `expected`, (rows of the test part,); None when there is nothing to compare."""
    whole = [answer for answer in answers if answer.whole]
    wanted = [expected[answer.request.row :][: answer.request.customers] for answer in whole]
    return max(
        (float(np.abs(answer.probabilities - own).max()) for answer, own in zip(whole, wanted, strict=True)),
        default=None,
    )


def _latencies(seconds: Sequence[float]) -> dict[str, Measure]:
    if not seconds:
        return {}
    ordered = np.sort(np.asarray(seconds)) * 1000
    return {f"latency_p{percent}_ms": Measure(**asdict(quantile(ordered, percent / 100))) for percent in (50, 95, 99)}


def _facts(plan: _Plan) -> dict[str, str]:
    requests, connections = len(plan.alone), plan.concurrency
    return {
        "latency": f"{requests} requests of one customer in a row over one kept connection, after {WARM_UP} for "
        "warm-up, as a client on the same machine sees them; of those answered",
        "throughput": f"{requests} requests of one customer over {connections} connections of that one client",
        "batch": f"one request of {plan.batch.customers} customers",
        "bad_requests": f"{len(plan.bad)} requests that have to be answered with 422",
        "memory_cpu": f"resident memory (every {SAMPLE_SECONDS * 1000:g} ms) and CPU of the one API process "
        "during all of these; 100% is one core",
    }


def _drift(train: pd.DataFrame | None) -> str:
    if train is None:
        return "the release holds no reference, so that its drift can not be measured: needs: {train: train} adds one"
    return f"the release holds a sketch of its {len(train)} training rows, which drift is measured against"


def _slow(proof: Proof) -> list[Issue]:
    text = f"the compiled model differs by up to {proof.max_abs_diff:.2g}, so the plain one is served, which is slower"
    return [] if proof.compiled else [Issue(text=text, severity="warning")]


def _issues(plan: _Plan, heard: _Heard, parity: float | None) -> list[Issue]:
    issues = []
    if parity is not None and not parity <= PARITY:
        text = f"the API's probabilities differ from the evaluated model's by up to {parity:.2g}"
        issues.append(Issue(text=text, severity="critical"))
    if heard.failed:
        text = f"{heard.failed} of {len(heard.good)} good requests of the rehearsal were not answered"
        issues.append(Issue(text=text, severity="warning"))
    planned, sent = 2 * len(plan.alone), len(heard.alone) + len(heard.parallel)
    if sent < planned:
        issues.append(Issue(text=f"only {sent} of {planned} requests could be sent within {plan.seconds:g} s each"))
    return issues


def _check(test: pd.DataFrame, requests: int, concurrency: int, limit_seconds: float) -> None:
    if min(requests, concurrency) < 1 or not limit_seconds > 0:
        message = "requests and concurrency must be at least 1, and limit_seconds more than 0"
        raise InputError(message, hint="set them under `with:` of the step rehearse")
    if test.empty:
        message = "the test part is empty, so there is nothing to ask the API"
        raise InputError(message, hint="give features a larger test share")
