"""What can be known wrong before anything runs, each with line and remedy."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field, FilePath

from churnflow import Evidence, InputError, Progress, StepResult, precheck, reports
from churnflow.domain.workflow import Step
from churnflow.engine.bind import fill, parameters, remedy, remedy_of_set, typed_value, wrong_value
from churnflow.engine.check import check, nearest
from churnflow.engine.parse import parse
from churnflow.errors import UsageError
from tests.fakes import World

if TYPE_CHECKING:
    import pathlib

HEAD = "name: x\ntask: y\nphases:\n"


@reports("rows", "gap_*")
def load(source: Path, target: str, drop: tuple[str, ...] = (), share: float = 0.5) -> StepResult:
    return StepResult()


def shape(
    table: Any,
    progress: Progress,
    evidence: Evidence,
    kind: Literal["a", "b"] = "a",
    odd: "Unknown" = None,  # noqa: F821
) -> StepResult:
    return StepResult()


def budgeted(budget: Annotated[str, Field(pattern=r"^\d+[smh]$")]) -> StepResult:
    return StepResult()


def starred(*tables: str) -> StepResult:
    return StepResult()


@pytest.fixture
def world() -> World:
    world = World()
    world.files.contents["data.csv"] = b"a\n"
    for function in (load, shape, budgeted, starred):
        world.step(function.__name__, function)
    return world


def found(world: World, body: str, requirements: str = "") -> list[tuple[int, str, str]]:
    parsed = parse(HEAD + body + requirements, "w.yaml")
    return [
        (problem.line, problem.what, problem.remedy)
        for problem in check(parsed, world.catalog, world.files, ("frame", "json"))
    ]


LOAD = """  build:
    - step: load
      uses: load
      with: {source: data.csv, target: churn}
      produces: {table: frame}
      checks: [rows >= 1, gap_sex <= 0.1]
