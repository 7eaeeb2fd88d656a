"""The command `report`: where it writes, what it never overwrites, and how it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.cli.conftest import Cli, Outcome, environment, make_project
from tests.cli.test_bad_states import as_a_user

CURVES = {
    "schema": "churnflow/evaluation@1",
    "roc": {"fpr": [0.0, 1.0], "tpr": [0.0, 1.0]},
    "lift": [{"share": 1.0, "lift": 1.0}],
}


@pytest.fixture
def drawn(project: Path, here: Cli) -> Path:
    """The project with an evaluation to draw, made by a step whose check does not hold."""
    steps, workflow = project / "steps.py", project / "workflows" / "churn.yaml"
    code = steps.read_text().replace('{"number": number}', f'{{"number": number, **{CURVES!r}}}')
    steps.write_text(code.replace("doubled", "evaluation"))
    workflow.write_text(workflow.read_text().replace("doubled", "evaluation").replace("size >= 1]", "size >= 1000]"))
    assert here("run", "--answers", "answers.yaml").code == 7
    return project


def report_data(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    found = outcome.json["data"]
    assert isinstance(found, dict)
    return found


def test_without_options_the_run_becomes_markdown_and_a_page_in_its_folder(shipped: Path, here: Cli) -> None:
    outcome = here("--json", "report")
    folder = shipped / "reports" / outcome.json["run"]
    assert report_data(outcome)["reports"] == [str(folder / "report.md"), str(folder / "report.html")]
    assert "**SHIP**" in (folder / "report.md").read_text()
    assert "<strong>SHIP</strong>" in (folder / "report.html").read_text()
    assert here("report").out.splitlines()[-1] == f"next: less {folder / 'report.md'}"


def test_the_same_run_gives_the_same_bytes_again_and_in_another_process(shipped: Path, here: Cli, cli: Cli) -> None:
    first = {path: path.read_bytes() for path in map(Path, report_data(here("--json", "report"))["reports"])}
    assert cli("report").code == 0
    assert {path: path.read_bytes() for path in first} == first


def test_a_checkpoint_is_reported_as_of_then_whatever_came_later(shipped: Path, here: Cli) -> None:
    before = here("report", "built", "-o", "-").out
    assert "not decided, next is the step judge" in before
    assert "02 | built" in before
    assert "reviewed" not in before
    assert "Empty until a release is served." in before
    assert here("rollback", "plan-approved").code == 0
    assert here("report", "churnflow/" + run_of(here) + "/02-built", "-o", "-").out == before
    path = Path(report_data(here("--json", "report", "HEAD"))["report"])
    assert path.parent.name == "05-plan-approved"


def run_of(here: Cli) -> str:
    return str(here("--json", "status").json["run"])


def test_a_rollback_and_its_rescue_are_in_the_report(shipped: Path, here: Cli) -> None:
    (shipped / "steps.py").write_text((shipped / "steps.py").read_text() + "\n# edited\n")
    assert here("rollback", "built", "--reason", "wrong | factor").code == 0
    text = here("report", "-o", "-").out
    assert r"rollback to 02-built (wrong \| factor)" in text
    assert "kept before a rollback" in text


def test_an_approval_of_what_has_changed_since_is_marked_as_stale(shipped: Path, here: Cli) -> None:
    assert "stale" not in here("report", "-o", "-").out
    issue = here("--json", "issues").json["data"]["issues"][0]["id"]
    assert here("issues", "waive", issue, "--reason", "known").code == 0
    text = here("report", "-o", "-").out
    assert "**SHIP** (**stale: what it was about has changed since**)" in text
    assert "(known)" in text


@pytest.mark.parametrize(
    ("options", "begin"),
    [
        (("-o", "x.md"), "# Double"),
        (("-o", "X.HTML"), "<!doctype html>"),
        (("-o", "x.json"), "{"),
        (("-o", "x.txt"), "# Double"),
        (("-o", "x.md", "--format", "json"), "{"),
    ],
)
def test_the_name_of_the_file_tells_the_format_unless_it_is_said(
    shipped: Path, here: Cli, options: tuple[str, ...], begin: str
) -> None:
    assert here("report", *options).code == 0
    assert (shipped / options[1]).read_text().startswith(begin)
    assert here("report", *options).code == 0


def test_the_file_lies_in_the_folder_that_was_asked_for(shipped: Path, here: Cli) -> None:
    (shipped / "docs").mkdir()
    assert here("-C", "docs", "report", "-o", "deep/er/r.md").code == 0
    assert (shipped / "docs" / "deep" / "er" / "r.md").is_file()


def test_stdout_gets_the_report_and_nothing_else(shipped: Path, here: Cli) -> None:
    outcome = here("report", "--format", "json", "-o", "-")
    assert json.loads(outcome.out)["schema"] == "churnflow/report@1"
    assert not (shipped / "reports").exists()
    assert here("-q", "report", "-o", "-").out.startswith("# Double")


def test_stdout_as_json_is_still_one_object(shipped: Path, here: Cli) -> None:
    assert here("--json", "report", "-o", "-").json["data"]["text"] == here("report", "-o", "-").out


def test_a_reader_that_leaves_early_is_no_failure(shipped: Path) -> None:
    command = [sys.executable, "-m", "churnflow", "report", "-o", "-"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command, cwd=shipped, stdout=writing, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_plots_are_drawn_beside_the_report_even_if_the_step_did_not_pass(drawn: Path, here: Cli) -> None:
    data = report_data(here("--json", "report", "-o", "out/r.md"))
    assert [Path(plot).name for plot in data["plots"]] == ["roc.svg", "lift.svg"]
    assert "](roc.svg)" in (drawn / "out" / "r.md").read_text()
    for plot in data["plots"]:
        ET.parse(drawn / plot)  # noqa: S314 - our own
    assert report_data(here("--json", "report", "-o", "only.json"))["plots"] == []
    assert not (drawn / "roc.svg").exists()


def test_a_strangers_file_is_never_overwritten_and_nothing_is_half_written(drawn: Path, here: Cli) -> None:
    notes, mine = drawn / "notes.md", drawn / "lift.svg"
    notes.write_text("my notes on churnflow\n")
    mine.write_text("<svg>mine</svg>")
    for target, named in (("notes.md", "notes.md"), ("r.md", "lift.svg")):
        outcome = here("report", "-o", target)
        assert outcome.code == 5
        assert named in outcome.error[0]
        assert len(outcome.error) == 2
    assert notes.read_text() == "my notes on churnflow\n"
    assert mine.read_text() == "<svg>mine</svg>"
    assert not (drawn / "r.md").exists()
    assert not (drawn / "roc.svg").exists()


def test_an_empty_file_may_be_filled_and_a_link_keeps_being_one(shipped: Path, here: Cli) -> None:
    (shipped / "real.md").touch()
    (shipped / "link.md").symlink_to("real.md")
    assert here("report", "-o", "link.md").code == 0
    assert (shipped / "link.md").is_symlink()
    assert (shipped / "real.md").read_text().startswith("# Double")


def wrong_places(project: Path) -> dict[str, tuple[str, int, str]]:
    """Return what is asked for, the exit code, and what the error names."""
    (project / "loop.md").symlink_to("loop.md")
    return {
        "folder": ("data", 2, "is a folder"),
        "device": ("/dev/null", 2, "no regular file"),
        "below a file": ("steps.py/r.md", 5, "steps.py"),
        "where nothing can be": ("/proc/nowhere/r.md", 2, "can not be written"),
        "too long": ("x" * 300 + ".md", 2, "can not be written"),
        "circle": ("loop.md", 2, "loop"),
    }


@pytest.mark.parametrize("case", ["folder", "device", "below a file", "where nothing can be", "too long", "circle"])
def test_a_place_where_no_file_can_be_is_refused_in_two_lines(shipped: Path, here: Cli, case: str) -> None:
    target, code, named = wrong_places(shipped)[case]
    outcome = here("report", "-o", target)
    assert outcome.code == code
    assert len(outcome.error) == 2
    assert named in outcome.error[0]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(("nope",), "no checkpoint is called 'nope'"), (("--format", "pdf"), "'pdf'"), (("v9.9.9",), "v9.9.9")],
)
def test_what_does_not_exist_is_refused_in_two_lines(
    shipped: Path, here: Cli, arguments: tuple[str, ...], named: str
) -> None:
    outcome = here("report", *arguments)
    assert outcome.code == 2
    assert len(outcome.error) == 2
    assert named in outcome.error[0]
    assert not (shipped / "reports").exists()


def test_a_folder_without_write_permission_is_named(shipped: Path) -> None:
    closed = shipped / "closed"
    closed.mkdir(mode=0o500)
    outcome = as_a_user(shipped, "report", "-o", "closed/r.md")
    assert outcome.code == 5
    assert "no permission to write" in outcome.error[0]
    assert list(closed.iterdir()) == []


def test_a_lost_artifact_stops_the_figures_but_not_the_records(drawn: Path, here: Cli) -> None:
    found = json.loads(here("report", "--format", "json", "-o", "-").out)
    outputs = next(entry for entry in found["run"]["entries"] if entry["name"] == "double")["outputs"]
    store = drawn / ".git" / "churnflow" / "store" / "sha256"
    (store / outputs[0]["sha256"][:2] / outputs[0]["sha256"][2:]).unlink()
    outcome = here("report")
    assert outcome.code == 6
    assert "evaluation" in outcome.error[0]
    assert not (drawn / "reports").exists()
    assert here("report", "--format", "json", "-o", "-").code == 0


def test_without_a_run_there_is_nothing_to_report(here: Cli) -> None:
    outcome = here("report")
    assert outcome.code == 5
    assert len(outcome.error) == 2


def test_without_a_repository_the_command_says_what_to_do(tmp_path: Path, here: Cli) -> None:
    make_project(tmp_path / "other")
    outcome = here("-C", str(tmp_path), "report")
    assert outcome.code == 2
    assert len(outcome.error) == 2
