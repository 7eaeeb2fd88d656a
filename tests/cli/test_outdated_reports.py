"""A report that proves whole and leaves something out that is here: `churnflow verify` says what."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from churnflow.cli.rendering import Made, made_now, rendered
from churnflow.domain.base import stamp
from churnflow.domain.journal import IssueAnswer
from churnflow.project import Project, SystemClock
from tests.cli.conftest import Cli
from tests.cli.test_reporting import drawn  # noqa: F401 - a project with figures


def warned(here: Cli, name: str = "r.md") -> list[str]:
    """Prove a report; return what it is warned of."""
    outcome = here("--json", "verify", name)
    assert outcome.code == 0, outcome.out
    return list(outcome.json["warnings"])


def chosen(root: Path, change: Callable[[Made], Made]) -> None:
    """Write the report that somebody makes who chooses from what: each of its lines is true."""
    project = Project.open(root)
    run = project.run()
    text, _ = rendered(project, change(made_now(project, run, project.checkpoints.history(run.id))), "md")
    (root / "r.md").write_text(text)


@pytest.mark.parametrize("ref", [(), ("HEAD",)], ids=["as it stands", "as of its newest checkpoint"])
def test_a_new_report_is_warned_of_nothing(released: Path, here: Cli, ref: tuple[str, ...]) -> None:
    assert here("report", *ref, "-o", "r.md").code == 0
    assert warned(here) == []


@pytest.mark.parametrize("ref", [(), ("HEAD",)], ids=["as it stands", "as of a checkpoint"])
def test_what_the_run_has_recorded_since_is_named(shipped: Path, here: Cli, ref: tuple[str, ...]) -> None:
    assert here("report", *ref, "-o", "r.md").code == 0
    issue = here("--json", "issues").json["data"]["issues"][0]["id"]
    assert here("issues", "waive", issue, "--reason", "known").code == 0
    assert warned(here) == [f"it was made before a later entry of the run: {issue}"]


def test_a_rollback_since_is_named_and_its_checkpoints(shipped: Path, here: Cli) -> None:
    assert here("report", "-o", "r.md").code == 0
    assert here("rollback", "built").code == 0
    left, later = warned(here)
    assert left == "it tells of what the run has left since by a rollback: judge, release, reviewed, ship, shipped"
    assert later.startswith("it leaves out 2 later checkpoints of the run: the newest is churnflow/")


def test_other_runs_that_were_left_out_are_named(released: Path, here: Cli) -> None:
    chosen(released, lambda made: replace(made, beside=()))
    (said,) = warned(here)
    project = Project.open(released)
    (other,) = set(project.checkpoints.runs()) - {project.run().id}
    assert said == f"it leaves out what other runs came to: {other}/{len(project.checkpoints.history(other)):02d}"


def test_a_report_made_as_if_a_waiver_still_held_says_when_it_ended(shipped: Path, here: Cli) -> None:
    project = Project.open(shipped)
    now = SystemClock().now()
    issue = here("--json", "issues").json["data"]["issues"][0]["id"]
    values = {"name": issue, "by": "Cleo", "reason": "soon", "at": now - timedelta(days=9)}
    ended = now - timedelta(days=1)
    project.journal.append(project.run(), IssueAnswer(action="waive", until=ended, **values))
    chosen(shipped, lambda made: replace(made, ended=None))
    assert warned(here) == [f"it was made as if no waiver had ended on {stamp(ended)}"]


@pytest.mark.parametrize("served", [None, 0], ids=["nothing", "an older one"])
def test_a_report_that_tells_of_another_release_than_is_served_says_which(
    released: Path, here: Cli, served: int | None
) -> None:
    past = Project.open(released).pointer.past()
    chosen(released, lambda made: replace(made, served=None if served is None else past[served]))
    assert warned(here) == ["it does not tell of what the API serves now, v1.1.0"]


def test_a_figure_that_is_gone_is_named_and_one_that_was_altered_breaks_the_report(drawn: Path, here: Cli) -> None:  # noqa: F811
    assert here("report", "-o", "r.md").code == 0
    assert warned(here) == []
    (drawn / "roc.svg").unlink()
    assert warned(here) == ["the figure roc.svg that it shows is not beside it, so it was not compared"]
    lift = drawn / "lift.svg"
    lift.write_text(lift.read_text().replace("1", "2", 1))
    outcome = here("verify", "r.md")
    assert outcome.code == 6
    assert "lift.svg, line" in outcome.error[0]


def test_no_server_is_asked_about_a_report(shipped: Path, here: Cli) -> None:
    assert here("report", "-o", "r.md").code == 0
    outcome = here("verify", "r.md", "--url", "http://127.0.0.1:1")
    assert (outcome.code, len(outcome.error)) == (2, 2)
    assert "no server is asked about a report" in outcome.error[0]
