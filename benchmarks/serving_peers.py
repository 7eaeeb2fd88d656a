"""The peers of the serving benchmark: a bare echo, and the usual way to serve a model, a DataFrame through a pipeline.

Started by `serving.py` with uvicorn and the same options as ours; the names of the columns, with the types that
customers have, come from the file that PEER_CUSTOMER names, the training data from PEER_DATA.
"""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel, create_model

_EXAMPLE: dict[str, Any] = json.loads(Path(os.environ["PEER_CUSTOMER"]).read_text())
Customer: Any = create_model(
    "Customer", **{f"c{place}": (type(value), ...) for place, value in enumerate(_EXAMPLE.values())}
)
if all(name.isidentifier() for name in _EXAMPLE):
    Customer = create_model("Customer", **{name: (type(value), ...) for name, value in _EXAMPLE.items()})


class Customers(BaseModel):
    """Several customers."""

    customers: list[Customer]


echo = FastAPI()


@echo.post("/one")
async def one(customer: Customer) -> Customer:
    """Return what was sent, validated."""
    return customer


@echo.post("/many")
async def many(customers: Customers) -> Customers:
    """Return what was sent, validated."""
    return customers


def pipeline() -> FastAPI:
    """Return an API that makes a DataFrame of each request for scikit-learn's pipeline with XGBoost at its end."""
    from sklearn.compose import make_column_selector, make_column_transformer  # noqa: PLC0415 - the echo needs none
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: PLC0415
    from xgboost import XGBClassifier  # noqa: PLC0415

    table = pd.read_csv(os.environ["PEER_DATA"])
    inputs, target = table[list(_EXAMPLE)], table["churn"].astype(str).isin(["Yes", "1", "1.0"]).astype(int)
    kinds = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    model = make_pipeline(kinds, XGBClassifier(n_estimators=300, max_depth=3, learning_rate=0.05, n_jobs=1))
    model.fit(inputs, target)
    app = FastAPI()

    @app.post("/one")
    def predict(customer: Customer) -> dict[str, float]:
        frame = pd.DataFrame([customer.model_dump()])
        return {"probability": float(model.predict_proba(frame)[0, 1])}

    return app
