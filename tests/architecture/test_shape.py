"""The shape of the code: sizes, first lines, and what may be imported where that import contracts can not see."""

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_group

from churnflow.cli.commands import COMMANDS
from churnflow.cli.scaffold import bundled_source, churn_workflow
from churnflow.project import CODECS, STEPS

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "churnflow").rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 40
HEAVY = (
    "pydantic",
    "pandas",
    "numpy",
    "scipy",
    "sklearn",
    "xgboost",
    "optuna",
    "fastapi",
    "uvicorn",
    "duckdb",
    "git",
    "rich",
)
FORBIDDEN_INSIDE = {"os", "shutil", "subprocess"}
CODE_LOADERS = {"pickle", "joblib", "cloudpickle", "dill", "marshal", "shelve"}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def imported(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    froms = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names | froms}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_small_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert text.count("\n") < LONGEST_FILE
    first = (ast.get_docstring(tree) or "").partition("\n")[0]
    assert first.endswith((".", "?", "`"))
    for function in functions(tree):
        assert (function.end_lineno or 0) - function.lineno < LONGEST_FUNCTION, function.name
    assert not imported(tree) & CODE_LOADERS


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name in {"domain", "engine"}])
def test_the_inner_layers_do_not_touch_the_system(path: Path) -> None:
    assert not imported(ast.parse(path.read_text())) & FORBIDDEN_INSIDE


def test_the_command_line_starts_without_any_data_library() -> None:
    code = f"import sys, churnflow.cli.app; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_is_listed_with_the_module_that_holds_it() -> None:
    names = {path.stem for path in (ROOT / "churnflow" / "cli").glob("*.py") if "def register(" in path.read_text()}
    assert names == {place.module for place in COMMANDS.values()}
    for module in names:
        holder = typer.Typer()
        importlib.import_module(f"churnflow.cli.{module}").register(holder)
        assert set(get_group(holder).commands) == {name for name, place in COMMANDS.items() if place.module == module}


def test_what_is_installed_is_registered_and_documented() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert points["churnflow.steps"] == STEPS
    assert points["churnflow.codecs"] == CODECS
    for target in STEPS.values():
        module, _, name = target.partition(":")
        assert getattr(importlib.import_module(module), name).__doc__
    for target in CODECS.values():
        codec = importlib.import_module(target)
        assert codec.__doc__
        assert codec.SUFFIX
        assert callable(codec.dump)
        assert callable(codec.load)


def test_the_workflow_in_the_repository_is_the_one_that_new_writes() -> None:
    assert (ROOT / "workflows" / "churn.yaml").read_text() == churn_workflow(bundled_source())


def test_no_file_names_a_registry_or_a_folder_of_the_machine_it_was_made_on() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "deb" + "ian.org"]
    folders = ["/ro" + "ot/", "/ho" + "me/", "/wo" + "rk/"]
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in {".gz", ".png"} or not path.is_file():
            continue
        text = path.read_text()
        assert not [word for word in [*hosts, *folders] if word in text], name
