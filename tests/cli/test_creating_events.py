"""`churnflow new --template events`: a project for a log of events, on which `run` works."""

from pathlib import Path

import pytest

from tests.cli.conftest import at_terminal, churnflow, ended
from tests.events import make_events, write_events

USUAL = ("new", "mine", "--template", "events", "--data", "events.csv", "--id", "customer", "--time", "time")
ANSWERS = """approvals:
  plan:
    answer: approve
    reviewer: Ann
    answers:
      "Is churn defined as the business understands it, by events and windows?": yes
      "Is customer data used as the privacy rules allow?": yes
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_events(tmp_path, make_events(300))


def test_new_for_a_log_writes_a_workflow_on_which_run_works(tmp_path: Path, log: Path) -> None:
    made = churnflow(tmp_path, "--json", *USUAL, "--amount", "amount", "--outcome", "60d")
    assert made.code == 0, made.out
    assert made.json["data"]["reasons"][-1] == "churned: no event in the 60d after a cut"
    project = tmp_path / "mine"
    assert (project / "data" / "events.csv").read_bytes() == log.read_bytes()
    assert churnflow(project, "check").code == 0
    (project / "answers.yaml").write_text(ANSWERS)
    outcome = churnflow(project, "--json", "run", "--answers", "answers.yaml", "--until", "features-validated")
    assert outcome.code == 0, outcome.out
    records = {item["name"]: item["record"] for item in outcome.json["data"]["items"]}
    assert records["events"]["metrics"]["records"]["value"] > 1000
    assert {output["name"] for output in records["events"]["outputs"]} == {"customers", "rejected", "schema", "current"}
    assert records["features"]["metrics"]["shared_rows"]["value"] == 0
    typo = churnflow(project, "check", "--set", "events.seperator=;")
    assert typo.code != 0


def test_who_approves_the_plan_sees_cut_windows_customers_and_churn_rate(tmp_path: Path, log: Path) -> None:
    assert churnflow(tmp_path, *USUAL, "--amount", "amount", "--outcome", "60d").code == 0
    screen = at_terminal(tmp_path / "mine", "plan")
    for shown in (
        r"customers \d+ +churn_ratio 0\.\d+ \[",
        r"read as +CSV, utf-8, separated by ','",
        r"cut +2024-08-28; the newest day whose outcome the log covers",
        r"observed +2024-01-0\d to 2024-08-27",
        r"outcome +2024-08-28 to 2024-10-26",
        r"churned +no event in the 60 days from the cut on, returns not counted",
        r"Is churn defined as the business understands it",
    ):
        screen.expect(shown)
    screen.sendline("yes")
    screen.expect("privacy rules")
    screen.sendline("yes")
    screen.expect(r"\[r\]eject")
    screen.sendline("a")
    screen.expect("reviewer")
    screen.sendline("Ann")
    assert ended(screen) == 0
    shown_later = churnflow(tmp_path / "mine", "show").out
    assert "2024-08-28; the newest day whose outcome the log covers" in shown_later
    assert "2024-08-28 to 2024-10-26" in shown_later


def test_a_log_of_usage_needs_no_amount_and_has_an_outcome_of_its_own(tmp_path: Path, log: Path) -> None:
    made = churnflow(tmp_path, *USUAL)
    assert made.code == 0
    text = (tmp_path / "mine" / "workflows" / "churn.yaml").read_text()
    assert 'with: {source: data/events.csv, customer: customer, time: time, outcome: "90d"}' in text


@pytest.mark.parametrize(
    ("arguments", "code", "error", "hint"),
    [
        (["--template", "events"], 2, "the template events works on a log of your own", "--data FILE --id COL"),
        ([*USUAL[2:-2]], 3, "which columns of events.csv name the customer", "its columns: customer, time, amount"),
        ([*USUAL[2:], "--amount", "euros"], 2, "events.csv has no column 'euros'", "its columns: customer, time"),
        ([*USUAL[2:], "--outcome", "soon"], 2, "--outcome is a number of days or weeks, not 'soon'", "90d or 13w"),
        ([*USUAL[2:], "--target", "kind"], 2, "--target means nothing to the template events", "--help"),
        (["--time", "time"], 2, "--time means nothing to the template churn", "--help"),
        ([*USUAL[2:4], "--data", "no.csv", "--id", "a", "--time", "b"], 2, "no such file: no.csv", "--data"),
    ],
)
def test_what_new_can_not_do_with_a_log_is_said_and_nothing_is_written(
    tmp_path: Path, log: Path, arguments: list[str], code: int, error: str, hint: str
) -> None:
    outcome = churnflow(tmp_path, "new", "mine", *arguments)
    assert outcome.code == code, outcome.err
    assert error in outcome.error[0]
    assert hint in outcome.error[1]
    assert not (tmp_path / "mine").exists()
