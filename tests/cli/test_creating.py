"""The commands that make a project: what `new` guesses, asks and writes, and that `run` then works on it."""

import gzip
import json
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from churnflow.cli import demonstration
from churnflow.cli.answer import Answer
from churnflow.cli.session import Session
from churnflow.errors import ConflictError
from tests.cli.conftest import Outcome, at_terminal, churnflow, ended

ANSWERS = """approvals:
  plan:
    answer: approve
    reviewer: Ann
    answers: {"Is the breakdown complete?": yes, "Is customer data used as the privacy rules allow?": yes}
"""


def git(project: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=project, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """A file of 400 customers, with a column of each kind."""
    chance = random.Random(0)
    lines = ["member no;months;plan;gone"]
    for row in range(400):
        months = chance.randrange(1, 60)
        gone = "yes" if chance.random() < 1 / (1 + months / 10) else "no"
        lines.append(f"M{row:04d};{months};{chance.choice(['basic', 'plus'])};{gone}")
    path = tmp_path / "members.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_new_for_ones_own_file_writes_a_workflow_on_which_run_works(tmp_path: Path, customers: Path) -> None:
    made = churnflow(tmp_path, "--json", "new", "mine", "--data", "members.csv", "--target", "gone")
    assert made.code == 0
    assert made.json["data"]["reasons"] == [
        "target: gone (two values, no and yes)",
        "positive: yes, against no (the usual word for it)",
        "id: member no (a value of its own in every row, and its name says so)",
        "rows: the checks ask for 360, lowered to fit the 400 of members.csv; 1,000 or more are advised",
    ]
    assert made.json["next"][0]["command"] == "churnflow -C mine run"
    project = tmp_path / "mine"
    assert [path for path in made.json["data"]["files"] if not (tmp_path / path).is_file()] == []
    assert (project / "data" / "members.csv").read_bytes() == customers.read_bytes()
    assert churnflow(project, "check").code == 0
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "ls-files").split() == [".gitignore", "workflows/churn.yaml", "workflows/monitor.yaml"]
    (project / "answers.yaml").write_text(ANSWERS)
    settings = ("train.trials=2", "train.folds=2", 'train.models=["logistic_regression"]', "rehearse.requests=20")
    chosen = [word for setting in settings for word in ("--set", setting)]
    outcome = churnflow(project, "--json", "run", "--answers", "answers.yaml", "--until", "rehearse", *chosen)
    assert outcome.code == 0, outcome.out
    records = {item["name"]: item["record"] for item in outcome.json["data"]["items"]}
    assert records["ingest"]["metrics"]["records"]["value"] == 400
    assert records["rehearse"]["outputs"][0]["codec"] == "release"


@pytest.mark.parametrize("positive", [None, "no"])
def test_new_names_target_id_and_positive_value_in_the_workflow(
    tmp_path: Path, customers: Path, positive: str | None
) -> None:
    more = ("--positive", positive) if positive else ()
    made = churnflow(tmp_path, "new", "mine", "--data", "members.csv", "--target", "gone", "--id", "member no", *more)
    assert made.code == 0
    text = (tmp_path / "mine" / "workflows" / "churn.yaml").read_text()
    assert "source: data/members.csv, target: gone" in text
    assert '"member no"' in text
    assert f"positive: {positive or 'yes'}" in text
    assert churnflow(tmp_path / "mine", "check").code == 0


def test_new_at_a_terminal_proposes_target_and_id_with_reasons(tmp_path: Path, customers: Path) -> None:
    screen = at_terminal(tmp_path, "new", "mine", "--data", "members.csv")
    screen.expect_exact("gone: two values, no and yes")
    screen.expect_exact("Which column says who left? [")
    screen.sendline("nonsense")
    screen.expect_exact("choose one of: member no, months, plan, gone")
    screen.sendline("gone")
    screen.expect_exact("member no: a value of its own in every row")
    screen.expect_exact("Which column names a customer? (- for none) [member no] ")
    screen.sendline("")
    screen.expect_exact("next: churnflow -C mine run")
    assert ended(screen) == 0
    assert "target: gone" in (tmp_path / "mine" / "workflows" / "churn.yaml").read_text()


