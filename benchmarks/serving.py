"""The prediction API beside a bare FastAPI echo of the same JSON and beside a DataFrame through a pipeline, under load.

One load generator for all, one server at a time on the same two cores, the predictions log on. Ratios in one run.
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from load import Heard, drive, request
from measure import BUILD, Row, environment, table

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = ROOT / "churnflow" / "data" / "telco.csv.gz"
FOLDER = BUILD / "bench" / "serving"
PREDICT = "/api/v1/predict"
ROUNDS = 3
SECONDS = 2.0
CONNECTIONS = 16
MANY = 100
# So many connections offer ten times what is served: more than wait in any queue.
CROWD = 256
MOST_MEMORY_MB = 110.0
MOST_READY_SECONDS = 2.0
MODELS = {"one XGBoost model": "[xgboost]", "the demo's choice": ""}


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, its process, and how long it took to be ready."""

    port: int
    pid: int
    ready_seconds: float

    @property
    def memory_mb(self) -> float:
        """The proportional set size of the process that answers."""
        return float(psutil.Process(self.pid).memory_full_info().pss) / 1e6


def main(*, quick: bool = False) -> bool:
    """Print a table for each model, if `quick` for the first alone; return whether that one holds the targets."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    held = [_compare(name, models) for name, models in list(MODELS.items())[: 1 if quick else None]]
    return held[0]


def _compare(name: str, models: str) -> bool:
    project = _project(name.replace(" ", "-").replace("'", ""), models)
    customers = _customers(project)
    (FOLDER / "customer.json").write_text(json.dumps(customers[0]))
    single = [json.dumps(one).encode() for one in customers]
    batch = [json.dumps({"customers": (customers * 2)[start : start + MANY]}).encode() for start in range(0, MANY, 10)]
    rows = [*_side_by_side(project, single, batch), *_crowded(project, single)]
    return table(f"Serving {name}, the predictions log on", rows, peer="peer", unit="")


def _side_by_side(project: Path, single: Sequence[bytes], batch: Sequence[bytes]) -> list[Row]:
    """Measure each server in turn, over and over; of each figure the median."""
    figures: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with ours(project) as server:
            figures.setdefault("ready", []).append(server.ready_seconds)
            _measure("ours", (server.port, Paths(PREDICT, PREDICT)), single, batch, figures)
            figures.setdefault("memory", []).append(server.memory_mb)
        with peer("serving_peers:echo") as server:
            _measure("echo", (server.port, Paths("/one", "/many")), single, batch, figures)
        with peer("serving_peers:pipeline", "--factory") as server:
            heard = drive(server.port, [request("/one", one) for one in single], connections=1, seconds=SECONDS / 2)
            figures.setdefault("frame one", []).append(heard.quantile(0.5))
            heard = drive(
                server.port, [request("/one", one) for one in single], connections=CONNECTIONS, seconds=SECONDS
            )
            figures.setdefault("frame rate", []).append(heard.rate)
    found = {name: statistics.median(values) for name, values in figures.items()}
    return [
        Row("one customer, p50, ms; echo", found["ours one"], found["echo one"], 1.2),
        Row("one customer, p50, ms; DataFrame", found["ours one"], found["frame one"], 1.2 / 32),
        Row("100 customers, p50, ms; echo", found["ours many"], found["echo many"], 2.0),
        Row("16 connections, s a 1,000; echo", 1e3 / found["ours rate"], 1e3 / found["echo rate"], 1 / 0.8),
        Row("16 connections, s a 1,000; DataFrame", 1e3 / found["ours rate"], 1e3 / found["frame rate"], 1 / 20),
        Row("memory of the worker (PSS), MB; limit", found["memory"], MOST_MEMORY_MB, 1.0),
        Row("ready after, s; limit", found["ready"], MOST_READY_SECONDS, 1.0),
    ]


@dataclass(frozen=True)
class Paths:
    """Where a server takes one customer, and several."""

    one: str
    many: str


def _measure(
    who: str, at: tuple[int, Paths], single: Sequence[bytes], batch: Sequence[bytes], figures: dict[str, list[float]]
) -> None:
    port, paths = at
    ones, manies = [request(paths.one, body) for body in single], [request(paths.many, body) for body in batch]
    drive(port, ones, connections=4, seconds=0.5)  # warm
    figures.setdefault(f"{who} one", []).append(_good(drive(port, ones, seconds=SECONDS)).quantile(0.5))
    figures.setdefault(f"{who} many", []).append(_good(drive(port, manies, seconds=SECONDS)).quantile(0.5))
    rate = _good(drive(port, ones, connections=CONNECTIONS, seconds=SECONDS)).rate
    figures.setdefault(f"{who} rate", []).append(rate)


def _good(heard: Heard) -> Heard:
    if set(heard.statuses) != {200}:
        sys.exit(f"not every request was answered: {dict(heard.statuses)}")
    return heard


def _crowded(project: Path, single: Sequence[bytes]) -> list[Row]:
    """Offer ten times what the server can answer, and look what it still answers and how soon."""
    ones = [request(PREDICT, body) for body in single]
    slower, kept, refused = [], [], 0
    with ours(project) as server:
        drive(server.port, ones, connections=4, seconds=0.5)
        for _ in range(ROUNDS):
            calm = _good(drive(server.port, ones, rate=200.0, connections=CONNECTIONS, seconds=SECONDS))
            full = _good(drive(server.port, ones, connections=CONNECTIONS, seconds=SECONDS))
            crowded = drive(server.port, ones, rate=10 * full.rate, connections=CROWD, seconds=2 * SECONDS)
            if set(crowded.statuses) - {200, 429, 503}:
                sys.exit(f"under load it broke: {dict(crowded.statuses)}")
            slower.append((crowded.quantile(0.99), calm.quantile(0.99)))
            kept.append((full.rate, crowded.rate))
            refused += crowded.statuses[503] + crowded.statuses[429]
        if psutil.pid_exists(server.pid) is False or not refused:
            sys.exit("under load it ended, or refused nothing")
    crowd = [statistics.median(pair[place] for pair in slower) for place in (0, 1)]
    rate = [statistics.median(pair[place] for pair in kept) for place in (0, 1)]
    return [
        Row("10 x load: p99 of the accepted, ms; calm", crowd[0], crowd[1], 5.0),
        Row("10 x load: s a 1,000 answered; at capacity", 1e3 / rate[1], 1e3 / rate[0], 1 / 0.8),
    ]


@contextlib.contextmanager
def ours(project: Path) -> Iterator[Server]:
    """Run `churnflow serve` on the project's release."""
    command = [sys.executable, "-m", "churnflow", "-C", str(project), "serve", "--port", "0"]
    with _running(command, environment()) as server:
        yield server


