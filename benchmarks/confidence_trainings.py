"""Models trained for simulated releases: a sample of a data set through `features` and `train`, kept on disk."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import churnflow
from churnflow.engine.parse import read
from churnflow.modelling.encoding import as_columns
from churnflow.steps.features import features
from churnflow.steps.train import train
from confidence_sets import ROOT, Customers, at_hand
from measure import BUILD

SMALLEST, LARGEST = 600, 2400
POOL = 4000
OBJECTIVES = ("f1", "recall_0.7", "recall_0.8")
WORKERS = 2
WORKFLOW = ROOT / "workflows" / "churn.yaml"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Rows with what a model says of them: probability, target of 0 and 1, decision, group; each (n,)."""

    probability: Floats
    target: npt.NDArray[np.int64]
    decision: npt.NDArray[np.bool_]
    group: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.target)

    def take(self, chosen: npt.NDArray[np.int64]) -> "Rows":
        """Return the rows at these positions."""
        return Rows(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class Training:
    """One model: the training rows as scored out of fold, the test rows, and rows that nothing has seen.

    optimism: by how much the log loss out of fold is too low for the model having been picked, as `train` says.
    """

    source: str
    number: int
    objective: str
    optimism: float
    out_of_fold: Rows
    test: Rows
    unseen: Rows


def trainings(per_set: int) -> list[Training]:
    """Return `per_set` models for each data set, trained anew where the code has changed since they were kept."""
    folder = BUILD / "bench" / "confidence" / _code_digest()
    folder.mkdir(parents=True, exist_ok=True)
    sets = at_hand()
    wanted = [(place, number) for number in range(per_set) for place in range(len(sets))]
    missing = [pair for pair in wanted if not _path(folder, sets[pair[0]], pair[1]).exists()]
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(WORKERS, get_context("spawn"), _begin, (sets, folder)) as pool:
        for count, future in enumerate(as_completed([pool.submit(_keep, *pair) for pair in missing]), start=1):
            future.result()
            if count % 100 == 0 or count == len(missing):
                print(f"trained {count} of {len(missing)}", flush=True)
    return [_load(_path(folder, sets[place], number), sets[place].name, number) for place, number in wanted]


def train_once(customers: Customers, number: int) -> Training:
    """Draw a sample, train on it as the workflow does, and score the rows that were left out of everything."""
    random = np.random.default_rng([number, *customers.name.encode()])
    order = random.permutation(len(customers.frame))
    # Spread evenly over the ratios of sizes: small projects are as common as large ones.
    size = int(np.exp(random.uniform(np.log(SMALLEST), np.log(min(LARGEST, len(order) // 2)))))
    sample, unseen = (customers.frame.iloc[rows].reset_index(drop=True) for rows in (order[:size], order[size:]))
    objective = OBJECTIVES[random.integers(len(OBJECTIVES))]
    made = features(sample, customers.schema, seed=number)
    told: dict[str, Any] = {**as_the_workflow_does(), "objective": objective, "seed": number}
    parts: dict[str, Any] = dict(made.outputs)
    done = train(parts["train"], customers.schema, parts["features"], lambda *_: None, **told)
    model: Any = done.outputs["model"]
    oof: Any = done.outputs["out_of_fold"]
    optimism: Any = done.metrics["selection_optimism"]
    scored = [
        _rows(customers, part, model.score(as_columns(part, model.encoding)), model.threshold)
        for part in (parts["test"], unseen.iloc[:POOL])
    ]
    seen = _rows(customers, parts["train"], oof["probability"].to_numpy(), model.threshold)
    return Training(customers.name, number, objective, optimism.value, seen, *scored)


def as_the_workflow_does() -> dict[str, Any]:
    """Return the models that the project's workflow tries, and how often: what was picked from many looks best."""
    step = next(step for step in read(WORKFLOW, WORKFLOW.name).workflow.steps() if step.uses == "churn.train")
    return {"models": tuple(step.params["models"]), "trials": step.params["trials"]}


def _rows(customers: Customers, frame: pd.DataFrame, probability: Floats, threshold: float) -> Rows:
    target = frame[customers.schema["target"]].to_numpy(dtype=np.int64)
    group = frame[customers.group].astype("str").to_numpy(dtype=np.str_)
    return Rows(probability, target, probability >= threshold, group)


_WORK: dict[str, Any] = {}


def _begin(sets: Sequence[Customers], folder: Path) -> None:
    _WORK.update(sets=sets, folder=folder)


def _keep(place: int, number: int) -> None:
    customers: Customers = _WORK["sets"][place]
    path = _path(_WORK["folder"], customers, number)
    trained = train_once(customers, number)
    arrays = {
        f"{part}_{field.name}": getattr(getattr(trained, part), field.name)
        for part in ("out_of_fold", "test", "unseen")
        for field in fields(Rows)
    }
    beside = path.with_suffix(f".{os.getpid()}")
    with beside.open("wb") as file:
        told = {"objective": np.array(trained.objective), "optimism": np.array(trained.optimism)}
        np.savez_compressed(file, **told, **arrays)
    beside.replace(path)


def _load(path: Path, name: str, number: int) -> Training:
    with np.load(path, allow_pickle=False) as kept:
        parts = [
            Rows(*(kept[f"{part}_{field.name}"] for field in fields(Rows)))
            for part in ("out_of_fold", "test", "unseen")
        ]
        return Training(name, number, str(kept["objective"]), float(kept["optimism"]), *parts)


def _path(folder: Path, customers: Customers, number: int) -> Path:
    return folder / f"{customers.name.split()[0]}-{number:04d}.npz"


def _code_digest() -> str:
    """Return a digest of what the models are made by; the score itself is none of it."""
    package = Path(churnflow.__file__).parent
    named = ("ingest", "features", "train")
    files: Iterator[Path] = iter(
        [
            WORKFLOW,
            *sorted(path for path in (package / "modelling").glob("*.py") if path.name != "assurance.py"),
            *(package / "steps" / f"{name}.py" for name in named),
            *(Path(__file__).with_name(name) for name in ("confidence_sets.py", "confidence_trainings.py")),
        ]
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
