"""What churnflow reads back, one real example of each kind, with the function that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from place import WORKFLOW, Place

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.git_chain import Link, prove
from churnflow.adapters.journal_files import JournalFiles
from churnflow.adapters.record_yaml import from_yaml, to_yaml
from churnflow.adapters.release_files import ReleaseFiles
from churnflow.codecs import frame as frame_codec
from churnflow.codecs import json_document, model, release
from churnflow.domain.checkpoint import summary_of
from churnflow.engine.parse import read
from churnflow.modelling import families
from churnflow.modelling.encoding import learn
from churnflow.modelling.fitting import Sample
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.served_bundle import reference_in
from churnflow.project import CODECS
from churnflow.serving.current import load_release

FAMILIES = {
    "logistic_regression": {"C": 1.0, "knots": 4},
    "svm": {"kernel": "fourier", "C": 0.05, "gamma": 0.01},
    "xgboost": {"rounds": 4, "eta": 0.3, "max_depth": 3, "min_child_weight": 1.0, "lambda": 1.0, "gamma": 0.0},
}


@dataclass(frozen=True)
class Reader:
    """A kind of bytes: how they are mutated (zip, json, yaml, bytes), and what reads them from a file.

    digested: the reader compares a digest first, so that nothing but the bytes themselves may be accepted.
    """

    name: str
    form: str
    data: bytes
    read: Callable[[Path], object]
    digested: bool = False


def readers(place: Place, scratch: Path) -> list[Reader]:
    """Return every reader with its example: those behind a digest, and the parsers themselves."""
    project = place.project
    served = project.pointer.read()
    assert served is not None
    head = project.checkpoints.load(served.checkpoint)
    link = Link("0" * 40, summary_of(head), ())
    bundle = project.store.path(served.artifact).read_bytes()
    files = release.load(project.store.path(served.artifact))
    record, journal = to_yaml(head), project.repository.state_dir / "runs" / head.run.id / "journal.jsonl"
    found = [
        Reader("checkpoint, digest", "yaml", record, lambda path: prove(path.read_bytes(), link), digested=True),
        Reader("checkpoint", "yaml", record, lambda path: from_yaml(path.read_bytes(), "it")),
        Reader("workflow", "yaml", WORKFLOW.encode(), lambda path: read(path, "it")),
        Reader("release, digest", "zip", bundle, lambda path: load_release(path, served), digested=True),
        Reader("release, served", "zip", bundle, lambda path: load_release(path, None)),
        Reader("release, codec", "zip", bundle, release.load),
        Reader("reference", "json", files["reference.json"], lambda path: reference_in({"reference.json": _of(path)})),
        Reader("JSON artifact", "json", b'{"a":[1,2.5,null,"x"],"b":{"c":true}}', json_document.load),
        Reader("pointer", "json", place.state.joinpath("served.json").read_bytes(), _pointer),
        Reader("journal", "bytes", journal.read_bytes(), _journal),
        *(Reader(f"model {name}", "zip", data, _scored) for name, data in _models().items()),
        *_stored(scratch),
    ]
    frame = scratch / "frame.parquet"
    frame_codec.dump(pd.DataFrame({"a": [1.0, None, 3.0], "b": ["x", None, "z"]}), frame)
    return [*found, Reader("frame", "bytes", frame.read_bytes(), frame_codec.load)]


def _of(path: Path) -> bytes:
    return path.read_bytes()


def _pointer(path: Path) -> object:
    folder = path.parent / "pointer"
    folder.mkdir(exist_ok=True)
    (folder / "served.json").unlink(missing_ok=True)
    (folder / "served.json").symlink_to(path)
    return ReleaseFiles(folder).read()


def _journal(path: Path) -> object:
    folder = path.parent / "journal/runs/261126-aaaa"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal.jsonl").unlink(missing_ok=True)
    (folder / "journal.jsonl").symlink_to(path)
    return JournalFiles(path.parent / "journal", path.parent / "shared").read("261126-aaaa")


def _scored(path: Path) -> object:
    """Read a model and, where it is taken for one, score with it: what is accepted must not crash later."""
    found = model.load(path)
    width = found.encoding.width
    return found.probability(np.zeros((2, width))) if width < 10_000 else None


def _models() -> dict[str, bytes]:
    random = np.random.default_rng(3)
    table = pd.DataFrame({"tenure": random.integers(0, 70, 200), "plan": random.choice(["a", "b", "c"], 200)})
    churned = (table["tenure"] < 20).to_numpy().astype(np.float64)
    learned = learn(table.assign(churn=churned), {"tenure": "number", "plan": "category"}, churned, 0)
    made = {}
    for name, params in FAMILIES.items():
        fitted = families.RECIPES[name].fit(Sample(learned.matrix, churned), params, 3, None)
        portable = PortableModel(name, fitted.family, learned.encoding, fitted.arrays, (1.0, 0.0), 0.4, "yes", "no")
        made[name] = portable.to_bytes()
    return made


def _stored(scratch: Path) -> list[Reader]:
    """Return readers of the store: an object is hashed before a codec sees a byte of it."""
    values: dict[str, Any] = {"json": {"a": [1, 2, 3]}, "text": "text", "bytes": b"bytes"}
    found = []
    for codec, value in values.items():
        store = ArtifactFiles(scratch / "store", CODECS)
        artifact = store.put("it", value, codec)

        def get(path: Path, artifact: Any = artifact) -> object:
            fresh = ArtifactFiles(path.parent / "objects", CODECS)
            place = fresh.path(artifact)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            path.replace(place)
            return fresh.get(artifact)

        found.append(Reader(f"store, {codec}", "bytes", store.path(artifact).read_bytes(), get, digested=True))
    return found
