"""What was claimed and what came true, as a reviewer and a reader of a checkpoint see it."""

import getpass
from pathlib import Path

from tests.cli.conftest import Cli, at_terminal, ended


def sure_of_itself(project: Path) -> None:
    """Have the first step say of itself that it is 90% sure."""
    steps = project / "steps.py"
    text = steps.read_text().replace("import Evidence", "import Confidence, Evidence")
    sure = 'confidence=Confidence(score=90, because="it looks easy"), facts='
    steps.write_text(text.replace("facts=", sure, 1))


def test_a_final_score_waits_in_the_name_of_who_had_the_gate_decide(shipped: Path, here: Cli) -> None:
    shown = here("--json", "show").json["data"]
    (claim,) = shown["claims"]
    assert (claim["author"], claim["came_true"]) == (getpass.getuser(), None)
    assert claim["settled_by"] == "no performance measured yet"
    assert shown["standings"][0]["settled"] == 0


def test_what_a_plan_claimed_is_settled_by_the_requirements_and_shown_to_the_next_reviewer(
    shipped: Path, cli: Cli
) -> None:
    sure_of_itself(shipped)
    assert cli("run", "--new", "--answers", "answers.yaml").code == 0
    shown = cli("show").out
    assert "Claims and what came true" in shown
    assert "1 of 1 settled; said 90% on average, 100% came true (under-confident by 10 points)" in " ".join(
        shown.split()
    )
    report = cli("report", "-o", "-").out
    assert "- steps:look: 1 of 1 settled; said 90% on average" in report

    assert cli("plan", "--new").code == 3
    screen = at_terminal(shipped, "approve", "plan")
    screen.expect_exact("Claims so far, and what came true:")
    screen.expect_exact("steps:look: 1 of 2 settled; said 90% on average, 100% came true")
    screen.sendcontrol("c")
    assert ended(screen) == 130


def test_a_new_plan_starts_from_what_earlier_runs_came_to_line_by_line(shipped: Path, cli: Cli) -> None:
    first = cli("--json", "show").json["run"]
    assert "counts as" not in cli("show").out
    assert cli("run", "--new", "--answers", "answers.yaml").code == 0
    initial = " ".join(cli("show").out.partition("build confidence")[0].split())
    assert "the plan by itself, which counts as 4 runs" in initial
    assert f"run {first} shipped, final score" in initial
    assert "whatever went before" in initial
    assert f"with an earlier run of small: {first} 100 shipped" in cli("report", "-o", "-").out


def test_the_sum_of_a_score_that_is_no_probability_says_so(shipped: Path, here: Cli) -> None:
    assert "no step has measured requirements_hold" in " ".join(here("show").out.split())
