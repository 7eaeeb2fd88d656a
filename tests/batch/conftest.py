"""A released model of real customers, and lists that it makes of files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from churnflow.batch.run import score
from churnflow.modelling.card import candidate_files
from churnflow.modelling.encoding import as_columns, learn
from churnflow.modelling.families import RECIPES
from churnflow.modelling.fitting import Sample
from churnflow.modelling.reference import REFERENCE_FILE, build_reference
from churnflow.modelling.scorer import PortableModel
from churnflow.steps.ingest import ingest
from tests.customers import make_customers

SHALLOW = {"rounds": 60, "eta": 0.1, "max_depth": 3, "min_child_weight": 1.0, "lambda": 1.0, "gamma": 0.0}
Said = dict[str, Any]


@dataclass(frozen=True)
class Released:
    """A model and the files of its release, the customers as text, and the probability of each by the model alone."""

    model: PortableModel
    files: Mapping[str, bytes]
    texts: pd.DataFrame
    probabilities: list[float]


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """Boosted trees of 600 customers with a number that is missing at times, a whole one and two categories."""
    folder = tmp_path_factory.mktemp("released")
    made = make_customers(600)
    frame = pd.DataFrame(
        {
            "customer_id": made["customer_id"],
            "tenure_months": made["tenure"].astype(int).astype(str),
            "bill": ["" if np.isnan(value) else repr(round(value, 2)) for value in made["bill"].tolist()],
            "plan": made["plan"].astype(object).where(made["plan"].notna(), ""),
            "region": [["north", "south", "east"][row % 3] for row in range(600)],
            "churn": made["churn"].map({1: "Yes", 0: "No"}),
        }
    )
    frame.to_csv(folder / "customers.csv", index=False)
    result = ingest(folder / "customers.csv", "churn", "customer_id")
    customers, schema = result.outputs["customers"], result.outputs["schema"]
    kinds = {column["name"]: column["kind"] for column in schema["columns"] if column["role"] == "feature"}
    target = customers["churn"].to_numpy()
    learned = learn(customers, kinds, target, 0)
    fitted = RECIPES["xgboost"].fit(Sample(learned.matrix, target), SHALLOW, 0, None)
    model = PortableModel("xgboost", fitted.family, learned.encoding, fitted.arrays, (1.0, 0.0), 0.4, "Yes", "No")
    columns = as_columns(customers, learned.encoding)
    reference = build_reference(model, columns, columns)
    files = {**candidate_files(model, schema, {}, {}), REFERENCE_FILE: reference.to_bytes()}
    return Released(model, files, frame.drop(columns="churn"), model.score(columns).tolist())


@pytest.fixture
def listed(released: Released, tmp_path: Path) -> Callable[..., tuple[pd.DataFrame, Said]]:
    """Make a list of a file or of a frame of texts; return it, every cell as text, and what was said about it."""

    def make(source: Path | pd.DataFrame | str, output: str = "list.csv", **asked: Any) -> tuple[pd.DataFrame, Said]:
        if isinstance(source, pd.DataFrame):
            source.to_csv(tmp_path / "given.csv", index=False)
            source = tmp_path / "given.csv"
        path = tmp_path / output
        said = score(released.files, job(source, path, **asked), lambda *_: None)
        return read(path), said

    return make


def job(source: Path | str, output: Path | None, **asked: Any) -> dict[str, Any]:
    """Return what the command line hands over."""
    unsaid = dict.fromkeys(("campaign", "separator", "encoding", "sheet", "table", "query"))
    return {**unsaid, "source": str(source), "output": output, **asked}


def read(path: Path) -> pd.DataFrame:
    """Return a list of any form, every cell as text, empty for none."""
    if path.suffix == ".csv":
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    reader = duckdb.read_parquet if path.suffix == ".parquet" else duckdb.read_json
    columns = reader(str(path)).df()
    return columns.astype(object).where(columns.notna(), "").astype(str)
