"""`churnflow check`: what is wrong in a workflow is named with line and remedy before anything runs."""

from pathlib import Path

import pytest

from tests.cli.conftest import WORKFLOW, Cli

BOMB = "a: &a [lol, lol]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b]\n"


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(WORKFLOW.splitlines(), 1) if text in line)


def test_a_right_workflow_is_said_to_be_right(here: Cli) -> None:
    outcome = here("check")
    assert outcome.code == 0
    assert "workflows/churn.yaml: 10 items in 4 phases, nothing wrong" in outcome.out
    assert outcome.out.endswith("next: churnflow plan\n")


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "remedy"),
    [
        ("uses: steps:look", "uses: steps:lok", "uses: steps:look", "no lok", "did you mean steps:look?"),
        ("uses: steps:judge", "uses: chrun.scope", "uses: steps:judge", "chrun.scope", "churn.scope"),
        ("- step: look", "- step: look\n      whit: {}", "- step: look", "unknown key 'whit'", "did you mean 'with'?"),
        ("doubled: json", "doubled: jsn", "produces", "unknown codec 'jsn'", "did you mean 'json'?"),
        ("[size >= 1]", "[sise >= 1]", "checks", "never reports 'sise'", "did you mean 'size'?"),
        ("[size >= 1]", "[size is 1]", "checks", "size is 1", "correct"),
        ("- checkpoint: built", "- checkpoint: plan-approved", "- checkpoint: built", "duplicate name", "of its own"),
        ("task: Double a number", "task: Double\ntask: twice", "task", "the key 'task' stands twice", "keep one"),
        ("task: Double a number", "task: !!python/name:os.system", "task", "is not allowed", "without a tag"),
    ],
)
def test_each_problem_is_named_with_its_line_and_remedy(
    project: Path, here: Cli, old: str, new: str, line: str, what: str, remedy: str
) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(WORKFLOW.replace(old, new, 1))
    outcome = here("--json", "check")
    assert outcome.code == 2
    [problem] = outcome.json["data"]["problems"]
    assert abs(problem["line"] - line_of(line)) <= 1
    assert what in problem["what"]
    assert remedy in problem["remedy"]


def test_all_problems_are_listed_and_the_first_is_the_error(project: Path, here: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(WORKFLOW.replace("doubled: json", "doubled: jsn").replace("[size >= 1]", "[sise >= 1]"))
    outcome = here("check")
    assert outcome.code == 2
    assert "2 problems" in outcome.out
    assert "'sise'" in outcome.out
    first = line_of("produces")
    assert outcome.err.splitlines() == [
        f"error: workflows/churn.yaml, line {first}: unknown codec 'jsn'",
        outcome.error[1],
    ]
    assert outcome.out.endswith("next: churnflow check workflows/churn.yaml\n")


@pytest.mark.parametrize("command", ["check", "plan"])
@pytest.mark.parametrize(
    ("content", "text"),
    [
        (BOMB.encode(), "not allowed"),
        (b"name: x\n" + b"#" * 100_000_000, "a workflow has at most"),
        (b"!!python/object/apply:os.system [id]\n", "tag"),
        (b"name: \xff\xfe\n", "is not UTF-8 text"),
        (b"name: [\n", "not YAML"),
        (b"", "no keys"),
        (b"[" * 5000, "nested deeper"),
    ],
    ids=["bomb", "large", "tag", "encoding", "broken", "empty", "deep"],
)
def test_a_file_that_is_no_workflow_is_said_in_two_lines(
    project: Path, here: Cli, command: str, content: bytes, text: str
) -> None:
    (project / "workflows" / "churn.yaml").write_bytes(content)
    outcome = here(command)
    assert outcome.code == 2
    assert [line.partition(":")[0] for line in outcome.err.splitlines()] == ["error", "hint"]
    assert text in outcome.error[0]
    assert not list((project / ".git" / "churnflow").rglob("journal.jsonl"))


def test_a_project_with_several_workflows_asks_which(project: Path, here: Cli) -> None:
    (project / "workflows" / "churn.yaml").rename(project / "workflows" / "a.yaml")
    assert here("check").code == 0
    (project / "workflows" / "b.yaml").write_text(WORKFLOW)
    outcome = here("check")
    assert outcome.code == 2
    assert "has a.yaml, b.yaml" in outcome.error[0]
    assert here("check", "workflows/b.yaml").code == 0


def test_a_step_that_can_not_be_imported_is_named_with_its_line(project: Path, here: Cli) -> None:
    (project / "steps.py").write_text("import nonsense_that_is_not_installed\n")
    outcome = here("check")
    assert outcome.code == 2
    assert "steps.py:1: ModuleNotFoundError" in outcome.error[0]


def test_steps_lists_what_is_installed_with_what_each_parameter_takes_in_words(here: Cli) -> None:
    outcome = here("--json", "steps")
    assert outcome.code == 0
    steps = {step["name"]: step for step in outcome.json["data"]["steps"]}
    assert {"churn.scope", "churn.train", "churn.review"} <= set(steps)
    train = steps["churn.train"]["parameters"]
    assert "trials: a whole number from 1 to 10,000 = 50" in train
    assert "budget: a time such as 90s, 5m or 2h = 5m" in train
    assert any(text.startswith("objective: f1, recall_X or precision_X") for text in train)
    assert "source: a file of the project or a DataFrame of an earlier step" in steps["churn.scope"]["parameters"]
    assert "churn.train" in here("steps").out
