"""Writes two weeks of simulated traffic, with a drift in the second, into a demo project's log, and monitors it.

    churnflow demo DIR && python docs/monitoring_example.py DIR

Customers are drawn from the bundled data and scored by the served release itself; outcomes are told of the first week.
The second week has a price rise, new customers in place of old ones, and a payment method that training never saw.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from churnflow.domain.release import Release
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.prediction_log import OutcomeRow, PredictionLog, PredictionRow, ServiceRow
from churnflow.modelling.pseudonyms import pseudonym, secret_at
from churnflow.modelling.reference import REFERENCE_FILE, Reference
from churnflow.modelling.scorer import PortableModel
from churnflow.project import Project

DAYS = 14
DAILY = 420
SHIFTED_FROM = 7
MINUTES = 1440
PRICE_RISE = 1.25
# Of the new customers in the second week, so many pay in a way that training never saw.
NEW_METHOD = 0.15


def main() -> int:
    """Fill the log of the project that the command line names, then monitor it; return the exit code."""
    project = Project.open(Path(sys.argv[1]))
    served = project.pointer.read()
    if served is None:
        sys.exit("nothing is served there: churnflow demo DIR makes a project to try this with")
    log = PredictionLog.open(project.log_url)
    try:
        _fill(log, project, _Served.of(project, served))
    finally:
        log.close()
    return subprocess.run([sys.executable, "-m", "churnflow", "-C", sys.argv[1], "monitor"], check=False).returncode


def _fill(log: PredictionLog, project: Project, served: "_Served") -> None:
    run = project.run()
    customers = project.store.get(run.artifacts()["customers"])
    target = next(step.params["target"] for step in run.declared.steps() if "target" in step.params)
    random = np.random.default_rng(20)
    end = time.time()
    midnight = end - end % 86_400
    for day in range(DAYS):
        drawn = customers.iloc[random.integers(0, len(customers), DAILY + int(random.integers(-60, 60)))]
        asked = _shifted(drawn, random) if day >= SHIFTED_FROM else drawn
        start = midnight - (DAYS - 1 - day) * 86_400
        # The last day is only as old as it is.
        at = np.sort(random.uniform(start, min(start + 86_400, end), len(drawn)))
        rows = list(served.predictions(asked, at, random))
        log.write(rows, list(_service(rows, start, end, random)))
        if day < SHIFTED_FROM:
            labels = drawn[target].to_numpy()
            log.add_outcomes(
                [OutcomeRow(end, row.id, None, int(label), None) for row, label in zip(rows, labels, strict=True)]
            )


def _shifted(customers: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return customers as the second week has them: dearer, newer, and some paying in a new way."""
    changed = customers.copy()
    newcomers = random.random(len(changed)) < 0.35  # noqa: PLR2004 - of the traffic
    changed["monthly_charges"] = changed["monthly_charges"] * PRICE_RISE
    changed["tenure"] = changed["tenure"].where(~newcomers, random.integers(1, 7, len(changed)))
    changed["payment_method"] = changed["payment_method"].mask(
        newcomers & (random.random(len(changed)) < NEW_METHOD / 0.35), "Pay later"
    )
    return changed


@dataclass(frozen=True)
class _Served:
    """The release that is served, as its server has it: it scores, bins, and names customers by pseudonyms."""

    release: Release
    model: PortableModel
    reference: Reference
    secret: bytes

    @classmethod
    def of(cls, project: Project, release: Release) -> "_Served":
        """Take it from the store of a project."""
        files = project.store.get(release.artifact)
        model, reference = PortableModel.from_bytes(files["model.bin"]), Reference.from_bytes(files[REFERENCE_FILE])
        return cls(release, model, reference, secret_at(project.secret_path))

    def predictions(
        self, customers: pd.DataFrame, at: np.ndarray, random: np.random.Generator
    ) -> Iterator[PredictionRow]:
        """Yield what the log would hold of customers who are asked about at times `at`."""
        columns = as_columns(customers, self.model.encoding)
        codes, scores = self.reference.codes(columns), self.model.score(columns)
        latencies = random.lognormal(0.3, 0.35, len(customers))
        for place, moment in enumerate(at):
            yield PredictionRow(
                id=f"{random.bytes(8).hex()}-0",
                at=float(moment),
                customer=pseudonym(self.secret, random.bytes(6).hex()),
                key=None,
                version=self.release.version,
                release=self.release.artifact.sha256,
                latency_ms=float(latencies[place]),
                probability=float(scores[place]),
                decision=int(scores[place] >= self.model.threshold),
                bins=codes[place].tobytes().hex(),
                inputs=None,
            )


def _service(rows: list[PredictionRow], start: float, end: float, random: np.random.Generator) -> Iterator[ServiceRow]:
    """Yield a sign of life for nearly every minute, and the requests of each; a few of them fail."""
    first = int(start // 60)
    down = first + int(random.integers(0, MINUTES - 30))
    for minute in range(first, min(first + MINUTES, int(end // 60))):
        if not down <= minute < down + int(random.integers(0, 12)):
            yield ServiceRow(minute, "simulated", "alive", 0, 0, 0.0, 0)
    for row in rows:
        status = 500 if random.random() < 0.002 else 200  # noqa: PLR2004 - of a thousand
        yield ServiceRow(int(row.at // 60), "simulated", "predict", status, 1, row.latency_ms, 0)


if __name__ == "__main__":
    sys.exit(main())
