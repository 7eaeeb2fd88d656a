"""Real releases in a real store, and the real API as a process of its own."""

import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from churnflow.domain.base import canonical_json
from churnflow.domain.evidence import Artifact
from churnflow.domain.release import Release, object_path
from churnflow.domain.serving import Privacy
from churnflow.modelling.bundle import pack_bundle
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.scorer import PortableModel

ROOT = Path(__file__).parents[2]
GREETING = 2

SCHEMA = {
    "schema": "churnflow/table@1",
    "target": "churn",
    "positive": "Yes",
    "negative": "No",
    "id": "customer_id",
    "columns": [
        {"name": "customer_id", "role": "id", "kind": "category", "required": True, "example": None},
        {"name": "tenure", "role": "feature", "kind": "number", "integer": True, "required": True}
        | {"low": 0, "high": 72, "levels": None, "example": 12},
        {"name": "charges", "role": "feature", "kind": "number", "integer": False, "required": False}
        | {"low": 18.25, "high": 118.75, "levels": None, "example": 70.35},
        {"name": "contract", "role": "feature", "kind": "category", "integer": False, "required": True}
        | {"low": None, "high": None, "levels": ["Month-to-month", "One year"], "example": "One year"},
        {"name": "region_code", "role": "dropped", "kind": "category", "required": True, "reason": "one value"},
        {"name": "churn", "role": "target", "kind": "category", "required": True, "levels": ["No", "Yes"]},
    ],
}


def build_model(bias: float) -> PortableModel:
    """Return a logistic model on tenure, charges and contract; `bias` tells releases apart."""
    columns = (
        Column("tenure", "number", impute=30, mean=30, scale=20),
        Column("charges", "number", impute=70, mean=70, scale=30, indicator=True),
        Column("contract", "category", levels=("Month-to-month", "One year")),
    )
    arrays = {"weights": np.array([-1.0, 0.4, 0.1, 0.8, -0.5]), "bias": np.array([bias])}
    return PortableModel("logistic", "linear", Encoding(columns), arrays, (1.0, 0.0), 0.4, "Yes", "No")


def bundle_files(bias: float) -> dict[str, bytes]:
    """Return the files of a release of `build_model(bias)`."""
    card = {"schema": "churnflow/card@1", "model": "logistic", "bias": bias}
    return {
        "model.bin": build_model(bias).to_bytes(),
        "schema.json": json.dumps(SCHEMA).encode(),
        "card.json": json.dumps(card).encode(),
    }


def build_bundle(bias: float) -> bytes:
    """Return the release bundle of `build_model(bias)`."""
    return pack_bundle(bundle_files(bias))


@dataclass
class Shelf:
    """A store and the pointer into it, as a project keeps them."""

    root: Path
    pointer: Path = field(init=False)
    store: Path = field(init=False)

    def __post_init__(self) -> None:
        self.pointer, self.store = self.root / "release.json", self.root / "store"

    def bundle_path(self, sha256: str) -> Path:
        return self.store / object_path(sha256)

    def put(self, bias: float) -> str:
        data = build_bundle(bias)
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.bundle_path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return sha256

    def point(self, version: str, sha256: str, privacy: Privacy | None = None) -> None:
        release = Release(
            version=version,
            artifact=Artifact(name="candidate", codec="release", sha256=sha256, size_bytes=1),
            run="261123-7qd2",
            checkpoint=f"churnflow/261123-7qd2/{version}",
            approval_sha256=None,
            at=datetime(2026, 11, 23, tzinfo=UTC),
            privacy=privacy,
        )
        temporary = self.pointer.with_suffix(".tmp")
        temporary.write_bytes(canonical_json(release.model_dump(mode="json", by_alias=True)))
        temporary.replace(self.pointer)

    def ship(self, version: str, bias: float) -> str:
        sha256 = self.put(bias)
        self.point(version, sha256)
        return sha256

    @property
    def arguments(self) -> list[str]:
        return ["--pointer", str(self.pointer), "--store", str(self.store)]


@dataclass
class Api:
    """A running API process."""

    process: subprocess.Popen[str]
    port: int
    log: list[str]
    reader: threading.Thread

    @property
    def complaints(self) -> list[str]:
        """What it said after the two lines of its greeting."""
        assert self.log[0].startswith("listening on http://")
        assert self.log[1].startswith("serving ")
        return self.log[2:]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def call(self, method: str, path: str, body: bytes | None = None, media: str = "application/json") -> Any:
        connection = self.connect()
        try:
            connection.request(method, path, body, {"Content-Type": media} if body is not None else {})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        text = data.decode("utf-8")
        return response.status, json.loads(text) if response.headers.get_content_subtype() == "json" else text

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def predict(self, body: object) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", "/api/v1/predict", data)

    def stop(self, sig: int = signal.SIGTERM) -> int:
        self.process.send_signal(sig)
        return self.ended()

    def ended(self, seconds: float = 15) -> int:
        """Wait until it has ended and all it said is in the log; return its exit code."""
        code = self.process.wait(seconds)
        self.reader.join(seconds)
        return code

    def close(self) -> None:
        """Stop it if it still runs, and give its pipes back."""
        with self.process:
            if self.process.poll() is None:
                self.process.terminate()
            self.ended()


def serving_workers(api: Api) -> list[psutil.Process]:
    """Return the processes that answer, the parent left out."""
    found = []
    for child in psutil.Process(api.process.pid).children():
        # One that has just been killed has no command line; the other child of the parent tracks what workers share.
        with suppress(psutil.Error):
            found += [child] if any("spawn_main" in word for word in child.cmdline()) else []
    return found


def eventually(hold: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until `hold` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not hold():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def launch(arguments: list[str], command: str = "churnflow.serving", folder: Path = ROOT) -> Api:
    """Start the API and wait until it listens or ends; `port` is 0 when it ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split(), *arguments, "--port", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )
    log: list[str] = []
    listening, port = threading.Event(), [0]

    def read() -> None:
        for line in process.stderr or ():
            log.append(line.rstrip())
            if line.startswith("listening on http://"):
                port[0] = int(line.rpartition(":")[2])
            if len(log) == GREETING:
                listening.set()
        listening.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    heard = listening.wait(30)
    api = Api(process, port[0], log, reader)
    if not heard:
        api.close()
        pytest.fail(f"the API neither listened nor ended: {log}")
    return api


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def start() -> Iterator[Callable[..., Api]]:
    """Start APIs that are stopped when the test ends."""
    started: list[Api] = []

    def run(arguments: list[str], **how: Any) -> Api:
        started.append(launch(arguments, **how))
        return started[-1]

    yield run
    for api in started:
        api.close()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One API on a pointer, shared by the tests of a module that only ask."""
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    shelf.ship("v1.0.0", 0.25)
    running = launch(shelf.arguments)
    yield running
    code = running.stop()
    running.close()
    assert (code, running.complaints) == (0, [])


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The same with a log of predictions."""
    folder = tmp_path_factory.mktemp("logged")
    shelf = Shelf(folder)
    shelf.ship("v1.0.0", 0.25)
    running = launch([*shelf.arguments, "--log", f"sqlite:///{folder / 'log' / 'predictions.db'}"])
    yield running
    code = running.stop()
    running.close()
    assert (code, running.complaints) == (0, [])


@pytest.fixture(scope="session")
def model() -> PortableModel:
    """The model that the shared API serves."""
    return build_model(0.25)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """One bundle file, served without a pointer."""
    path = tmp_path / "one.release"
    path.write_bytes(build_bundle(0.25))
    return path
