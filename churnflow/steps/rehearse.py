"""The step `rehearse`: the candidate release, served by the real API as its own process and asked real requests."""

import http.client
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import psutil
from scipy import stats

import churnflow
from churnflow import InputError, Issue, Measure, StepResult, reports
from churnflow.modelling.bundle import write_bundle
from churnflow.modelling.card import candidate_files, served_schema
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.metrics import wilson
from churnflow.modelling.scorer import PortableModel

READY_SECONDS = 30.0
STOP_SECONDS = 5.0
ANSWER_SECONDS = 5.0
PHASE_SECONDS = 30.0
SAMPLE_SECONDS = 0.05
WARM_UP = 20
BATCH_ROWS = 1000
PARITY = 1e-6
LEVEL = 0.95


@reports(
    "parity_max_abs_diff",
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
    requests: int = 400,
    concurrency: int = 4,
    seed: int = 0,
) -> StepResult:
    """Serve the candidate as a customer would meet it, and measure the answers.

    Sends `requests` rows of `test` one after the other (latency), as many again over `concurrency` connections
    (throughput), one batch of up to 1000 rows, and requests that have to be refused. Output `candidate`: the files
    of the release bundle. Raises InputError when the API does not start, or when the parameters leave nothing to ask.
    """
    _check(test, requests, concurrency)
    candidate = candidate_files(model, schema, evaluation, leaderboard)
    schema = served_schema(model, schema)
    rows = np.random.default_rng(seed).choice(len(test), requests, replace=len(test) < requests)
    heard = _converse(candidate, as_customers(test, schema), rows, concurrency, schema)
    score = np.asarray(model.score(as_columns(test, model.encoding)))
    parity = max(_parity(heard.alone, score[rows]), _parity(heard.parallel, score[rows]), _parity(heard.batch, score))
    failed = sum(answer.status != http.HTTPStatus.OK for answer in heard.good)
    facts = _facts(requests, concurrency, min(len(test), BATCH_ROWS), len(heard.bad))
    return StepResult(
        outputs={"candidate": candidate},
        metrics={"parity_max_abs_diff": parity, **_metrics(heard, failed)},
        facts=facts,
        issues=_issues(parity, failed),
    )


