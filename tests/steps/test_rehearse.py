"""The step `rehearse` serves the candidate for real and reports what it measured."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from churnflow import InputError, Measure
from churnflow.modelling.bundle import write_bundle
from churnflow.modelling.card import candidate_files
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.reference import Reference
from churnflow.modelling.scorer import PortableModel
from churnflow.steps.rehearse import rehearse, serving

COLUMNS = [
    {"name": "id", "role": "id", "kind": "category", "required": True, "example": "C-1"},
    {"name": "months", "role": "feature", "kind": "number", "integer": True, "required": True, "low": 0, "high": 72},
    {"name": "bill", "role": "feature", "kind": "number", "integer": False, "required": False, "low": 18, "high": 119},
    {"name": "plan", "role": "feature", "kind": "category", "required": False, "levels": ["basic", "plus"]},
    {"name": "left", "role": "target", "kind": "category", "required": True, "levels": ["no", "yes"]},
]
SCHEMA: dict[str, Any] = {
    "schema": "churnflow/table@1",
    "target": "left",
    "positive": "yes",
    "negative": "no",
    "id": "id",
    "columns": COLUMNS,
}


def build_model() -> PortableModel:
    columns = (
        Column("months", "number", impute=30, mean=30, scale=20),
        Column("bill", "number", impute=70, mean=70, scale=30, indicator=True),
        Column("plan", "category", levels=("basic", "plus"), indicator=True),
    )
    arrays = {"weights": np.array([-1.0, 0.4, 0.1, 0.8, -0.5, 0.2]), "bias": np.array([0.3])}
    return PortableModel("logistic", "linear", Encoding(columns), arrays, (1.0, 0.0), 0.4, "yes", "no")


def build_test_part(rows: int) -> pd.DataFrame:
    chance = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "id": [f"C-{row}" for row in range(rows)],
            "months": chance.integers(0, 73, rows),
            "bill": np.where(chance.random(rows) < 0.1, np.nan, chance.uniform(18, 119, rows)),
            "plan": pd.Series(chance.choice(["basic", "plus", None], rows), dtype="str"),
            "left": chance.choice(["no", "yes"], rows),
        }
    )


def write_candidate(folder: Path) -> Path:
    path = folder / "candidate.release"
    write_bundle(candidate_files(build_model(), SCHEMA, {}, {}), path)
    return path


def value(metric: float | Measure) -> float:
    return metric.value if isinstance(metric, Measure) else metric


def test_the_served_candidate_answers_as_the_model_and_is_measured() -> None:
    result = rehearse(
        build_model(), SCHEMA, build_test_part(300), {"auc": np.float64(0.8)}, {"best": "logistic"}, requests=200
    )
    measured = {name: value(metric) for name, metric in result.metrics.items()}
    assert set(measured) == set(rehearse.__churnflow_metrics__)
    assert measured["parity_max_abs_diff"] == 0
    assert measured["compiled_max_abs_diff"] == 0
    assert measured["error_ratio"] == 0
    assert measured["bad_requests_refused_ratio"] == 1
    assert 0 < measured["latency_p50_ms"] <= measured["latency_p95_ms"] <= measured["latency_p99_ms"] < 1000
    assert measured["throughput_rps"] > 10
    assert 20 < measured["memory_peak_mb"] < 500
    assert measured["ready_seconds"] > 0
    assert result.metrics["latency_p95_ms"].n == 200
    assert result.metrics["error_ratio"].high < 0.02
    assert not result.issues


def test_the_candidate_holds_model_schema_and_card_but_no_identifier_and_no_duration() -> None:
    evaluation = {"metrics": {"auc": {"value": np.float64(0.8), "low": float("nan")}}, "curve": [1, 2]}
    line = {"model": "logistic", "mean": 0.8, "seconds": 3.2}
    leaderboard = {"rows": np.int64(1200), "chosen": "logistic", "models": [line]}
    extra = {"name": "leak", "role": "feature", "kind": "number", "integer": False, "required": True, "example": 3}
    schema = {**SCHEMA, "columns": [*COLUMNS, extra]}
    result = rehearse(build_model(), schema, build_test_part(30), evaluation, leaderboard, requests=5)
    candidate = result.outputs["candidate"]
    # A feature that the model leaves out is not asked of clients.
    assert value(result.metrics["error_ratio"]) == 0
    dropped = json.loads(candidate["schema.json"])["columns"][-1]
    assert (dropped["name"], dropped["role"], dropped["example"]) == ("leak", "dropped", None)
    assert candidate["model.bin"] == build_model().to_bytes()
    card = json.loads(candidate["card.json"])
    assert card["evaluation"] == {"metrics": {"auc": {"value": 0.8, "low": None}}}
    assert card["cross_validation"]["models"][0]["mean"] == 0.8
    assert (card["training_rows"], card["threshold"]) == (1200, 0.4)
    assert card["limits_of_use"]
    assert not any(word in data for data in candidate.values() for word in (b"C-1", b"seconds"))


def test_a_candidate_holds_a_sketch_of_the_training_part_where_that_is_given() -> None:
    given = (build_model(), SCHEMA, build_test_part(30), {}, {})
    without = rehearse(*given, requests=5)
    assert "reference.json" not in without.outputs["candidate"]
    assert "needs: {train: train}" in without.facts["drift"]
    result = rehearse(*given, train=build_test_part(200), requests=5)
    reference = Reference.from_bytes(result.outputs["candidate"]["reference.json"])
    assert (reference.rows, reference.score_rows) == (200, 30)
    assert [feature.name for feature in reference.features] == ["months", "bill", "plan"]
    assert "200 training rows" in result.facts["drift"]
    with pytest.raises(InputError, match="the training part has no column plan"):
        rehearse(*given, train=build_test_part(20).drop(columns="plan"))


def test_rows_that_the_api_refuses_are_counted_and_raise_an_issue() -> None:
    test = build_test_part(40).assign(months=lambda frame: frame["months"].astype("float64"))
    test.loc[:9, "months"] = np.nan
    result = rehearse(build_model(), SCHEMA, test, {}, {}, requests=40)
    # Ten of forty rows, asked twice, and the batch that holds them.
    assert value(result.metrics["error_ratio"]) == 21 / 81
    assert [issue.text for issue in result.issues] == ["21 of 81 good requests of the rehearsal were not answered"]
    assert "latency_batch_ms" not in result.metrics
    assert result.metrics["latency_p50_ms"].n == 30


def test_a_model_that_the_api_cannot_serve_is_an_error_with_a_hint() -> None:
    schema = {**SCHEMA, "columns": [column for column in COLUMNS if column["name"] != "plan"]}
    with pytest.raises(InputError, match="does not fit its model at plan") as raised:
        rehearse(build_model(), schema, build_test_part(10), {}, {}, requests=5)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (0, {}, "empty"),
        (5, {"requests": 0}, "at least 1"),
        (5, {"concurrency": 0}, "at least 1"),
        (5, {"limit_seconds": 0}, "more than 0"),
    ],
)
def test_nothing_to_ask_is_an_input_error(rows: int, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rehearse(build_model(), SCHEMA, build_test_part(rows), {}, {}, **options)


def test_a_feature_that_the_test_part_lacks_is_named() -> None:
    with pytest.raises(InputError, match="no column plan"):
        rehearse(build_model(), SCHEMA, build_test_part(5).drop(columns="plan"), {}, {})


def test_no_api_is_left_behind_when_the_rehearsal_fails(tmp_path: Path) -> None:
    bundle = write_candidate(tmp_path)
    with pytest.raises(KeyboardInterrupt), serving(bundle) as api:
        raise KeyboardInterrupt
    assert not psutil.pid_exists(api.pid)


def test_no_api_is_left_behind_when_the_rehearsing_process_is_killed(tmp_path: Path) -> None:
    bundle = write_candidate(tmp_path)
    code = (
        "import sys, time; from pathlib import Path; from churnflow.steps.rehearse import serving\n"
        "with serving(Path(sys.argv[1])) as api: print(api.pid, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", code, str(bundle)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as rehearsing:
        api = psutil.Process(int(rehearsing.stdout.readline()))
        rehearsing.send_signal(signal.SIGKILL)
    psutil.wait_procs([api], timeout=10)
    assert not api.is_running() or api.status() == psutil.STATUS_ZOMBIE


def test_what_could_not_be_sent_in_time_counts_neither_as_answered_nor_as_failed() -> None:
    result = rehearse(build_model(), SCHEMA, build_test_part(50), {}, {}, requests=30_000, limit_seconds=0.5)
    sent = result.metrics["error_ratio"].n
    assert 0 < sent < 30_000
    assert value(result.metrics["error_ratio"]) == 0
    assert result.metrics["latency_p95_ms"].n < sent
    [issue] = result.issues
    assert (issue.severity, issue.text) == (
        "note",
        f"only {sent - 1} of 60000 requests could be sent within 0.5 s each",
    )


def test_wide_rows_make_a_batch_that_the_api_takes() -> None:
    test = build_test_part(1000).assign(plan="p" * 5000)
    result = rehearse(build_model(), SCHEMA, test, {}, {}, requests=5)
    assert value(result.metrics["error_ratio"]) == 0
    assert result.facts["batch"] == "one request of 250 customers"
    assert result.metrics["latency_batch_ms"] > 0


def test_when_no_row_is_answered_nothing_passes_for_measured() -> None:
    test = build_test_part(20).assign(months=np.nan)
    result = rehearse(build_model(), SCHEMA, test, {}, {}, requests=10)
    assert value(result.metrics["error_ratio"]) == 1
    assert value(result.metrics["throughput_rps"]) == 0
    assert not {"parity_max_abs_diff", "latency_p50_ms", "latency_batch_ms"} & set(result.metrics)


def test_an_api_that_hangs_is_stopped_all_the_same(tmp_path: Path) -> None:
    with serving(write_candidate(tmp_path)) as api:
        os.kill(api.pid, signal.SIGSTOP)
    assert not psutil.pid_exists(api.pid)


def test_an_api_that_dies_meanwhile_is_told_by_its_answers() -> None:
    killer = threading.Thread(target=kill_the_api_once_it_answers)
    killer.start()
    result = rehearse(build_model(), SCHEMA, build_test_part(50), {}, {}, requests=30_000, limit_seconds=1)
    killer.join()
    assert 0 < value(result.metrics["error_ratio"]) <= 1
    assert value(result.metrics["bad_requests_refused_ratio"]) == 0
    assert any("were not answered" in issue.text for issue in result.issues)


def kill_the_api_once_it_answers() -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for child in psutil.Process().children():
            if any(link.status == psutil.CONN_ESTABLISHED for link in child.net_connections("tcp")):
                child.kill()
                return
        time.sleep(0.02)


class Forgetful(PortableModel):
    """A model whose file says another thing than the model in memory."""

    def score(self, columns: Any) -> Any:
        return super().score(columns) * 0.99


def test_an_api_that_answers_otherwise_than_the_evaluated_model_is_critical() -> None:
    model = build_model()
    fields = {name: getattr(model, name) for name in PortableModel.__dataclass_fields__ if name != "_margin"}
    result = rehearse(Forgetful(**fields), SCHEMA, build_test_part(30), {}, {}, requests=10)
    assert 0.001 < value(result.metrics["parity_max_abs_diff"]) < 0.02
    assert [issue.severity for issue in result.issues] == ["critical"]


class Moved(PortableModel):
    """A model that answers otherwise than its trees and weights say."""

    def probability(self, matrix: Any) -> Any:
        return super().probability(matrix) * 0.99


def test_a_compiled_model_that_differs_is_told_of_and_not_served() -> None:
    model = build_model()
    fields = {name: getattr(model, name) for name in PortableModel.__dataclass_fields__ if name != "_margin"}
    result = rehearse(Moved(**fields), SCHEMA, build_test_part(30), {}, {}, requests=10)
    differs = value(result.metrics["compiled_max_abs_diff"])
    assert 0.001 < differs < 0.02
    said = next(issue for issue in result.issues if issue.severity == "warning")
    assert (
        said.text == f"the compiled model differs by up to {differs:.2g}, so the plain one is served, which is slower"
    )
    assert "the plain one is served" in result.facts["scorer"]
    scorer = json.loads(result.outputs["candidate"]["card.json"])["scorer"]
    assert (scorer["compiled"], scorer["max_abs_diff"]) == (False, differs)


def test_the_compiled_model_is_proved_on_every_row_and_on_odd_ones_before_it_is_served() -> None:
    result = rehearse(build_model(), SCHEMA, build_test_part(30), {}, {}, requests=5)
    # Missing, below, above and as far as a double goes on both sides for a number; missing and unseen for a category.
    rows = 30 + 30 * (5 + 5 + 2)
    scorer = json.loads(result.outputs["candidate"]["card.json"])["scorer"]
    assert scorer == {"compiled": True, "rows": rows, "max_abs_diff": 0}
    assert result.metrics["compiled_max_abs_diff"].n == rows
    assert "on all 30 rows of the test part and on 360 with" in result.facts["scorer"]
