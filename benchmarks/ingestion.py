"""Customers read and validated: 50,000 of them beside pandas, and the peak memory of up to ten million."""

import argparse
import csv
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
from itertools import cycle, islice
from pathlib import Path

from measure import BUILD, Row, environment, side_by_side, table

FOLDER = BUILD / "bench" / "ingestion"
BUNDLED = Path(__file__).resolve().parents[1] / "churnflow" / "data" / "telco.csv.gz"
FEW = 50_000
MANY = (1_000_000, 2_500_000, 5_000_000, 10_000_000)
QUICK = (600_000, 1_200_000)
ROUNDS = 5
SECONDS = 1.0
MOST_MB = 1_000
GROWTH = 1.2
# What lies on disk for each row at a time: the source, its codes and texts, the table in parts, and it as an artifact.
BYTES_PER_ROW = 500
OURS = """
import json, resource, sys, time
from pathlib import Path
from churnflow.codecs import frame
from churnflow.steps.ingest import ingest
source, kept = Path(sys.argv[1]), Path(sys.argv[2])
began = time.process_time()
result = ingest(source, "churn", "customer_id", "Yes")
cpu = time.process_time() - began
frame.dump(result.outputs["customers"], kept)
rows, repeated = result.metrics["records"], result.metrics["duplicate_rows"]
"""
# Read, and checked by hand as closely as a table of such customers is when somebody knows beforehand what it holds.
PANDAS = """
import json, resource, sys, time
import numpy as np
import pandas as pd
began = time.process_time()
frame = pd.read_csv(sys.argv[1], dtype={"customer_id": "str"})
numbers = ["tenure", "monthly_charges", "total_charges"]
features = [name for name in frame.columns if name not in {"customer_id", "churn"}]
reasons = {}
reasons["no_label"] = ~frame["churn"].isin(["Yes", "No"])
reasons["no_id"] = frame["customer_id"].isna() | (frame["customer_id"].str.strip() == "")
reasons["duplicate_id"] = frame["customer_id"].duplicated()
labels = frame.groupby("customer_id")["churn"].nunique()
reasons["conflicting_label"] = frame["customer_id"].isin(labels.index[labels > 1])
for name in numbers:
    read = pd.to_numeric(frame[name], errors="coerce")
    reasons[f"{name} is no number"] = read.isna() & frame[name].notna()
    reasons[f"{name} is out of range"] = ~read.between(-1e15, 1e15) & read.notna()
    frame[name] = read
rejected = pd.DataFrame(reasons).any(axis=1)
kept = frame[~rejected].copy()
kept["churn"] = (kept["churn"] == "Yes").astype("int64")
schema = {}
for name in features:
    column = kept[name]
    schema[name] = {"missing": float(column.isna().mean()), "distinct": int(column.nunique())}
    if name in numbers:
        schema[name] |= {"low": float(column.min()), "high": float(column.max())}
    else:
        schema[name]["levels"] = column.value_counts().to_dict()
rows, repeated = len(kept), int(kept[features].duplicated().sum())
cpu = time.process_time() - began
"""
TOLD = """
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"cpu": cpu, "mb": peak, "rows": rows, "repeated": repeated}))
"""


def main(*, quick: bool = False) -> bool:
    """Print the tables; return whether the targets were held."""
    sizes = QUICK if quick else MANY
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    try:
        if shutil.disk_usage(FOLDER).free < BYTES_PER_ROW * max(sizes):
            sys.exit(f"{max(sizes):,} rows need {BYTES_PER_ROW * max(sizes) / 1e9:.0f} GB of disk for a while")
        return all([_few(), _many(sizes)])
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


def _few() -> bool:
    source = _source(FEW)
    told: dict[str, list[dict[str, float]]] = {"ours": [], "pandas": []}

    def timed(name: str, code: str) -> float:
        told[name].append(_run(code, source))
        return told[name][-1]["cpu"]

    seconds = side_by_side(lambda _: timed("ours", OURS), lambda _: timed("pandas", PANDAS), ROUNDS)
    same = all(one["rows"] == FEW for found in told.values() for one in found)
    same = same and told["ours"][0]["repeated"] == told["pandas"][0]["repeated"]
    peaks = [statistics.median(one["mb"] for one in found) for found in told.values()]
    print(f"\n{FEW:,} customers, 21 columns; the same kept and found to repeat another: {'yes' if same else 'NO'}")
    print(f"CPU seconds of churnflow: {seconds[0]:.2f} ({SECONDS:g} allowed); peak memory {peaks[0]:,.0f} MB")
    held = table("Read and validated (CPU seconds)", [Row(f"{FEW:,} rows", *seconds, 4.0)], peer="pandas")
    return held and same and seconds[0] <= SECONDS


def _many(sizes: tuple[int, ...]) -> bool:
    print(f"\n{'rows':>12} {'peak memory':>14} {'CPU':>10} {'rows a CPU second':>20}")
    peaks: dict[int, float] = {}
    for rows in sizes:
        source = _source(rows)
        told = _run(OURS, source)
        source.unlink()
        if told["rows"] != rows:
            sys.exit(f"{told['rows']:,} of {rows:,} rows were kept")
        peaks[rows] = told["mb"]
        print(f"{rows:12,} {told['mb']:11,.0f} MB {told['cpu']:8.1f} s {rows / told['cpu']:20,.0f}", flush=True)
    *_, before, last = sizes
    growth = Row(f"{last:,} rows beside {before:,}", peaks[last], peaks[before], GROWTH)
    held = table("Peak memory", [growth], ours="larger", peer="smaller", unit="MB")
    return held and peaks[last] <= MOST_MB


def _source(rows: int) -> Path:
    """Write the bundled customers over and over, each with an id of its own."""
    path = FOLDER / f"customers-{rows}.csv"
    with gzip.open(BUNDLED, "rt", encoding="utf-8", newline="") as packed:
        header, *customers = csv.reader(packed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"C{row:08d}", *customer[1:]] for row, customer in enumerate(islice(cycle(customers), rows)))
    return path


def _run(code: str, source: Path) -> dict[str, float]:
    """Run one side in a fresh process, with its temporary files beside the source, and return what it tells."""
    inherited = {**environment(), "TMPDIR": os.fspath(FOLDER)}
    command = [sys.executable, "-c", code + TOLD, str(source), str(FOLDER / "kept.parquet")]
    done = subprocess.run(command, env=inherited, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,200,000 rows at most")
    sys.exit(0 if main(quick=parser.parse_args().quick) else 1)
