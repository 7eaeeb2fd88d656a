"""A small real release and traffic on it, written into a real predictions log as its server would."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnflow import Released
from churnflow.modelling.card import candidate_files
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.metrics import Scored, measure
from churnflow.modelling.prediction_log import OutcomeRow, PredictionLog, PredictionRow, ServiceRow
from churnflow.modelling.reference import REFERENCE_FILE, Reference, build_reference
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.served_bundle import digest_of
from tests.customers import make_customers, schema_of
from tests.models import KINDS, fit_case

DAY = 86_400
VERSION = "v1.0.0"


@cache
def release_files(version: str = VERSION) -> dict[str, bytes]:
    """Return the bundle of a logistic regression on made customers; another version says so in its card alone."""
    train, test = make_customers(2000, 1), make_customers(1500, 2)
    model, _ = fit_case("logistic_regression", train, KINDS, "churn")
    scored = Scored.at(model.score(as_columns(test, model.encoding)), test["churn"].to_numpy(), model.threshold)
    metrics = {name: asdict(value) for name, value in measure(scored, 0).items()}
    parts = [as_columns(part, model.encoding) for part in (train, test)]
    schema = schema_of(train, "churn", "customer_id") | {"labels": {"yes": 1, "no": 0}, "version": version}
    return candidate_files(model, schema, {"metrics": metrics}, {"rows": len(train)}, build_reference(model, *parts))


def released(**changed: bytes | None) -> Released:
    """Return the release as a step gets it; `changed` replaces files, None takes one away."""
    files = {**release_files(), **{name.replace("_", "."): data for name, data in changed.items()}}
    return Released(VERSION, {name: data for name, data in files.items() if data is not None})


def model() -> PortableModel:
    """Return the released model."""
    return PortableModel.from_bytes(release_files()["model.bin"])


def reference() -> Reference:
    """Return the reference of the release."""
    return Reference.from_bytes(release_files()[REFERENCE_FILE])


def predictions(
    customers: pd.DataFrame,
    at: Sequence[float],
    names: Sequence[str | None] | None = None,
    version: str = VERSION,
    **changed: Any,
) -> list[PredictionRow]:
    """Return what the server would take down of customers asked about at some times, by ids of their own."""
    columns = as_columns(customers, model().encoding)
    codes, scores = reference().codes(columns), model().score(columns)
    called = names if names is not None else customers["customer_id"].tolist()
    digest = digest_of(release_files(version))
    return [
        PredictionRow(
            **{
                "id": f"{version}-{place}-{moment:.3f}-0",
                "at": float(moment),
                "customer": called[place],
                "key": None,
                "version": version,
                "release": digest,
                "latency_ms": 2.0,
                "probability": float(scores[place]),
                "decision": int(scores[place] >= model().threshold),
                "bins": codes[place].tobytes().hex(),
                "inputs": None,
                **changed,
            }
        )
        for place, moment in enumerate(at)
    ]


def outcomes(rows: Sequence[PredictionRow], labels: Sequence[int]) -> list[OutcomeRow]:
    """Return what became of predictions, told by prediction."""
    return [OutcomeRow(row.at + 60, row.id, None, int(label), None) for row, label in zip(rows, labels, strict=True)]


def service(start: float, end: float, *, requests: int = 10, errors: int = 0, lost: int = 0) -> list[ServiceRow]:
    """Return a service that runs every minute between two times, with requests in the first of them."""
    minutes = range(int(start // 60), int(end // 60))
    rows = [ServiceRow(minute, "w", "alive", 0, 0, 0.0, 0) for minute in minutes]
    rows.append(ServiceRow(minutes[0], "w", "predict", 200, requests, 2.0 * requests, lost))
    rows.append(ServiceRow(minutes[0], "w", "predict", 500, errors, 0.0, 0))
    rows.append(ServiceRow(minutes[0], "w", "predict", 422, 5, 0.0, 0))
    return rows


def begun(folder: Path) -> tuple[PredictionLog, str]:
    """Return an empty log in a file of `folder`, and its URL."""
    url = f"sqlite:///{folder / 'log' / 'predictions.db'}"
    return PredictionLog.open(url), url


def some_days(
    log: PredictionLog, end: float, customers: pd.DataFrame, *, days: int = 4, labelled: bool = True
) -> list[PredictionRow]:
    """Write customers, spread over the days before `end`, with the service and, where asked, their outcomes."""
    random = np.random.default_rng(5)
    at = np.sort(random.uniform(end - (days - 1) * DAY, end - 120, len(customers)))
    rows = predictions(customers, at.tolist())
    log.write(rows, service(end - (days - 1) * DAY, end, requests=len(rows)))
    if labelled:
        log.add_outcomes(outcomes(rows, customers["churn"].tolist()))
    return rows