"""


def test_a_right_workflow_has_no_problem(world: World) -> None:
    body = LOAD + "    - step: shape\n      uses: shape\n      with: {kind: b}\n    - checkpoint: kept\n    - gate: g\n"
    assert found(world, body, "requirements: [load.rows >= 1]\n") == []


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "remedy"),
    [
        ("uses: load", "uses: lode", 6, "unknown step 'lode'", "known"),
        ("target: churn", "targte: churn", 7, "takes no parameter 'targte'", "did you mean 'target'?"),
        ("target: churn", "target: 3", 7, "load.target must be a text; you gave 3", 'target: "3"'),
        ("target: churn", "target: churn, share: '1'", 7, "load.share must be a number; you gave '1'", "leave it out"),
        ("data.csv", "none.csv", 7, "no such file: none.csv", "name a file"),
        ("target: churn", "", 5, "load needs 'target'", "there is none"),
        ("frame", "farme", 8, "unknown codec 'farme'", "did you mean 'frame'?"),
        ("rows >= 1", "rowz >= 1", 9, "never reports 'rowz'", "did you mean 'rows'?"),
    ],
)
def test_each_problem_has_line_and_remedy(world: World, old: str, new: str, line: int, what: str, remedy: str) -> None:
    problems = found(world, LOAD.replace(old, new))
    assert any(number == line and what in text and remedy in cure for number, text, cure in problems)


def test_inputs_that_no_earlier_step_produces_are_found(world: World) -> None:
    body = LOAD.replace("table: frame", "tabel: frame") + (
        "    - step: shape\n      uses: shape\n"
        "    - step: again\n      uses: shape\n      needs: {table: tabl}\n"
        "    - step: wrong\n      uses: shape\n      needs: {table: tabel, nothing: tabel}\n"
    )
    problems = found(world, body)
    assert (
        10,
        "shape needs 'table', which no earlier step produces and with: does not give",
        "did you mean 'tabel'?",
    ) in problems
    assert (14, "no earlier step produces 'tabl'", "did you mean 'tabel'?") in problems
    assert any(line == 17 and "takes no parameter 'nothing'" in what for line, what, _ in problems)


def test_rules_that_name_no_step_or_no_metric_are_found(world: World) -> None:
    gate = "    - gate: g\n      rules: [load.rowz >= 1, later.rows >= 1]\n"
    problems = found(world, LOAD + gate, "requirements:\n  - rows >= 1\n  - lode.rows >= 1\n")
    texts = [what for _, what, _ in problems]
    assert any("never reports 'rowz'" in text for text in texts)
    assert any("names no step before it: 'later'" in text for text in texts)
    assert any("does not say which step" in text for text in texts)
    assert any("names no step before it: 'lode'" in text for text in texts)


def test_a_gate_before_any_step_is_found(world: World) -> None:
    assert found(world, "  build:\n    - gate: early\n" + LOAD.removeprefix("  build:\n")) == [
        (5, "the gate 'early' stands before any step", "put steps before it")
    ]


def test_a_step_that_takes_stars_can_not_be_filled_by_name(world: World) -> None:
    problems = found(world, "  build:\n    - step: s\n      uses: starred\n")
    assert "can not be filled by name" in problems[0][1]


def several(sources: list[Path]) -> StepResult:
    return StepResult()


def either(sources: Path | tuple[Path, ...] = ()) -> StepResult:
    return StepResult()


def named(sources: dict[str, Path | None] | None = None) -> StepResult:
    return StepResult()


@pytest.mark.parametrize("function", [several, either, named])
def test_several_files_in_one_parameter_are_refused_because_none_of_them_would_be_kept(
    world: World, function: Callable[..., StepResult]
) -> None:
    world.step("s", function)
    ((line, what, remedy),) = found(world, "  build:\n    - step: s\n      uses: s\n")
    assert (line, "sources" in what) == (6, True)
    assert remedy.startswith("take one Path per parameter")


def optional(source: Path | None) -> StepResult:
    return StepResult()


def plain(source: "os.PathLike[str]") -> StepResult:
    return StepResult()


def checked(source: FilePath | None = None) -> StepResult:
    return StepResult()


def typed_only(source: "pathlib.Path") -> StepResult:
    return StepResult()


def defaulted(source: Path = Path("data.csv")) -> StepResult:
    return StepResult()


@pytest.mark.parametrize("function", [load, optional, plain, checked, typed_only, defaulted])
def test_a_path_is_a_file_of_the_project(function: Callable[..., StepResult]) -> None:
    step = Step.model_validate({"step": "s", "uses": "s", "with": {"source": "a.csv"}})
    assert fill(step, parameters(function), ()).named("file") == {"source": "a.csv"}


def test_a_path_that_is_a_default_is_a_file_and_must_be_there(world: World) -> None:
    world.step("s", defaulted)
    step = Step.model_validate({"step": "s", "uses": "s"})
    assert fill(step, parameters(defaulted), ()).named("file") == {"source": "data.csv"}
    assert fill(step, parameters(checked), ()).named("default") == {"source": None}
    body = "  build:\n    - step: s\n      uses: s\n"
    assert found(world, body) == []
    world.files.contents.clear()
    assert found(world, body) == [(5, "no such file: data.csv", "name a file that is there")]


def test_a_value_gets_the_type_of_its_annotation() -> None:
    known = parameters(load)
    assert typed_value(known["drop"], ["a"]) == ("a",)
    with pytest.raises(UsageError, match="drop must be a list of texts; you gave 3"):
        typed_value(known["drop"], 3)
    assert wrong_value(parameters(budgeted)["budget"], "5 minutes")
    assert wrong_value(parameters(budgeted)["budget"], "5m") is None
    untyped = parameters(lambda anything: anything)["anything"]
    assert typed_value(untyped, {"a": 1}) == {"a": 1}
    assert wrong_value(untyped, 3) is None


def spelt(
    positive: str | None = None,
    words: tuple[str, ...] = (),
    folds: int = 5,
    models: tuple[Literal["forest", "xgboost"], ...] = (),
) -> StepResult:
    """Take words, a number, and choices."""
    return StepResult()


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("positive", 1, 'write it in quotes: positive: "1"'),
        ("positive", True, 'write it in quotes: positive: "true"'),
        ("words", ["é", 0, None], 'write it in quotes: words: ["é", "0", "null"]'),
        ("folds", 2.5, "correct it, or leave it out; `churnflow steps` lists what each parameter takes"),
        ("folds", "5", "correct it, or leave it out; `churnflow steps` lists what each parameter takes"),
        ("words", {"a": 1}, "correct it, or leave it out; `churnflow steps` lists what each parameter takes"),
        ("words", "a", 'write it as a list: words: ["a"]'),
        ("models", ["forest", "xgbost"], "did you mean 'xgboost'?"),
        ("models", ["forest", 3], "correct it, or leave it out; `churnflow steps` lists what each parameter takes"),
    ],
)
def test_a_word_that_yaml_takes_for_something_else_is_to_be_quoted(name: str, value: object, hint: str) -> None:
    assert remedy(parameters(spelt)[name], value) == hint


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("models", "forest", "write it as a list: --set 'train.models=[forest]'"),
        ("words", "é b", "write it as a list: --set 'train.words=[\"é b\"]'"),
        ("positive", 1, "write it in quotes: --set 'train.positive=\"1\"'"),
        ("models", ["xgbost"], "did you mean 'xgboost'?"),
    ],
)
def test_a_value_of_the_command_line_is_mended_as_the_shell_takes_it(name: str, value: object, hint: str) -> None:
    assert remedy_of_set("train", parameters(spelt)[name], value) == hint


def test_of_a_union_the_part_is_tested_that_a_workflow_can_give() -> None:
    class Frame:
        pass

    def step(source: Path | Frame) -> StepResult:
        return StepResult()

    known = parameters(step)["source"]
    assert known.is_file
    assert wrong_value(known, "data.csv") is None
    assert wrong_value(known, 3)


def test_a_type_that_can_not_be_checked_is_let_through() -> None:
    class Odd:
        pass

    def step(odd: Odd) -> StepResult:
        return StepResult()

    assert wrong_value(parameters(step)["odd"], 3) is None


def test_where_parameters_come_from() -> None:
    step = Step.model_validate({"step": "s", "uses": "shape", "with": {"kind": "b"}, "needs": {"odd": "other"}})
    filling = fill(step, parameters(shape), {"table", "kind"})
    assert filling.named("artifact") == {"table": "table", "odd": "other"}
    assert filling.named("value") == {"kind": "b"}
    assert list(filling.named("progress")) == ["progress"]
    assert parameters(shape)["table"].shown() == "table: anything"
    assert parameters(shape)["kind"].shown() == "kind: one of a, b = a"
    assert parameters(load)["source"].shown() == "source: a file of the project"


def shorter(given: Mapping[str, Any]) -> Iterator[tuple[str, InputError]]:
    assert set(given) == {"source", "words", "most"}
    assert given["source"] == Path("/project/data.csv")
    for word in given["words"]:
        if len(word) > given["most"]:
            yield "words", InputError(f"{word!r} is long", hint="write a shorter one")


def refusing(given: Mapping[str, Any]) -> Iterator[tuple[str, InputError]]:
    message = "the file is empty"
    raise InputError(message, hint="fill it")


def failing(given: Mapping[str, Any]) -> Iterator[tuple[str, InputError]]:
    raise KeyError(len(given))


def looked(look: Any) -> Callable[..., StepResult]:
    @precheck(look)
    def step(source: Path, table: Any, words: tuple[str, ...], most: int = 3) -> StepResult:
        return StepResult()

    return step


SHORT = LOAD + "    - step: name\n      uses: short\n      with: {source: data.csv, words: [WORDS]}\n"


@pytest.mark.parametrize(
    ("look", "words", "expected"),
    [
        (shorter, "ab, abc", []),
        (shorter, "abcd, ab, abcde", ["name.words: 'abcd' is long", "name.words: 'abcde' is long"]),
        (shorter, "abcd, 3", ['name.words must be a list of texts; you gave ["abcd", 3]']),
        (refusing, "ab", ["name: the file is empty"]),
        (failing, "ab", ["short could not look at its parameters: KeyError: 3"]),
    ],
)
def test_a_step_says_itself_what_can_be_known_wrong_before_it_runs(
    world: World, look: Any, words: str, expected: list[str]
) -> None:
    world.step("short", looked(look))
    problems = found(world, SHORT.replace("WORDS", words))
    assert [what for _, what, _ in problems] == expected
    assert {line for line, _, _ in problems} <= {11, 12}


def test_the_nearest_word_is_named() -> None:
    assert nearest("xyz", ["alpha", "beta"]) == "known here: alpha, beta"
    assert nearest("xyz", []) == "there is none at this place"
