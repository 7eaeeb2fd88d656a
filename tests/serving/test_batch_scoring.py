"""`churnflow score` in a real project: what it answers is what the API answers, of the release that is served."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from churnflow.batch.run import score
from churnflow.modelling.bundle import read_bundle
from tests.serving.conftest import ROOT
from tests.serving.test_command import WORKFLOW, churnflow, error, make_project, ship
from tests.serving.test_raw_text import written_release

CUSTOMERS = """customer_id,tenure,charges,contract
A,5,80.5,Month-to-month
B,60,20.25,One year
C,two,20.25,One year
D,1,,Month-to-month
E,1,99.5,=2 years
"""


@pytest.fixture(scope="module")
def shipped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after a run that shipped, with a file of customers in it, to copy and never to change."""
    root = make_project(tmp_path_factory.mktemp("shipped") / "project")
    ship(root, 0.25)
    (root / "customers.csv").write_text(CUSTOMERS)
    return root


@pytest.fixture
def shipped(shipped_once: Path, tmp_path: Path) -> Path:
    """The project after a run that shipped."""
    return Path(shutil.copytree(shipped_once, tmp_path / "shipped"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose one step makes a release."""
    return make_project(tmp_path / "project")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_dates_and_marks_and_spellings_of_a_file_are_scored_as_the_api_answers_them(tmp_path, start) -> None:
    bundle, customers, expected = written_release(tmp_path)
    unsaid: dict[str, Any] = dict.fromkeys(("campaign", "separator", "encoding", "sheet", "table", "query"))
    given = {**unsaid, "source": str(tmp_path / "customers.csv"), "output": tmp_path / "list.csv", "ranked": False}
    score(read_bundle(bundle), given, lambda *_: None)
    status, answer = start(["--bundle", str(bundle)]).predict({"customers": customers})
    assert status == 200
    listed = [float(row["probability"]) for row in rows_of((tmp_path / "list.csv").read_text())]
    assert listed == [one["probability"] for one in answer["predictions"]] == expected


def test_before_a_release_nothing_is_scored(project: Path) -> None:
    (project / "customers.csv").write_text(CUSTOMERS)
    done = churnflow(project, "score", "customers.csv", "-o", "list.csv")
    assert done.returncode == 4
    assert error(done)[0].startswith("error: nothing to serve")
    assert not (project / "list.csv").exists()


def test_a_list_is_made_with_what_is_served_and_says_what_was_noticed(shipped: Path, start) -> None:
    done = churnflow(shipped, "score", "customers.csv", "-o", "list.csv", "--in-order", "--keep", "contract,charges")
    assert done.returncode == 0, done.stderr
    rows = rows_of((shipped / "list.csv").read_text())
    assert [row["customer_id"] for row in rows] == list("ABCDE")
    assert [row["contract"] for row in rows][-1] == "'=2 years"
    api = start([], command="churnflow serve", folder=shipped)
    for row, given in zip(rows, rows_of(CUSTOMERS), strict=True):
        if row["customer_id"] == "C":
            assert (row["probability"], row["problem"]) == ("", "tenure must be a number")
            continue
        charges = float(given["charges"]) if given["charges"] else None
        asked = {"tenure": int(given["tenure"]), "charges": charges, "contract": given["contract"]}
        answered = api.predict(asked)[1]["predictions"][0]
        listed = (float(row["probability"]), row["decision"], row["risk"])
        assert listed == (answered["probability"], answered["label"], answered["risk"])
    said = done.stdout.splitlines()
    assert said[0].startswith("list     5 of 5 rows, in the order of the input in ")
    assert "         tenure must be a number: 1 (line 4)" in said
    assert "noticed  levels that training did not have: contract 1" in said
    assert said[-1].startswith("next: head ")
    assert "no reasons; release again" in done.stderr


def test_on_stdout_stands_the_list_alone(shipped: Path) -> None:
    done = churnflow(shipped, "score", "customers.csv", "-o", "-", "--top", "2")
    assert [row["problem"] for row in rows_of(done.stdout)] == ["", ""]
    assert "at risk" in done.stderr
    quiet = churnflow(shipped, "-q", "score", "customers.csv", "-o", "-", "--top", "2")
    assert (quiet.stdout, quiet.stderr) == (done.stdout, "")


def test_a_reader_of_stdout_that_leaves_is_no_failure(shipped: Path) -> None:
    lines = CUSTOMERS.splitlines(keepends=True)
    (shipped / "many.csv").write_text(lines[0] + lines[1] * 60_000)
    running = subprocess.Popen(
        [sys.executable, "-m", "churnflow", "-q", "score", "many.csv", "-o", "-"],
        cwd=shipped,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == "customer_id,probability,decision,risk,reasons,problem\n"
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 0


def test_for_machines_all_counts_stand_in_one_object(shipped: Path) -> None:
    done = churnflow(shipped, "--json", "score", "customers.csv", "-o", "list.jsonl")
    data = json.loads(done.stdout)["data"]
    assert {name: data[name] for name in ("rows", "listed", "refused", "duplicates", "unseen", "version")} == {
        "rows": 5,
        "listed": 5,
        "refused": 1,
        "duplicates": 0,
        "unseen": {"contract": 1},
        "version": "v1.0.0",
    }
    assert [one["lines"] for one in data["refused_because"]] == [[4]]
    assert json.loads((shipped / "list.jsonl").read_text().splitlines()[-1])["probability"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["customers.csv", "-o", "customers.csv"], 2, "the input itself"),
        (["nope.csv", "-o", "list.csv"], 2, "no such file"),
        (["customers.csv", "-o", "list.csv", "--rename", "tenure"], 2, "does not read NEW=OLD"),
        (["customers.csv", "-o", "list.csv", "--rename", "months=tenure"], 2, "no column 'months'"),
        (["customers.csv", "-o", "list.csv", "--budget", "100"], 2, "no campaign"),
        (["workflows/churn.yaml", "-o", "list.csv"], 2, "churn.yaml"),
        (["customers.csv", "-o", "answers.csv"], 5, "there already"),
    ],
)
def test_what_can_not_be_scored_ends_with_two_lines(shipped: Path, arguments, code, said) -> None:
    (shipped / "answers.csv").write_text("mine\n")
    done = churnflow(shipped, "score", *arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    error(done)
    assert not (shipped / "list.csv").exists()
    assert (shipped / "answers.csv").read_text() == "mine\n"


def test_json_and_the_list_do_not_share_stdout(shipped: Path) -> None:
    done = churnflow(shipped, "--json", "score", "customers.csv", "-o", "-")
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (2, False)


def test_what_contacts_earn_is_known_from_the_workflow_of_the_release(project: Path) -> None:
    campaign = "with: {bias: 0.25, campaign: {value: 100, offer: 10}}"
    (project / "workflows" / "churn.yaml").write_text(WORKFLOW.replace("with: {bias: 0.25}", campaign))
    steps = project / "steps.py"
    steps.write_text(steps.read_text().replace("bias: float)", "bias: float, campaign: dict)"))
    assert churnflow(project, "run").returncode == 0
    (project / "customers.csv").write_text(CUSTOMERS)
    done = churnflow(project, "score", "customers.csv", "-o", "list.csv", "--budget", "25")
    assert done.returncode == 0, done.stderr
    rows = rows_of((project / "list.csv").read_text())
    earned = [float(row["expected_value"]) for row in rows]
    assert earned == sorted(earned, reverse=True)
    assert min(earned) > 0
    assert "ranked by expected value" in done.stdout
    assert "contact  of all in the list: costs " in done.stdout
    none = churnflow(project, "score", "customers.csv", "-o", "none.csv", "--budget", "1")
    assert "contact  nobody" in none.stdout


def test_a_campaign_set_on_the_command_line_is_that_of_the_release(project: Path) -> None:
    steps = project / "steps.py"
    steps.write_text(steps.read_text().replace("bias: float)", "bias: float, campaign: dict | None = None)"))
    done = churnflow(project, "run", "--set", "make.campaign={value: 100, offer: 10}")
    assert done.returncode == 0, done.stderr
    (project / "customers.csv").write_text(CUSTOMERS)
    assert churnflow(project, "score", "customers.csv", "-o", "list.csv", "--budget", "25").returncode == 0


def test_no_checkpoint_takes_a_list_of_customers_into_git(shipped: Path) -> None:
    (shipped / "lists").mkdir()
    (shipped / "customers.csv").rename(shipped / "new.csv")
    for output in ("list.csv", "lists/b.parquet"):
        assert churnflow(shipped, "score", "new.csv", "-o", output).returncode == 0
    (shipped / "note.txt").write_text("mine\n")
    ship(shipped, 0.5)
    command = ["git", "log", "--all", "--name-only", "--format="]
    named = subprocess.run(command, cwd=shipped, capture_output=True, text=True, check=True).stdout.split()
    assert "note.txt" in named
    assert not {"new.csv", "list.csv", "lists/b.parquet"} & set(named)


def test_a_file_that_a_list_was_refused_in_place_of_is_kept_as_before(shipped: Path) -> None:
    (shipped / "notes.csv").write_text("mine\n")
    assert churnflow(shipped, "score", "customers.csv", "-o", "notes.csv").returncode == 5
    ship(shipped, 0.5)
    command = ["git", "log", "--all", "--name-only", "--format="]
    assert "notes.csv" in subprocess.run(command, cwd=shipped, capture_output=True, text=True, check=True).stdout


def test_a_place_where_no_list_can_be_written_is_named_before_the_work(shipped: Path) -> None:
    done = churnflow(shipped, "score", "customers.csv", "-o", "/proc/list.csv")
    assert done.returncode == 2
    assert error(done)[0].startswith("error: /proc can not be written into")


def test_a_person_watches_a_bar(shipped: Path) -> None:
    screen = pexpect.spawn(
        sys.executable,
        ["-m", "churnflow", "score", "customers.csv", "-o", "list.csv"],
        cwd=str(shipped),
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        encoding="utf-8",
        timeout=60,
        dimensions=(40, 120),
    )
    screen.expect("next: head ")
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0
    assert (shipped / "list.csv").exists()
