"""A Parquet file of customers scored into a ranked list, beside pandas with a scikit-learn pipeline around XGBoost."""

import os
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import duckdb
import joblib
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

from churnflow.batch.run import score
from churnflow.modelling.bundle import read_bundle, write_bundle
from churnflow.modelling.card import candidate_files
from churnflow.modelling.encoding import as_columns, learn
from churnflow.modelling.families import RECIPES, ModelName
from churnflow.modelling.fitting import Sample
from churnflow.modelling.reference import REFERENCE_FILE, build_reference
from churnflow.modelling.scorer import PortableModel
from churnflow.steps.ingest import ingest
from measure import Row, fresh, table

ROWS = int(os.environ.get("CHURNFLOW_BENCH_ROWS", "1000000"))
THREADS = 2
LEAST = 200_000
PEER_TREES = {"n_estimators": 300, "max_depth": 3, "learning_rate": 0.05, "n_jobs": THREADS}
MODELS: dict[ModelName, dict[str, float]] = {
    "xgboost": {"rounds": 300, "eta": 0.05, "max_depth": 3, "min_child_weight": 1.0, "lambda": 1.0, "gamma": 0.0},
    "logistic_regression": {"C": 1.0, "knots": 8},
}
# What the list holds beside id, probability and decision: without reasons both do the same job.
JOBS = {"without reasons": {"reasons": 0}, "three reasons each": {"reasons": 3}}


def main() -> bool:
    """Print the comparison; return whether a list is made faster than the peer's, at 200,000 rows a second."""
    folder = fresh("batch")
    customers, schema = _customers()
    _write_rows(folder / "many.parquet")
    _write_peer(folder, customers, schema)
    peer = _timed(folder, "peer")
    rows, fast = [], True
    for model in MODELS:
        _write_release(folder / f"{model}.release", model, customers, schema)
        for name, given in JOBS.items():
            ours = _timed(folder, f"{model}.release", str(given["reasons"]))
            rows.append(Row(f"{model}, {name}", ours, peer, 1.0))
            print(f"{model}, {name}: {ROWS / ours:,.0f} rows a second")
            fast = fast and ROWS / ours >= LEAST
    held = table(f"{ROWS:,} customers of a Parquet file", rows, peer="scikit-learn")
    return held and fast


def _customers() -> tuple[pd.DataFrame, dict]:
    result = ingest(Path(str(files("churnflow.data") / "telco.csv.gz")), "churn", "customer_id")
    return result.outputs["customers"], result.outputs["schema"]


def _write_rows(path: Path) -> None:
    """Write so many customers like the bundled ones, with ids and charges of their own."""
    source = str(files("churnflow.data") / "telco.csv.gz")
    rows = f"read_csv('{source}', nullstr = ['', 'NA']), range({ROWS // 7043 + 1}) copies(copy)"
    own = "customer_id || '-' || copy AS customer_id, monthly_charges + copy / 1000 AS monthly_charges"
    with duckdb.connect() as connection:
        select = f"SELECT * EXCLUDE (copy) REPLACE ({own}) FROM {rows} LIMIT {ROWS}"  # noqa: S608 - no input
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")


def _kinds(schema: dict) -> dict[str, str]:
    return {column["name"]: column["kind"] for column in schema["columns"] if column["role"] == "feature"}


def _write_release(path: Path, name: ModelName, customers: pd.DataFrame, schema: dict) -> None:
    target = customers["churn"].to_numpy()
    learned = learn(customers, _kinds(schema), target, 0)
    fitted = RECIPES[name].fit(Sample(learned.matrix, target), MODELS[name], 0, None)
    model = PortableModel(name, fitted.family, learned.encoding, fitted.arrays, (1.0, 0.0), 0.3, "Yes", "No")
    columns = as_columns(customers, learned.encoding)
    reference = build_reference(model, columns, columns).to_bytes()
    write_bundle({**candidate_files(model, schema, {}, {}), REFERENCE_FILE: reference}, path)


def _write_peer(folder: Path, customers: pd.DataFrame, schema: dict) -> None:
    kinds = _kinds(schema)
    of_kind = {kind: [name for name in kinds if kinds[name] == kind] for kind in ("number", "category")}
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), of_kind["number"]),
        (OneHotEncoder(handle_unknown="ignore"), of_kind["category"]),
    )
    pipeline = make_pipeline(encoder, XGBClassifier(**PEER_TREES)).fit(customers[list(kinds)], customers["churn"])
    joblib.dump((list(kinds), pipeline), folder / "peer.joblib")


def _timed(folder: Path, *arguments: str) -> float:
    """Return the seconds of the faster of two runs, each a process of its own that tells what its job took."""
    command = [sys.executable, __file__, *arguments]
    runs = [subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True) for _ in range(2)]
    return min(float(run.stdout.splitlines()[-1]) for run in runs)


def _as_peer() -> None:
    names, pipeline = joblib.load("peer.joblib")
    frame = duckdb.sql("FROM 'many.parquet'").df()
    probability = _probabilities(pipeline, frame[names])
    listed = pd.DataFrame({"customer_id": frame["customer_id"], "probability": probability})
    listed["decision"] = (probability >= 0.3).map({True: "Yes", False: "No"})
    listed.sort_values("probability", ascending=False, kind="stable").to_csv("peer.csv", index=False)


def _probabilities(pipeline: Pipeline, frame: pd.DataFrame) -> pd.Series:
    return pd.Series(pipeline.predict_proba(frame)[:, 1])


def _as_churnflow(bundle: str, reasons: str) -> None:
    unsaid = dict.fromkeys(("campaign", "separator", "encoding", "sheet", "table", "query"))
    given = {**unsaid, "source": "many.parquet", "output": Path("list.csv"), "reasons": int(reasons), "force": True}
    score(read_bundle(Path(bundle)), given, lambda *_: None)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(0 if main() else 1)
    began = time.perf_counter()
    if sys.argv[1] == "peer":
        _as_peer()
    else:
        _as_churnflow(*sys.argv[1:])
    print(time.perf_counter() - began)
