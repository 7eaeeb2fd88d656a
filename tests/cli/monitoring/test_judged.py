"""What `churnflow monitor` says where it can not judge, and that its number, its word and its report agree."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from churnflow.modelling.bundle import write_bundle
from churnflow.project import Project
from churnflow.serving.current import Current, Source
from tests.cli.conftest import Outcome, churnflow
from tests.cli.monitoring.conftest import MONITOR, Filled, Receiver, pseudonymised, shifted
from tests.customers import make_customers
from tests.traffic import release_files

AS_FAR = "healthy as far as can be told"


def labels(project: Path, ids: list[str], texts: list[str]) -> list[str]:
    path = project / "data" / "labels.csv"
    pd.DataFrame({"customer_id": ids, "churn": texts}).to_csv(path, index=False)
    return ["--labels", "data/labels.csv"]


def test_with_few_predictions_screen_json_webhook_and_report_say_what_can_not_be_told(
    project: Path, here: Callable[..., Outcome], traffic: Filled, hook: str
) -> None:
    traffic(make_customers(19, 70))
    found = here("--json", "monitor", "--webhook", hook, "--notify", "always")
    assert found.code == 0
    data = found.json["data"]
    assert (data["word"], Receiver.taken[0]["word"]) == (AS_FAR, AS_FAR)
    assert data["parts"] == Receiver.taken[0]["parts"]
    assert data["parts"]["drift"] == {
        "state": "unknown",
        "have": 19,
        "needed": 100,
        "why": "19 of the 100 customers needed",
    }
    assert (data["parts"]["performance"]["state"], data["parts"]["service"]["state"]) == ("unknown", "ok")
    screen = here("monitor").out
    assert f"{AS_FAR.upper()}  confidence " in screen
    assert "  - drift: not enough to tell: 19 of the 100 customers needed" in screen
    assert "  - performance: not enough to tell: 19 of the 50 labels needed" in screen
    assert "too few labels: " in screen
    assert "there is too little to tell by yet" in screen
    report = Path(data["reports"][0]).read_text()
    assert f"**{AS_FAR.upper()}**" in report
    assert "too few labels: " in report


def test_without_labels_drift_is_judged_and_performance_is_not(
    project: Path, here: Callable[..., Outcome], traffic: Filled
) -> None:
    traffic(make_customers(900, 51), labelled=False)
    found = here("--json", "monitor")
    assert (found.code, found.json["data"]["word"]) == (0, AS_FAR)
    states = {name: part["state"] for name, part in found.json["data"]["parts"].items()}
    assert states == {"drift": "ok", "quality": "ok", "performance": "unknown", "service": "ok"}
    assert "tell outcomes as they arrive" in found.json["data"]["next_action"]


def test_number_band_and_word_agree_on_the_screen_and_in_the_report(
    project: Path, here: Callable[..., Outcome], traffic: Filled
) -> None:
    traffic(shifted(), labelled=False)
    found = here("--json", "monitor")
    data = found.json["data"]
    assert (data["word"], data["confidence"]) == ("look", 79)
    assert data["reasons"][0].startswith("confidence 79, band 75-79 (look): capped at 79: drift.drifted_features")
    report = Path(data["reports"][0]).read_text()
    assert "**LOOK**, confidence 79" in report
    assert "**LOOK** with a confidence of 79" in report
    assert "Initial confidence" not in report
    assert "it declares no check" not in report
    assert not any(word in report for word in ("SHIP", "FIX", "REWORK", "| ship"))


def test_what_calls_for_action_is_told_once_with_one_remedy(
    project: Path, watch: Callable[..., Outcome], traffic: Filled
) -> None:
    customers = shifted(700)
    traffic(customers.assign(churn=1 - customers["churn"]))
    found = watch()
    assert found.code == 9
    assert "ACT  confidence 74  (healthy 80-100, look 75-79, act below 75)" in found.out
    told = " ".join(found.out.split())
    assert told.count("F1 is worse than on the test part") == 1
    assert told.count("churnflow plan --new") == 2  # what is to be done, and the line of what is next


def test_where_customers_drifted_without_labels_it_is_not_said_that_the_model_holds(
    project: Path, here: Callable[..., Outcome], traffic: Filled
) -> None:
    customers = make_customers(1400, 32)
    customers.loc[700:, "bill"] += 25.0
    traffic(pseudonymised(project, customers), labelled=False)
    known = labels(project, customers["customer_id"].tolist()[:200], customers["churn"].astype(str).tolist()[:200])
    found = here("--json", "monitor", *known)
    assert found.code == 8
    assert "there they have drifted, and how the model does is not measured" in found.json["data"]["next_action"]
    assert found.json["data"]["metrics"]["performance.labels_suffice"]["value"] == 1


@pytest.mark.parametrize(
    ("ids", "text", "said", "hint"),
    [
        (["C00000", "C00001"], "left", "2 with another label", "are yes and no"),
        (["X1", "X2"], "yes", "none of the 2 customers", "A9"),
    ],
)
def test_labels_of_which_none_can_be_used_are_refused_in_two_lines(
    project: Path, watch: Callable[..., Outcome], traffic: Filled, ids: list[str], text: str, said: str, hint: str
) -> None:
    traffic(pseudonymised(project, make_customers(150, 71)), labelled=False)
    found = watch(*labels(project, ids, [text] * len(ids)))
    assert (found.code, len(found.error)) == (2, 2)
    assert said in found.error[0]
    assert hint in found.error[1]


def test_labels_that_are_used_in_part_are_a_warning_with_counts(
    project: Path, watch: Callable[..., Outcome], traffic: Filled
) -> None:
    traffic(pseudonymised(project, make_customers(150, 71)), labelled=False)
    found = watch(*labels(project, ["C00000", "C00001", "Z"], ["1", "left", "0"]))
    assert found.code == 0
    assert "warning: outcomes of labels.csv that are not used: 1 unknown to the log, 1 with another label" in found.err
    assert "labels  1 customer matched" in found.out


def test_an_alarm_that_reaches_nobody_is_told_under_quiet_too(
    here: Callable[..., Outcome], traffic: Filled, hook: str
) -> None:
    traffic(make_customers(150, 57))
    Receiver.code = 500
    found = here("-q", "monitor", "--webhook", hook, "--notify", "always")
    assert found.code == 0
    assert found.err == "warning: the webhook at 127.0.0.1 answered 500\n"
    dead = here("-q", "monitor", "--webhook", "http://127.0.0.1:9/", "--notify", "always")
    assert dead.err.startswith("warning: the webhook at 127.0.0.1 was not reached: ")


def test_the_report_of_a_release_shows_what_was_measured_of_it_before_labels_arrive(
    here: Callable[..., Outcome], traffic: Filled
) -> None:
    assert "nothing has been measured yet" in here("report", "v1.0.0", "-o", "-").out
    traffic(make_customers(300, 72), labelled=False)
    assert here("monitor").code == 0
    text = here("report", "v1.0.0", "-o", "-").out
    assert "nothing has been measured yet" not in text
    table = text[text.index("## Performance tracking") :]
    assert "no labels yet" in table
    assert "100.00%" in table


@pytest.mark.parametrize(
    "wrong", [["--labels", "none.csv"], ["--window", "1x"], ["--labels", "none.csv", "--by", "week"]]
)
def test_arguments_are_checked_also_where_nothing_was_predicted_yet(
    watch: Callable[..., Outcome], wrong: list[str]
) -> None:
    found = watch(*wrong)
    assert (found.code, len(found.error)) == (2, 2)


def test_before_a_prediction_the_command_that_asks_for_one_works_as_it_is_printed(
    project: Path, here: Callable[..., Outcome]
) -> None:
    found = here("--json", "monitor")
    command = shlex.split(found.json["next"][1]["command"])
    assert command[:3] == ["curl", "-s", "http://127.0.0.1:8000/api/v1/predict"]
    opened = Project.open(project)
    current = Current(Source(opened.pointer.path, opened.store.root))
    current.refresh()
    assert current.served is not None
    asked = json.loads(command[-1])
    assert not [column.name for column in current.served.request.fields if column.read(asked[column.name])[1]]


def test_predictions_of_another_release_alone_are_none_of_this_one(
    project: Path, watch: Callable[..., Outcome], traffic: Filled
) -> None:
    traffic(make_customers(50, 73))
    write_bundle(release_files("v9.9.9"), project / "data" / "one.release")
    assert churnflow(project, "run").code == 0
    assert "no predictions yet of v1.0.1" in watch().out


def test_a_workflow_from_before_has_the_words_of_monitoring_on_the_screen(
    project: Path, watch: Callable[..., Outcome], traffic: Filled
) -> None:
    path = project / MONITOR
    lines = [line for line in path.read_text().splitlines() if "says:" not in line]
    path.write_text("\n".join(lines) + "\n")
    traffic(make_customers(19, 70))
    assert f"{AS_FAR.upper()}  confidence" in watch().out
