"""Quality beside time: churnflow and its peers on the same splits of real sets, the differences paired by row.

Every tool gets the same training rows and, where it takes one, a budget; churnflow gets less than half of it. Peers are
installed into `build/bench-peers` with pip; CHURNFLOW_BENCH_PEERS may name a Python that has them instead.
"""

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from churnflow.steps.features import features
from confidence_sets import Customers, at_hand
from measure import BUILD, environment

HERE = Path(__file__).resolve().parent
HOME = BUILD / "bench" / "modelling"
REAL = ("telco", "mlc", "iranian", "cdnow", "ravenstack")
PEERS = ("autogluon", "flaml", "catboost", "optuna_xgboost")
OURS = ("churnflow", "churnflow_catboost", "churnflow_simplest")
BUDGET = 60
SEEDS = 3
DRAWS = 2000
CLAIM = 0.005
_PACKAGES = ("autogluon.tabular[catboost,lightgbm,xgboost]==1.6.*", "flaml[automl]==2.*", "optuna")
_BEST = "autogluon"

Floats = npt.NDArray[np.float64]
Result = Mapping[str, Any]


def main(arguments: Sequence[str] = ()) -> bool:
    """Print the tables; return whether every claim held. Results are kept, so that a broken run goes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only", nargs="*", default=[*OURS, *PEERS], help="tools to run; others are read where kept")
    parser.add_argument("--again", action="store_true", help="run those tools again though their results are kept")
    given = parser.parse_args(list(arguments))
    splits = [split for data in at_hand() if data.name in REAL for split in _splits(data, given.seeds)]
    for folder in splits:
        for tool in given.only:
            if given.again or not (folder / f"{tool}.json").exists():
                _run(tool, folder)
    results = [json.loads(path.read_text()) for folder in splits for path in sorted(folder.glob("*.json"))]
    return _report([result for result in results if "log_loss" in result])


def _splits(data: Customers, seeds: int) -> list[Path]:
    """Write the parts of a data set for each seed as text that every tool reads alike."""
    folders = []
    for seed in range(seeds):
        folder = HOME / f"{data.name}-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        outputs: Mapping[str, Any] = features(data.frame, data.schema, seed=seed).outputs
        kinds = {feature["name"]: feature["kind"] for feature in outputs["features"]["features"]}
        for part in ("train", "test"):
            rows = outputs[part]
            rows[list(kinds)].assign(target=rows[data.schema["target"]]).to_csv(folder / f"{part}.csv", index=False)
        (folder / "about.txt").write_text(json.dumps({"set": data.name, "seed": seed, "kinds": kinds}))
        folders.append(folder)
    return folders


def _run(tool: str, folder: Path) -> None:
    python = sys.executable if tool in OURS else _peers()
    command = [python, str(HERE / "modelling_tools.py"), tool, str(folder), str(BUDGET)]
    # Threads that wait by spinning take time from each other on few processors, whichever tool starts them.
    given = {**environment(), "OMP_WAIT_POLICY": "passive"}
    # Some peers leave files of their own in the folder that they run in.
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
    line = done.stdout.splitlines()[-1] if done.returncode == 0 else f"failed: {done.stderr.splitlines()[-1:]}"
    print(f"{folder.name:14} {tool:20} {line}", flush=True)


def _peers() -> str:
    named = os.environ.get("CHURNFLOW_BENCH_PEERS")
    if named:
        return named
    home = BUILD / "bench-peers"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *_PACKAGES], check=True)
    return str(python)


def _report(results: Sequence[Result]) -> bool:
    table = pd.DataFrame(results)
    sets = [name for name in REAL if name in set(table["set"])]
    print(f"\nMean over {table['seed'].nunique()} seeds: log loss of the test part (ROC AUC)")
    print(f"{'':20}" + "".join(f"{name:>17}" for name in sets) + f"{'mean':>9}{'seconds':>9}{'claim - test':>14}")
    for tool in (*OURS, *PEERS):
        mine = table[table["tool"] == tool]
        if mine.empty:
            continue
        by_set = mine.groupby("set")[["log_loss", "roc_auc"]].mean()
        cells = [
            f"{by_set['log_loss'][name]:.4f} ({by_set['roc_auc'][name]:.4f})" if name in by_set.index else "failed"
            for name in sets
        ]
        whole = f"{by_set['log_loss'].mean():.4f}" if len(by_set) == len(sets) else "-"
        claim = (mine["claim"] - mine["log_loss"]).mean()
        claimed = "-" if np.isnan(claim) else f"{claim:+.4f}"
        print(
            f"{tool:20}"
            + "".join(f"{cell:>17}" for cell in cells)
            + f"{whole:>9}{mine['seconds'].mean():9.1f}{claimed:>14}"
        )
    held = [_held(table, tool, sets) for tool in OURS]
    return all(held)


def _held(table: pd.DataFrame, tool: str, sets: Sequence[str]) -> bool:
    """Print what is claimed of one of ours, and whether it held."""
    mine, best = (table[table["tool"] == name].set_index(["set", "seed"]) for name in (tool, _BEST))
    both = mine.index.intersection(best.index)
    ours, theirs = (part.loc[both, "log_loss"].groupby("set").mean().mean() for part in (mine, best))
    lower = ours < theirs
    share = mine.loc[both, "seconds"].sum() / best.loc[both, "seconds"].sum()
    claim = float((mine["claim"] - mine["log_loss"]).mean())
    print(f"\n{tool}")
    print(f"  mean log loss lower than {_BEST}'s: {_mark(lower)}")
    print(f"  time as a share of {_BEST}'s: {share:.2f} (at most 0.50) {_mark(share <= 0.5)}")
    print(f"  claimed less measured log loss, mean: {claim:+.4f} (within {CLAIM}) {_mark(abs(claim) <= CLAIM)}")
    worse = [_worse(table, tool, name) for name in sets]
    return lower and share <= 0.5 and abs(claim) <= CLAIM and not any(worse)


def _worse(table: pd.DataFrame, tool: str, name: str) -> bool:
    """Print the paired differences from the best peer on one set; tell whether one is above noise."""
    rows = table[table["set"] == name]
    worse = False
    for measure, sign in (("log_loss", 1), ("roc_auc", -1)):
        peers = rows[rows["tool"].isin(PEERS)].groupby("tool")[measure].mean() * sign
        if peers.empty:
            continue
        value, low, high = _difference(name, sorted(set(rows["seed"])), tool, str(peers.idxmin()), measure)
        worse = worse or low > 0
        mark = _mark(low <= 0)
        print(f"  {name:11} {measure:9} against {peers.idxmin():15} {value:+.4f} [{low:+.4f}, {high:+.4f}] {mark}")
    return worse


def _difference(name: str, seeds: Sequence[int], tool: str, peer: str, measure: str) -> tuple[float, float, float]:
    """Return how much worse a tool is than a peer, mean over the seeds, with a 95% interval over rows."""
    random = np.random.default_rng(0)
    drawn: list[Floats] = []
    values = []
    for seed in seeds:
        folder = HOME / f"{name}-{seed}"
        target = pd.read_csv(folder / "test.csv", usecols=["target"])["target"].to_numpy()
        ours, theirs = (np.load(folder / f"{each}.npy") for each in (tool, peer))
        values.append(_loss(measure, target, ours) - _loss(measure, target, theirs))
        picks = random.integers(0, len(target), size=(DRAWS // 4, len(target)))
        drawn.append(
            np.array([_loss(measure, target[p], ours[p]) - _loss(measure, target[p], theirs[p]) for p in picks])
        )
    low, high = np.percentile(np.mean(drawn, axis=0), (2.5, 97.5))
    return float(np.mean(values)), float(low), float(high)


def _loss(measure: str, target: npt.NDArray[np.int64], probabilities: Floats) -> float:
    return log_loss(target, probabilities) if measure == "log_loss" else -roc_auc_score(target, probabilities)


def _mark(held: object) -> str:
    return "ok" if held else "MISSED"


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