def test_which_value_says_that_a_customer_left_is_asked_where_no_word_tells(tmp_path: Path) -> None:
    rows = [f"{row},{row % 7},{'gone-east' if row % 3 else 'gone-west'}" for row in range(60)]
    (tmp_path / "odd.csv").write_text("\n".join(["nr,months,where", *rows]) + "\n")
    outcome = churnflow(tmp_path, "new", "mine", "--data", "odd.csv", "--target", "where")
    assert outcome.code == 3
    assert outcome.error == [
        "error: which value of 'where' means that the customer left, 'gone-east' or 'gone-west'?",
        "hint: add --positive gone-east, or the other",
    ]
    screen = at_terminal(tmp_path, "new", "mine", "--data", "odd.csv", "--target", "where", "--id", "nr")
    screen.expect_exact("Which value of where says that the customer left?")
    screen.sendline("gone-west")
    assert ended(screen) == 0
    assert "gone-west" in (tmp_path / "mine" / "workflows" / "churn.yaml").read_text()

    wrong = churnflow(tmp_path, "new", "other", "--data", "odd.csv", "--target", "where", "--positive", "east")
    assert (wrong.code, wrong.error[0]) == (2, "error: the target 'where' has no value 'east'")
    assert not (tmp_path / "other").exists()


def test_new_takes_a_dash_for_no_id(tmp_path: Path, customers: Path) -> None:
    screen = at_terminal(tmp_path, "new", "mine", "--data", "members.csv", "--target", "gone")
    screen.expect_exact("Which column names a customer?")
    screen.sendline("-")
    assert ended(screen) == 0
    assert "id:" not in (tmp_path / "mine" / "workflows" / "churn.yaml").read_text()


@pytest.mark.parametrize(("end", "code"), [("eof", 3), ("intr", 130)])
def test_new_that_nobody_answers_writes_nothing(tmp_path: Path, customers: Path, end: str, code: int) -> None:
    screen = at_terminal(tmp_path, "new", "mine", "--data", "members.csv")
    screen.expect_exact("Which column says who left?")
    getattr(screen, f"send{end}")()
    assert ended(screen) == code
    assert not (tmp_path / "mine").exists()


def test_without_a_terminal_new_names_the_command_that_answers(tmp_path: Path, customers: Path) -> None:
    outcome = churnflow(tmp_path, "new", "mine", "--data", "members.csv")
    assert outcome.code == 3
    assert outcome.err.splitlines() == [
        "error: which column of members.csv says who left? nobody can be asked here",
        "hint: `churnflow new DIR --data members.csv --target gone`: two values, no and yes",
    ]
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--data", "nowhere.csv", "--target", "gone"], 2, "nowhere.csv"),
        (["--data", "folder", "--target", "gone"], 2, "folder"),
        (["--template", "events", "--data", "nowhere.csv"], 2, "no such file: nowhere.csv"),
        (["--data", "empty.csv", "--target", "gone"], 2, "empty"),
        (["--data", "members.csv", "--target", "churn"], 2, "members.csv has no column 'churn'"),
        (["--data", "members.csv", "--target", "gone", "--id", "nr"], 2, "members.csv has no column 'nr'"),
        (["--target", "gone"], 2, "describe the file that --data names"),
        (["--template", "nonsense"], 2, "nonsense"),
        (["--data", "members.csv", "--data"], 2, "requires an argument"),
    ],
)
def test_what_new_can_not_do_is_said_in_two_lines_and_nothing_is_written(
    tmp_path: Path, customers: Path, arguments: list[str], code: int, text: str
) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "folder").mkdir()
    outcome = churnflow(tmp_path, "new", "mine", *arguments)
    assert outcome.code == code
    assert [line.partition(":")[0] for line in outcome.err.splitlines()] == ["error", "hint"]
    assert text in outcome.error[0]
    assert not (tmp_path / "mine").exists()


def test_new_without_its_file_asks_for_another_one(tmp_path: Path) -> None:
    outcome = churnflow(tmp_path, "new", "mine", "--data", "nowhere.csv")
    assert outcome.error == ["error: no such file: nowhere.csv", "hint: name one that is there: --data FILE"]


@pytest.mark.parametrize(("rows", "lowered"), [(100, 90), (1111, 999), (1112, None)])
def test_new_says_that_it_asks_for_fewer_rows_of_a_small_file(tmp_path: Path, rows: int, lowered: int | None) -> None:
    lines = [f"m{row},{row % 40},{'no' if row % 4 else 'yes'}" for row in range(rows)]
    (tmp_path / "members.csv").write_text("\n".join(["member_id,months,gone", *lines]) + "\n")
    outcome = churnflow(tmp_path, "new", "mine", "--data", "members.csv", "--target", "gone")
    said = [line for line in outcome.out.splitlines() if line.startswith("rows: ")]
    why = f"to fit the {rows:,} of members.csv; 1,000 or more are advised"
    assert said == ([f"rows: the checks ask for {lowered}, lowered {why}"] if lowered else [])
    workflow = (tmp_path / "mine" / "workflows" / "churn.yaml").read_text()
    assert workflow.count(f" >= {lowered or 1000}") == 2


