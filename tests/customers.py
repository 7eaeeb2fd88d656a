"""Customer tables for the tests of modelling and of the churn steps, made the way ingestion makes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

SHARED = Path(__file__).parents[2] / "shared" / "data"
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


def read_telco() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the Telco customers as ingestion would, without an id; skip the test where the set is not at hand."""
    path = SHARED / "wa_churn" / "wa_churn.csv"
    if not path.exists():
        pytest.skip(f"{path.name} is not at hand")
    frame = pd.read_csv(path)
    frame["churn"] = (frame["churn"] == "Yes").astype(np.int64)
    numbers = [name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name]) and name != "churn"]
    frame = frame.astype(dict.fromkeys(numbers, "float64"))
    return frame, schema_of(frame, "churn")