def as_customers(test: pd.DataFrame, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of `test` as the JSON objects that a client would send: features only, null for missing."""
    features = [column for column in schema["columns"] if column["role"] == "feature"]
    missing = [column["name"] for column in features if column["name"] not in test.columns]
    if missing:
        message = f"the test part has no column {missing[0]}, which the schema names as a feature"
        raise InputError(message, hint="give rehearse the test part and schema that the model was trained with")
    values: dict[str, list[Any]] = {
        column["name"]: [_json_value(value, column) for value in test[column["name"]]] for column in features
    }
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def bad_requests(customer: Mapping[str, Any], schema: Mapping[str, Any]) -> list[bytes]:
    """Return requests that the API has to refuse with 422, made from a good one."""
    first = next(column["name"] for column in schema["columns"] if column["role"] == "feature")
    rest = {name: value for name, value in customer.items() if name != first}
    wrong = [rest, {**customer, "no_such_field": 1}, {"customers": []}, {"customers": [rest]}]
    values: tuple[object, ...] = (True, [], math.nan)
    wrong += [{**customer, first: value} for value in values]
    return [json.dumps(body).encode() for body in wrong]


@dataclass(frozen=True)
class _Api:
    port: int
    pid: int
    ready_seconds: float


@dataclass(frozen=True)
class _Answer:
    status: int
    seconds: float
    probabilities: list[float]


@dataclass(frozen=True)
class _Heard:
    """All answers of a rehearsal: one connection, several, one batch, and what had to be refused."""

    alone: list[_Answer]
    parallel: list[_Answer]
    parallel_seconds: float
    batch: list[_Answer]
    bad: list[_Answer]
    usage: "_Usage"
    ready_seconds: float

    @property
    def good(self) -> list[_Answer]:
        """The answers to requests that had to be answered."""
        return [*self.alone, *self.parallel, *self.batch]


def _converse(
    candidate: Mapping[str, bytes],
    customers: Sequence[Mapping[str, Any]],
    rows: np.ndarray,
    concurrency: int,
    schema: Mapping[str, Any],
) -> _Heard:
    bodies = [_encode(customers[row]) for row in rows]
    with tempfile.TemporaryDirectory(prefix="churnflow-rehearse-") as folder:
        bundle = Path(folder) / "candidate.release"
        write_bundle(candidate, bundle)
        with serving(bundle) as api:
            _send(api, bodies[:WARM_UP])
            with _Usage(api.pid) as usage:
                alone = _send(api, bodies)
                parallel, seconds = _send_parallel(api, bodies, concurrency)
            batch = _send(api, [_encode({"customers": customers[:BATCH_ROWS]})])
            bad = _send(api, bad_requests(customers[0], schema))
    return _Heard(alone, parallel, seconds, batch, bad, usage, api.ready_seconds)


@contextmanager
def serving(bundle: Path) -> Iterator[_Api]:
    """Run the API on `bundle` as its own process, and stop it however the block ends.

    Raises InputError when it does not listen within READY_SECONDS.
    """
    started = time.perf_counter()
    # Its standard input is our pipe: should this process be killed, the API sees the end of it and stops.
    command = [sys.executable, "-P", "-m", "churnflow.serving", "--bundle", str(bundle), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--stop-with-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
        start_new_session=True,
    )
    try:
        port = _wait_for_port(process)
        yield _Api(port, process.pid, time.perf_counter() - started)
    finally:
        _stop(process)


def _environment() -> dict[str, str]:
    package = str(Path(churnflow.__file__).parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _wait_for_port(process: subprocess.Popen[str]) -> int:
    lines: list[str] = []
    listening = threading.Event()

    def drain() -> None:
        # Read to the end, or a full pipe would stop the API in the middle of an answer.
        for line in process.stderr or ():
            if len(lines) < 20:  # noqa: PLR2004
                lines.append(line.strip())
            if line.startswith("listening on "):
                listening.set()
        listening.set()

    threading.Thread(target=drain, daemon=True).start()
    listening.wait(READY_SECONDS)
    url = next((line for line in lines if line.startswith("listening on ")), None)
    if url is None:
        said = next((line.removeprefix("error: ") for line in lines if line), "it said nothing")
        message = f"the API did not start on the candidate: {said}"
        raise InputError(message, hint="try the same by hand: python -m churnflow.serving --bundle FILE")
    return int(url.rpartition(":")[2])


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


def _send(api: _Api, bodies: Sequence[bytes]) -> list[_Answer]:
    """Return the answers to `bodies`, sent one after the other over one kept connection."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=ANSWER_SECONDS)
    deadline = time.monotonic() + PHASE_SECONDS
    try:
        return [_ask(connection, body) if time.monotonic() < deadline else _Answer(0, 0.0, []) for body in bodies]
    finally:
        connection.close()


def _send_parallel(api: _Api, bodies: Sequence[bytes], connections: int) -> tuple[list[_Answer], float]:
    """Return the answers, in the order of `bodies`, of as many connections, and the seconds that all took."""
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        shares = list(pool.map(lambda first: _send(api, bodies[first::connections]), range(connections)))
    elapsed = time.perf_counter() - started
    answers = [iter(share) for share in shares]
    return [next(answers[position % connections]) for position in range(len(bodies))], elapsed


def _ask(connection: http.client.HTTPConnection, body: bytes) -> _Answer:
    started = time.perf_counter()
    try:
        connection.request("POST", "/api/v1/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        data = response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return _Answer(0, time.perf_counter() - started, [])
    seconds = time.perf_counter() - started
    predictions = json.loads(data)["predictions"] if response.status == http.HTTPStatus.OK else []
    return _Answer(response.status, seconds, [one["probability"] for one in predictions])


@dataclass
class _Usage:
    """Peak memory and mean CPU of a process while the block runs."""

    pid: int
    peak_bytes: int = 0
    cpu_percent: float = 0.0
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._process = psutil.Process(self.pid)
        self._started = time.perf_counter(), self._cpu_seconds()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        wall, cpu = self._started
        # An API that died meanwhile shows in the answers, not here.
        with suppress(psutil.Error):
            self.cpu_percent = 100 * (self._cpu_seconds() - cpu) / (time.perf_counter() - wall)

    def _sample(self) -> None:
        with suppress(psutil.Error):
            while not self._done.is_set():
                self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)
                self._done.wait(SAMPLE_SECONDS)

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _metrics(heard: _Heard, failed: int) -> dict[str, float | Measure]:
    [batch] = heard.batch
    whole = {"latency_batch_ms": batch.seconds * 1000} if batch.status == http.HTTPStatus.OK else {}
    answered = sum(answer.status == http.HTTPStatus.OK for answer in heard.parallel)
    refused = sum(answer.status == http.HTTPStatus.UNPROCESSABLE_ENTITY for answer in heard.bad)
    return {
        **_latencies([answer.seconds for answer in heard.alone if answer.status == http.HTTPStatus.OK]),
        **whole,
        "throughput_rps": answered / heard.parallel_seconds,
        "memory_peak_mb": heard.usage.peak_bytes / 1e6,
        "cpu_mean_percent": heard.usage.cpu_percent,
        "error_ratio": Measure(**asdict(wilson(failed, len(heard.good)))),
        "ready_seconds": heard.ready_seconds,
        "bad_requests_refused_ratio": refused / len(heard.bad),
    }


def _parity(answers: Sequence[_Answer], expected: np.ndarray) -> float:
    """Return the largest difference to `expected`, in the order of the rows; a failed answer has none."""
    position, largest = iter(expected.tolist()), 0.0
    for answer in answers:
        own = list(islice(position, max(1, len(answer.probabilities))))
        pairs = zip(answer.probabilities, own, strict=False)
        largest = max([largest, *(abs(got - wanted) for got, wanted in pairs)])
    return largest


def _latencies(seconds: Sequence[float]) -> dict[str, Measure]:
    """Return latency quantiles in ms, with order-statistic intervals (David & Nagaraja, 2003, 7.1)."""
    if not seconds:
        return {}
    ordered = np.sort(np.asarray(seconds)) * 1000
    return {f"latency_p{percent}_ms": quantile_measure(ordered, percent / 100) for percent in (50, 95, 99)}


def quantile_measure(ordered: np.ndarray, share: float) -> Measure:
    """Return the `share` quantile of sorted values, shape (n,), with a distribution-free 95% interval.

    The number of values below the quantile is binomial, so that two of the values themselves bound it. Too few values
    for an upper bound leave it open (None).
    """
    count = len(ordered)
    low = int(stats.binom.ppf((1 - LEVEL) / 2, count, share))
    high = int(stats.binom.ppf((1 + LEVEL) / 2, count, share)) + 1
    return Measure(
        value=float(np.quantile(ordered, share, method="higher")),
        low=float(ordered[low - 1]) if low >= 1 else None,
        high=float(ordered[high - 1]) if high <= count else None,
        n=count,
    )


def _facts(requests: int, concurrency: int, batch: int, bad: int) -> dict[str, str]:
    return {
        "latency": f"{requests} requests of one customer, one connection, one at a time, after {WARM_UP} for warm-up",
        "throughput": f"{requests} requests of one customer over {concurrency} connections",
        "batch": f"one request of {batch} customers",
        "bad_requests": f"{bad} requests that have to be answered with 422",
        "memory_cpu": "resident memory and CPU of the one API process during both; 100% is one core",
    }


def _issues(parity: float, failed: int) -> list[Issue]:
    issues = []
    if parity > PARITY:
        text = f"the API's probabilities differ from the evaluated model's by up to {parity:.2g}"
        issues.append(Issue(text=text, severity="critical"))
    if failed:
        issues.append(Issue(text=f"{failed} good requests of the rehearsal were not answered", severity="warning"))
    return issues


def _check(test: pd.DataFrame, requests: int, concurrency: int) -> None:
    if min(requests, concurrency) < 1:
        message = "requests and concurrency must be at least 1"
        raise InputError(message, hint="set both under `with:` of the step rehearse")
    if test.empty:
        message = "the test part is empty, so there is nothing to ask the API"
        raise InputError(message, hint="give features a larger test share")


def _json_value(value: Any, column: Mapping[str, Any]) -> Any:
    if pd.isna(value):
        return None
    if column["kind"] == "category":
        return str(value)
    number = float(value)
    return int(number) if number.is_integer() else number


def _encode(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