@pytest.mark.parametrize("command", ["new", "demo"])
def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine\n")
    outcome = churnflow(tmp_path, command, "mine")
    assert outcome.code == 5
    assert outcome.err.splitlines()[0] == "error: mine is there already and not empty; nothing was written"
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_new_where_a_file_stands_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a file\n")
    assert churnflow(tmp_path, "new", "mine").code == 5
    outcome = churnflow(tmp_path, "new", "mine/deeper")
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 2)
    assert (tmp_path / "mine").read_text() == "a file\n"


def test_without_git_new_writes_nothing(tmp_path: Path) -> None:
    outcome = churnflow(tmp_path, "new", "mine", env={"PATH": str(tmp_path)})
    assert outcome.code == 2
    assert outcome.error[0] == "error: git is not installed, or not on the PATH"
    assert not list(tmp_path.iterdir())


def test_the_bundled_data_set_is_the_default(tmp_path: Path) -> None:
    made = churnflow(tmp_path, "new", "a folder")
    assert made.code == 0
    assert "next: churnflow -C 'a folder' run" in made.out
    with gzip.open(tmp_path / "a folder" / "data" / "customers.csv.gz", "rt") as lines:
        assert sum(1 for _ in lines) == 7044
    assert churnflow(tmp_path, "-C", "a folder", "check").code == 0


def test_the_quickstart_runs_to_ship_and_its_hints_work_from_where_it_was_called(tmp_path: Path) -> None:
    assert churnflow(tmp_path, "new", "mine", "--template", "quickstart").code == 0
    assert churnflow(tmp_path / "mine", "check").out.endswith("next: churnflow build\n")
    assert churnflow(tmp_path / "mine", "decide").error[1] == "hint: `churnflow build` begins one"
    assert churnflow(tmp_path / "mine", "build").code == 0
    outcome = churnflow(tmp_path, "-C", "mine", "run")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == "next: churnflow -C mine report"
    status = churnflow(tmp_path, "-C", "mine", "status")
    assert status.out.splitlines()[-1] == "next: churnflow -C mine report"


def notes(items: Sequence[dict[str, object]]) -> list[object]:
    return [item["record"]["how"] for item in items if item["record"] and item["record"]["kind"] == "approval"]  # type: ignore[index]


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The folder in which the demo has made its project `shown`, and how it ended."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, churnflow(folder, "--json", "demo", "shown")


def test_the_demo_goes_through_everything_and_marks_its_approvals_as_scripted(
    demonstrated: tuple[Path, Outcome],
) -> None:
    folder, outcome = demonstrated
    assert outcome.code == 0, outcome.out
    data = outcome.json["data"]
    assert {item["state"] for item in data["items"]} == {"done"}
    assert notes(data["items"]) == ["scripted demo", "scripted demo"]
    assert 0 < data["prediction"]["predictions"][0]["probability"] < 1
    assert data["same_after_rollback"] is True
    assert len(data["verified"]) == 2
    report = folder / data["report"]
    assert report.read_text().startswith("#")
    assert report.with_suffix(".html").is_file()
    assert outcome.json["next"][0]["command"] == "churnflow -C shown serve"
    log = json.loads(churnflow(folder, "-C", "shown", "--json", "log").out)["data"]["checkpoints"]
    assert log[-1]["restores"].endswith("/05-shipped")


SERVE_ON = """
import sys
from pathlib import Path
from churnflow.cli import demonstration
from churnflow.cli.answer import Answer
from churnflow.cli.session import Session

demonstration.PORT = "0"
sys.exit(demonstration.serve_on(Session(as_json=True, command="demo"), Path("shown"), Answer({"seen": True})))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_demo_prints_one_object_while_its_api_answers_and_leaves_none_running(
    demonstrated: tuple[Path, Outcome], number: signal.Signals
) -> None:
    folder, _ = demonstrated
    with subprocess.Popen(
        [sys.executable, "-c", SERVE_ON], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline())
        assert found["data"]["seen"] is True
        url = found["data"]["url"]
        with urllib.request.urlopen(f"{url}/health", timeout=10) as response:
            assert response.status == 200
        process.send_signal(number)
        assert process.stdout.read() == ""
        assert process.wait(timeout=20) == (0 if number == signal.SIGINT else -number)
    for _ in range(200):
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0:
                return
        time.sleep(0.05)
    pytest.fail("the API goes on without the demo")


def test_the_demo_ends_as_its_server_does_when_the_port_is_taken(
    demonstrated: tuple[Path, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Answer({"seen": True})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(demonstration, "PORT", str(taken.getsockname()[1]))
        with pytest.raises(ConflictError, match="cannot listen on") as failed:
            demonstration.serve_on(Session(as_json=True), demonstrated[0] / "shown", answer)
    assert "serve --port 0`" in failed.value.hint
    carried = getattr(failed.value, "answer", None)
    assert isinstance(carried, Answer)
    assert carried.data == {"seen": True}
    assert carried.next[0].command.endswith("serve --port 0")
