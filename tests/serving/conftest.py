"""Real releases in a real store, and the real API as a process of its own."""

import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from churnflow.domain.base import canonical_json
from churnflow.domain.evidence import Artifact
from churnflow.domain.release import Release, object_path
from churnflow.modelling.bundle import pack_bundle
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.scorer import PortableModel

ROOT = Path(__file__).parents[2]

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


def build_bundle(bias: float) -> bytes:
    """Return the release bundle of `build_model(bias)`."""
    card = {"schema": "churnflow/card@1", "model": "logistic", "bias": bias}
    files = {
        "model.bin": build_model(bias).to_bytes(),
        "schema.json": json.dumps(SCHEMA).encode(),
        "card.json": json.dumps(card).encode(),
    }
    return pack_bundle(files)


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

    def point(self, version: str, sha256: str) -> None:
        release = Release(
            version=version,
            artifact=Artifact(name="candidate", codec="release", sha256=sha256, size_bytes=1),
            run="261123-7qd2",
            checkpoint=f"churnflow/261123-7qd2/{version}",
            approval_sha256=None,
            at=datetime(2026, 11, 23, tzinfo=UTC),
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
        return self.process.wait(15)


def launch(arguments: list[str]) -> Api:
    """Start the API and wait until it listens or ends; `port` is 0 when it ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "churnflow.serving", *arguments, "--port", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    api, listening = Api(process, 0, []), threading.Event()

    def read() -> None:
        for line in process.stderr or ():
            api.log.append(line.rstrip())
            if line.startswith("listening on http://"):
                api.port = int(line.rpartition(":")[2])
                listening.set()
        listening.set()

    threading.Thread(target=read, daemon=True).start()
    assert listening.wait(30), "the API neither listened nor ended"
    return api


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def start() -> Iterator[Callable[[list[str]], Api]]:
    """Start APIs that are stopped when the test ends."""
    started: list[Api] = []

    def run(arguments: list[str]) -> Api:
        started.append(launch(arguments))
        return started[-1]

    yield run
    for api in started:
        if api.process.poll() is None:
            api.process.terminate()
            api.process.wait(15)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One API on a pointer, shared by the tests of a module that only ask."""
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    shelf.ship("v1.0.0", 0.25)
    running = launch(shelf.arguments)
    yield running
    assert running.stop() == 0
    assert running.log == [f"listening on http://127.0.0.1:{running.port}"]


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
