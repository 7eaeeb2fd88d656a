"""Customer tables for the tests of modelling and of the churn steps, made the way ingestion makes them."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnflow.modelling.columns import Encoding
from churnflow.modelling.encoding import learn

BUNDLED = Path(str(files("churnflow.data") / "telco.csv.gz"))
PLANS = np.array(["basic", "plus", "family"])


def schema_of(frame: pd.DataFrame, target: str, identifier: str | None = None) -> dict[str, Any]:
    """Describe a frame as ingestion does."""
    columns = []
    for name in frame.columns:
        role = "target" if name == target else "id" if name == identifier else "feature"
        number = pd.api.types.is_numeric_dtype(frame[name])
        columns.append(
            {
                "name": name,
                "role": role,
                "kind": "number" if number else "category",
                "required": not frame[name].isna().any(),
                "levels": [] if number else sorted(frame[name].dropna().unique().tolist()),
            }
        )
    named = {"target": target, "positive": "yes", "negative": "no", "id": identifier}
    return {"schema": "churnflow/table@1", **named, "columns": columns}


def make_customers(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Make customers whose churn depends on tenure, bill and plan; bill and plan are missing here and there."""
    random = np.random.default_rng(seed)
    tenure = random.integers(0, 72, rows).astype(np.float64)
    bill = random.normal(60, 20, rows)
    plan = PLANS[random.integers(0, 3, rows)]
    odds = 1.5 - 0.07 * tenure + 0.02 * (bill - 60) + np.where(plan == "basic", 1.0, -0.5)
    churn = (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    frame = pd.DataFrame(
        {
            "customer_id": [f"C{row:05d}" for row in range(rows)],
            "tenure": tenure,
            "bill": np.where(random.random(rows) < 0.05, np.nan, bill),
            "plan": pd.Series(plan, dtype="str").mask(random.random(rows) < 0.05),
            "noise": random.normal(size=rows),
            "churn": churn,
        }
    )
    return frame.astype({"customer_id": "str", "plan": "str"})


def encoding_of(frame: pd.DataFrame, kinds: dict[str, str]) -> Encoding:
    """Return the encoding that a model of these customers would have."""
    return learn(frame, kinds, frame["churn"].to_numpy(), 0).encoding


def read_telco() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the bundled Telco customers as ingestion would, without their id."""
    frame = pd.read_csv(BUNDLED).drop(columns="customer_id")
    frame["churn"] = (frame["churn"] == "Yes").astype(np.int64)
    numbers = [name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name]) and name != "churn"]
    frame = frame.astype(dict.fromkeys(numbers, "float64"))
    return frame, schema_of(frame, "churn")


def write_customers(folder: Path, rows: int = 40, **changed: list[str]) -> Path:
    """Write a small table of customers as CSV, every third of them gone; a column given replaces one or comes last."""
    columns = {
        "customer_id": [f"C{row:03d}" for row in range(rows)],
        "tenure": [str(row % 17) for row in range(rows)],
        "plan": [str(PLANS[row % len(PLANS)]) for row in range(rows)],
        "churn": ["Yes" if row % 3 == 0 else "No" for row in range(rows)],
        **changed,
    }
    lines = [columns, *zip(*columns.values(), strict=True)]
    path = folder / "customers.csv"
    path.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    return path