@contextlib.contextmanager
def peer(app: str, *options: str) -> Iterator[Server]:
    """Run a peer with uvicorn."""
    told = {"PEER_CUSTOMER": str(FOLDER / "customer.json"), "PEER_DATA": str(BUNDLED)}
    command = [sys.executable, "-m", "uvicorn", app, *options, "--port", "0", "--no-access-log"]
    with _running(command, {**environment(), **told, "PYTHONPATH": str(ROOT / "benchmarks")}) as server:
        yield server


@contextlib.contextmanager
def _running(command: Sequence[str], told: dict[str, str]) -> Iterator[Server]:
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=told) as process:
        try:
            for line in process.stderr or ():
                if "http://" in line:
                    port = int(line.partition("http://")[2].split()[0].rpartition(":")[2])
                    break
            else:
                sys.exit(f"it did not start: {' '.join(command)}")
            yield Server(port, process.pid, time.perf_counter() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(Exception):
                process.communicate(timeout=15)
            process.kill()


def _project(name: str, models: str) -> Path:
    """Return a project with a release, made as a newcomer does; `models` in the place of the workflow's choice."""
    folder = FOLDER / name
    _call(["new", str(folder), "--data", str(BUNDLED), "--target", "churn"], FOLDER)
    approvals: dict[str, Any] = {}
    settings = ["--set", f"train.models={models}"] if models else []
    while True:
        (folder / "answers.yaml").write_text(json.dumps({"approvals": approvals}))
        answer = _call(["run", "--answers", "answers.yaml", *settings], folder)
        settings = []
        waiting = answer["data"].get("waiting")
        if waiting is None:
            break
        answers = dict.fromkeys(waiting["questions"], "yes")
        approvals[waiting["approval"]] = {"answer": "approve", "reviewer": "benchmark", "answers": answers}
    if answer["exit"]["name"] != "ok":
        sys.exit(f"the release did not ship: {answer['error']}")
    return folder


def _customers(project: Path) -> list[dict[str, Any]]:
    """Return customers as the API's own schema asks for them, from the source."""
    with ours(project) as server:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/v1/model", timeout=10).read()
        columns = json.loads(answer)["schema"]["columns"]
    names = [column["name"] for column in columns if column["role"] == "feature"]
    rows = pd.read_csv(BUNDLED)[names].dropna().head(MANY)
    return [json.loads(row) for row in rows.to_json(orient="records", lines=True).splitlines()]


def _call(arguments: list[str], folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "churnflow", "--json", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    if answer["exit"]["name"] not in {"ok", "waiting"}:
        sys.exit(f"{answer['error']['text']}\n{answer['error']['hint']}")
    return answer


if __name__ == "__main__":
    os.chdir(ROOT / "benchmarks")
    sys.exit(0 if main(quick="--quick" in sys.argv) else 1)
