"""`churnflow monitor`: a run of its own on the predictions log, with verdict, table, report and labels."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.adapters.project_lock import ProjectLock
from churnflow.modelling.bundle import write_bundle
from churnflow.modelling.prediction_log import PredictionLog
from churnflow.project import Project
from tests.cli.conftest import Outcome, churnflow, environment, journal
from tests.cli.monitoring.conftest import MADE_UP, MONITOR, OWN, STEPS, TEMPLATE, Filled, pseudonymised, shifted
from tests.customers import make_customers
from tests.databases import execute
from tests.traffic import release_files, some_days

CHECKED = "produces: {drift: json}\n      checks: [psi_max <= 0.05]"


def test_before_a_release_it_is_refused_and_before_a_prediction_it_says_what_to_do(
    project: Path, watch: Callable[..., Outcome], tmp_path: Path
) -> None:
    nothing = watch()
    assert nothing.code == 0
    assert "no predictions yet of v1.0.0" in nothing.out
    assert nothing.out.endswith("next: churnflow serve\n")
    bare = tmp_path / "bare"
    (bare / "workflows").mkdir(parents=True)
    shutil.copyfile(project / MONITOR, bare / MONITOR)
    subprocess.run(["git", "init", "-q", "."], cwd=bare, check=True, env=environment())
    refused = churnflow(bare, "monitor")
    assert refused.code == 4
    assert refused.error[0].startswith("error: nothing to serve")


def test_calm_traffic_is_healthy_and_the_table_is_shown_and_recorded(
    project: Path, watch: Callable[..., Outcome], traffic: Filled, here: Callable[..., Outcome]
) -> None:
    traffic(make_customers(900, 51))
    before = journal(project)
    found = watch()
    assert found.code == 0, found.err
    assert "HEALTHY  confidence 100  (healthy 80-100, look 75-79, act below 75)" in found.out
    assert "to do   nothing: the release goes on serving" in found.out
    header = next(line for line in found.out.splitlines() if line.startswith("period"))
    assert [*filter(None, header.split("  "))][1].strip() == "F1"
    kept = {path: data for path, data in journal(project).items() if "/monitor/" not in path}
    assert kept == before
    report = here("report", "-o", "-").out
    assert "## Performance tracking" in report
    assert "100.00%" in report
    written = next((project / "reports").glob("*/report.md")).read_text()
    assert written.index("## Performance tracking") < written.index("## Observe")
    assert next((project / "reports").glob("*/report.html")).stat().st_size > 10_000


def test_drift_ends_with_look_its_reasons_and_the_next_action(
    project: Path, here: Callable[..., Outcome], traffic: Filled
) -> None:
    traffic(shifted(), labelled=False)
    found = here("--json", "monitor")
    assert found.code == 8
    data = found.json["data"]
    assert (data["verdict"], data["word"], data["release"]) == ("fix", "look", "v1.0.0")
    assert "drift.drifted_features == 0: observed 1" in data["reasons"]
    assert any("the feature bill has drifted strongly" in text for text in data["noticed"])
    assert found.json["next"][0]["command"] == "churnflow monitor --labels FILE"
    assert data["metrics"]["drift.drifted_features"]["value"] == 1
    assert data["rows"][0].keys() >= {"period", "f1", "requests", "avg_latency_ms", "error_rate", "uptime"}


def test_a_broken_model_ends_with_act_and_a_retraining(watch: Callable[..., Outcome], traffic: Filled) -> None:
    customers = shifted(700)
    traffic(customers.assign(churn=1 - customers["churn"]))
    found = watch()
    assert found.code == 9
    assert "ACT  confidence" in found.out
    assert found.out.endswith("next: churnflow plan --new\n")


def test_limits_of_ones_own_stand_in_the_workflow(
    project: Path, watch: Callable[..., Outcome], traffic: Filled
) -> None:
    path = project / MONITOR
    traffic(shifted(), labelled=False)
    path.write_text(path.read_text().replace("drift.drifted_features == 0", "drift.drifted_features <= 3"))
    assert "drift.drifted_features" not in watch().out
    path.write_text(path.read_text().replace("produces: {drift: json}", CHECKED))
    stopped = watch()
    assert stopped.code == 7
    assert stopped.error == [
        "error: step drift: psi_max <= 0.05 does not hold",
        "hint: limits that a verdict is to rest on stand under `rules:` of the gate",
    ]


@pytest.mark.parametrize(
    ("replaced", "by", "said"),
    [
        ("window: 14d", "window: 14h", "window"),
        ("uses: churn.advise", "uses: churn.advice", "churn.advice"),
        ("    - gate: verdict", "    - approval: see\n    - gate: verdict", "asks for the approval 'see'"),
        ("uses: churn.observe", "uses: churn.scope", "no step uses churn.observe"),
    ],
)
def test_a_workflow_that_can_not_watch_is_refused_in_two_lines(
    project: Path, watch: Callable[..., Outcome], traffic: Filled, replaced: str, by: str, said: str
) -> None:
    traffic(make_customers(20, 1))
    path = project / MONITOR
    path.write_text(path.read_text().replace(replaced, by))
    found = watch()
    assert found.code == 2
    assert len(found.error) == 2
    assert said in found.error[0]


def test_check_names_a_time_that_is_none(project: Path, here: Callable[..., Outcome]) -> None:
    path = project / MONITOR
    assert here("check", MONITOR).code == 0
    path.write_text(path.read_text().replace("period: day}", "period: day, until: yesterday}"))
    found = here("check", MONITOR)
    assert found.code == 2
    assert "until" in found.error[0]


def test_an_older_project_without_the_workflow_is_told_where_to_get_it(
    project: Path, watch: Callable[..., Outcome]
) -> None:
    (project / MONITOR).unlink()
    found = watch()
    assert found.code == 2
    assert found.error[0] == "error: there is no workflows/monitor.yaml in this project"


def test_labels_from_a_file_are_joined_by_pseudonym_and_what_does_not_match_is_counted(
    project: Path, here: Callable[..., Outcome], traffic: Filled
) -> None:
    customers = make_customers(500, 52)
    traffic(pseudonymised(project, customers), labelled=False)
    labels = customers[["customer_id"]].assign(churn=customers["churn"].map({1: "yes", 0: "no"}))
    labels.loc[500] = ["a stranger", "yes"]
    labels.to_csv(project / "data" / "labels.csv", index=False)
    found = here("--json", "monitor", "--labels", "data/labels.csv")
    data = found.json["data"]
    assert data["labels"] == {
        "matched": 500,
        "repeated": 0,
        "unknown": 1,
        "unlabelled": 0,
        "contradictory": 0,
        "wrong": 0,
    }
    assert data["metrics"]["performance.labelled_ratio"]["value"] == 1.0
    assert "customer_id" not in json.dumps(data["metrics"])
    assert (
        "labels  500 customers matched, 500 told before, 1 unknown to the log"
        in here("monitor", "--labels", "data/labels.csv").out
    )


def test_a_file_of_labels_that_is_not_there_is_named(watch: Callable[..., Outcome], traffic: Filled) -> None:
    traffic(make_customers(20, 1))
    found = watch("--labels", "data/none.csv")
    assert found.code == 2
    assert "there is no file" in found.error[0]


def test_the_table_goes_by_weeks_and_over_another_window_when_asked(
    watch: Callable[..., Outcome], traffic: Filled
) -> None:
    traffic(make_customers(200, 53))
    assert "-W" in watch("--by", "week", "--window", "4w").out
    assert watch("--window", "4x").code == 2


def test_another_log_is_named_by_option_and_never_repeated_in_a_record(
    project: Path, watch: Callable[..., Outcome], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere' / 'p.db'}"
    log = PredictionLog.open(url)
    some_days(log, time.time(), make_customers(300, 54), days=2)
    log.close()
    found = watch("--log", url)
    assert found.code == 0
    assert b"elsewhere" not in b"".join(journal(project).values())
    missing = watch("--log", f"sqlite:///{tmp_path / 'none.db'}")
    assert missing.code == 2
    assert "there is no predictions log" in missing.error[0]
    away = watch("--log", "postgresql://u:secret@127.0.0.1:9/x")
    assert away.code == 5
    assert "secret" not in away.err


def test_a_log_in_postgresql_is_watched_as_one_in_a_file_is(
    postgres: str, watch: Callable[..., Outcome], traffic: Filled
) -> None:
    customers = shifted(500, 60)
    execute(postgres, "DROP TABLE IF EXISTS predictions, service, outcomes, log_schema")
    log = PredictionLog.open(postgres)
    some_days(log, time.time(), customers)
    log.close()
    traffic(customers)
    there, here = watch("--log", postgres), watch()
    assert there.code == here.code == 8
    assert [line for line in there.out.splitlines() if line.startswith(("20", "  - drift"))] == [
        line for line in here.out.splitlines() if line.startswith(("20", "  - drift"))
    ]


def test_a_step_of_ones_own_may_call_something_else_a_table(
    project: Path, watch: Callable[..., Outcome], traffic: Filled
) -> None:
    traffic(make_customers(300, 61))
    (project / "steps.py").write_text(STEPS + MADE_UP)
    path = project / MONITOR
    path.write_text(path.read_text().replace("  decision:", OWN + "  decision:"))
    found = watch()
    assert found.code == 0, found.err
    assert "no period yet" in found.out


def test_a_hostile_column_stays_text_in_the_report(
    project: Path, traffic: Filled, watch: Callable[..., Outcome]
) -> None:
    name = '<script>alert("x")</script>|`*[a](javascript:b)'
    files = release_files()
    reference = json.loads(files["reference.json"])
    reference["features"][1]["name"] = name
    hostile = {**files, "reference.json": json.dumps(reference).encode()}
    write_bundle(hostile, project / "data" / "one.release")
    outcome = churnflow(project, "run")
    assert outcome.code == 0, outcome.err
    served = Project.open(project).pointer.read()
    assert served is not None
    log = PredictionLog.open(Project.open(project).log_url)
    rows = some_days(log, time.time(), shifted(), labelled=False)
    moved = [row._replace(id=f"h{row.id}", release=served.artifact.sha256, version=served.version) for row in rows]
    log.write(moved, [])
    log.close()
    found = watch()
    assert found.code == 8
    run = next(line for line in found.out.splitlines() if line.startswith("report"))
    page = Path(run.split(maxsplit=1)[1]).with_suffix(".html").read_text()
    assert "<script>" not in page
    assert "javascript:b&quot;" not in page
    assert '<a href="javascript' not in page
    assert "&lt;script&gt;" in page


def test_a_second_monitoring_at_the_same_time_is_refused(
    project: Path, watch: Callable[..., Outcome], traffic: Filled
) -> None:
    traffic(make_customers(100, 59))
    with ProjectLock(Project.open(project).monitor_dir).lock("churnflow monitor"):
        assert watch().code == 5
    with Project.open(project).lock("churnflow build"):
        assert watch().code == 0


def test_the_repository_and_a_new_project_have_the_workflow_that_the_template_is() -> None:
    assert (TEMPLATE.parents[2] / MONITOR).read_text() == TEMPLATE.read_text()


def test_a_report_of_a_checkpoint_tells_what_was_measured_since_and_one_that_leaves_it_out_is_told(
    project: Path, watch: Callable[..., Outcome], traffic: Filled, here: Callable[..., Outcome]
) -> None:
    names = ["now.md", "then.md"]
    for name, ref in zip(names, ((), ("HEAD",)), strict=True):
        assert here("report", *ref, "-o", name).code == 0
    traffic(make_customers(900, 51))
    assert watch().code == 0
    assert "nothing has been measured yet" in (project / "then.md").read_text()
    assert here("report", "HEAD", "-o", "again.md").code == 0
    assert "nothing has been measured yet" not in (project / "again.md").read_text()
    again = here("--json", "verify", "again.md")
    assert (again.code, again.json["warnings"]) == (0, [])
    for name in names:
        proved = here("--json", "verify", name)
        assert (proved.code, proved.json["warnings"]) == (
            0,
            ["it leaves out the newest table of performance: `churnflow report` shows it"],
        )
