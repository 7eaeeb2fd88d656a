"""The verdict that `churnflow run` reaches on each real data set at hand, with the figures that it rests on."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import BUILD, CHURNFLOW, environment

ROOT = Path(__file__).resolve().parents[1]
SETS = Path(os.environ.get("CHURNFLOW_DATA", ROOT.parent / "shared" / "data"))
BUNDLED = ROOT / "churnflow" / "data" / "telco.csv.gz"
METRICS = ("evaluate.roc_auc", "evaluate.recall", "evaluate.log_loss", "rehearse.latency_p95_ms")

# A log of events: no purchase in the 39 weeks from the cut on, as the literature on these customers has it.
CDNOW = (
    *("--template", "events", "--id", "customer_id", "--time", "date", "--amount", "dollar_value"),
    *("--outcome", "39w"),
)


@dataclass(frozen=True)
class Source:
    """A data set: its name, file, what `churnflow new` is told of it, and the verdict that is right for it."""

    name: str
    file: Path
    told: tuple[str, ...]
    wanted: str


SOURCES = (
    Source("telco (bundled)", BUNDLED, ("--target", "churn"), "ship"),
    Source("telco_ibm", SETS / "telco_ibm" / "Telco-Customer-Churn.csv", ("--target", "Churn"), "ship"),
    Source("mlc_churn", SETS / "mlc_churn" / "mlc_churn.csv", ("--target", "churn"), "ship"),
    Source("iranian_churn", SETS / "iranian_churn" / "Customer_Churn.csv", ("--target", "Churn"), "ship"),
    Source("ravenstack", SETS / "ravenstack" / "ravenstack_accounts.csv", ("--target", "churn_flag"), "rework"),
    Source("cdnow", SETS / "cdnow" / "CDNOW_master.txt", CDNOW, "ship"),
)


def main() -> bool:
    """Print a line for each set; return whether every verdict is the right one. Sets that are not there are named."""
    print(f"\n{'Verdicts':18} {'verdict':9} {'confidence':>10} {'seconds':>8}  " + "  ".join(METRICS))
    held = []
    for source in SOURCES:
        if not source.file.is_file():
            print(f"{source.name:18} not at hand: {source.file}")
            continue
        decision, measured, seconds = _run(source)
        values = "  ".join(f"{measured[name]:>{len(name)}.4f}" for name in METRICS)
        mark = "ok" if decision["verdict"] == source.wanted else f"WRONG: {source.wanted}"
        score = decision["confidence"]["score"]
        print(f"{source.name:18} {decision['verdict']:9} {score:>10} {seconds:>8.1f}  {values}  {mark}")
        held.append(decision["verdict"] == source.wanted)
    return all(held)


def _run(source: Source) -> tuple[dict[str, Any], dict[str, float], float]:
    """Make a project for the set as a newcomer does, and go on until the gate; every question is answered with yes."""
    folder = BUILD / "bench" / "verdicts" / source.name.split()[0]
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _call(["new", str(folder), "--data", str(source.file), *source.told], folder.parent)
    began = time.perf_counter()
    approvals: dict[str, Any] = {}
    while True:
        (folder / "answers.yaml").write_text(json.dumps({"approvals": approvals}))
        answer = _call(["run", "--answers", "answers.yaml"], folder)
        waiting = answer["data"].get("waiting")
        if waiting is None:
            break
        answers = dict.fromkeys(waiting["questions"], "yes")
        approvals[waiting["approval"]] = {"answer": "approve", "reviewer": "benchmark", "answers": answers}
    records = [item["record"] for item in answer["data"]["items"] if item["record"]]
    steps = [record for record in records if record["kind"] == "step"]
    measured = {f"{step['name']}.{name}": m["value"] for step in steps for name, m in step["metrics"].items()}
    decision = next(record for record in records if record["kind"] == "decision")
    return decision, measured, time.perf_counter() - began


def _call(arguments: list[str], folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [*CHURNFLOW, "--json", *arguments], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    if answer["exit"]["name"] not in {"ok", "waiting", "fix", "rework"}:
        sys.exit(f"{answer['error']['text']}\n{answer['error']['hint']}")
    return answer


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
