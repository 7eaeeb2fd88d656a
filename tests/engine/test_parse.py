"""From text to a workflow: what is refused, with which line, and what stays text."""

from pathlib import Path

import pytest

from churnflow.engine.parse import WorkflowError, parse, parse_value, read
from churnflow.errors import UsageError

GOOD = """name: small
task: Make a number
phases:
  build:
    - step: one
      uses: one
      with: {positive: Yes, at: 12:30, day: 2026-01-01, code: 0012, size: 1e3, share: 0.5, on: true, none: null}
"""


def problems(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(WorkflowError) as caught:
        parse(text, "w.yaml")
    return [(problem.line, problem.what, problem.remedy) for problem in caught.value.problems]


def test_words_that_yaml_1_1_would_turn_into_something_else_stay_text() -> None:
    step = next(parse(GOOD, "w.yaml").workflow.steps())
    assert step.params == {
        "positive": "Yes",
        "at": "12:30",
        "day": "2026-01-01",
        "code": "0012",
        "size": 1000.0,
        "share": 0.5,
        "on": True,
        "none": None,
    }


def test_words_of_infinity_that_are_quoted_are_text() -> None:
    step = next(parse(GOOD.replace("12:30", "'.inf'"), "w.yaml").workflow.steps())
    assert step.params["at"] == ".inf"


def test_every_part_knows_its_line() -> None:
    parsed = parse(GOOD, "w.yaml")
    assert parsed.line("phases", "build", 0, "uses") == 6
    assert parsed.line("phases", "build", 0, "checks", 4) == 5
    assert parsed.line("nowhere") == 1
    assert parsed.item_place("one") == ("phases", "build", 0)
    assert parsed.item_place("two") == ()


def test_the_design_example_is_a_workflow() -> None:
    parsed = read(Path("workflows/churn.yaml"), "workflows/churn.yaml")
    assert list(parsed.workflow.phases) == ["plan", "build", "review", "decision"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: &x 1\nb: *x\n", 1, "anchors are not allowed"),
        ("a: 1\nb: *x\n", 2, "aliases are not allowed"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tag"),
        ("a: 1\na: 2\n", 2, "stands twice"),
        ("1: x\n", 1, "a key that is not text"),
        ("a: 1\n<<: {b: 2}\n", 2, "merge keys are not allowed"),
        ("a: 1\nb: [{<<: {c: 2}}]\n", 2, "merge keys are not allowed"),
        ("a: 1\nb: .inf\n", 2, ".inf is no finite number"),
        ("a: 1\nb: [-.INF]\n", 2, "-.INF is no finite number"),
        ("a: 1\nb: {c: .nan}\n", 2, ".nan is no finite number"),
        ("a: 1\nb: 1e999\n", 2, "1e999 is no finite number"),
        ("a: 1\nb: " + "9" * 5000, 2, "a number of more than 4,300 digits"),
        ('a: 1\nb: "\\ud800"\n', 2, "half of a character"),
        ('a: 1\n"\\udfff": 1\n', 2, "half of a character"),
        ("a: " + "x" * 1_000_001, 1, "more than 1,000,000 characters"),
        ("a: 1\nb: ! 1\n", 2, "the tag '!' is not allowed"),
        ("a: 1\nb: " + "[" * 100_000, 2, "nested deeper than 20"),
        ("? [a]\n: x\n", 1, "a key that is not text"),
        ("[" * 30, 1, "nested deeper than 20"),
        ("a: [\n", 2, "not YAML"),
        ("a: \x07\n", 1, "not YAML"),
        ("", 1, "no keys"),
        ("- 1\n", 1, "no keys"),
        ("name: x\ntask: y\n", 1, "phases: is missing"),
        ("name: x\nphases: 3\n", 2, "phases: is missing"),
        ("name: x\ntask: y\nphases:\n  build: 3\n", 4, "is not a list"),
        ("name: x\ntask: y\nphases:\n  build:\n    - 3\n", 5, "exactly one of"),
        ("name: x\ntask: y\nphases:\n  build:\n    - {gate: a, step: b}\n", 5, "exactly one of"),
        ("name: X\ntask: y\nphases: {build: []}\n", 1, "is not a name"),
        ("name: x\ntask: y\nphases:\n  build:\n    - checkpoint: a.lock\n", 5, "is no name: git refuses"),
        ("name: x\ntask: y\nphases:\n  build:\n    - {step: a..b, uses: c}\n", 5, "is no name: git refuses"),
        ("name: x\ntask: y\nphases:\n  ../b: []\n", 4, "is not a name"),
        ("name: x\ntask: y\nphases: {build: []}\nriskz: {}\n", 4, "unknown key 'riskz'"),
    ],
)
def test_what_is_no_workflow_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    found = problems(text)
    assert found[0][0] == line
    assert what in found[0][1]
    assert found[0][2]


def test_all_wrong_fields_are_listed_at_once_with_the_nearest_name() -> None:
    text = """name: x
task: y
requirements: [auc is good]
phases:
  plan:
    - step: a
      uess: one
    - step: a
      uses: one
    - checkpoint: a
    - gate: g
      ship: 50
      fix: 60
    - gate: h
      ship: 101
"""
    found = problems(text)
    assert (7, "unknown key 'uess'", "did you mean 'uses'?") in found
    assert (6, "'uses' is missing", "add uses:") in found
    assert any(line == 10 and "duplicate name: 'a' already stands on line 8" in what for line, what, _ in found)
    assert any(line == 11 and "the fix band begins at 60" in what for line, what, _ in found)
    assert any(line == 15 and "ship" in what for line, what, _ in found)
    with pytest.raises(WorkflowError, match=r"and \d more") as caught:
        parse(text, "w.yaml")
    assert caught.value.path == "w.yaml"


def test_a_password_is_refused_on_its_line_and_not_repeated() -> None:
    text = GOOD.replace("{positive: Yes,", "{database: 'mysql://user:secret@host/db', positive: Yes,")
    remedy = "take it out; the driver's own password file or an environment variable can hold it"
    assert problems(text) == [(7, "database: holds a password", remedy)]
    assert parse(text.replace(":secret", ""), "w.yaml")


def test_a_malformed_requirement_names_the_form() -> None:
    found = problems("name: x\ntask: y\nrequirements:\n  - auc is good\nphases: {build: []}\n")
    assert found[0][0] == 4
    assert "roc_auc >= 0.80" in found[0][1]


def test_files_that_can_not_be_workflows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no workflow file"):
        read(tmp_path / "none.yaml", "none.yaml")
    with pytest.raises(UsageError, match="there is no workflow file"):
        read(tmp_path, "folder")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: caf\xe9\n")
    with pytest.raises(UsageError, match="not UTF-8"):
        read(latin, "latin.yaml")
    large = tmp_path / "large.yaml"
    with large.open("wb") as stream:
        stream.truncate(100_000_000)
    with pytest.raises(UsageError, match="100,000,000 bytes"):
        read(large, "large.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[svm, xgboost]", ["svm", "xgboost"]),
        ('["svm"]', ["svm"]),
        ("{gender: drop, balance: {missing: [-999]}}", {"gender": "drop", "balance": {"missing": [-999]}}),
        ("[Yes, 0012]", ["Yes", "0012"]),
    ],
)
def test_a_single_value_is_read_as_a_workflow_writes_it(text: str, value: object) -> None:
    assert parse_value(text) == value
