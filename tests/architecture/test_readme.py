"""The README: what it shows is what the program does, and its code runs as it stands there."""

import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from churnflow.cli.answer import EXIT_NAMES
from churnflow.domain.workflow import Step
from churnflow.engine.bind import fill, missing, parameters, wrong_value

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def block(name: str) -> str:
    """Return what stands in the fence between the markers `name`."""
    marked = README.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0].strip()
    return marked.partition("\n")[2].removesuffix("```").rstrip()


@pytest.fixture(scope="module")
def step() -> Any:
    """Import the README's step as a module."""
    module = types.ModuleType("my_steps")
    exec(compile(block("step"), "README.md", "exec"), module.__dict__)  # noqa: S102 - our own text
    return module.mark_expiring


def test_the_help_is_the_real_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "churnflow", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "100", "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
    )
    assert block("help") == done.stdout.rstrip()


def test_the_step_does_what_is_said_of_it(step: Any) -> None:
    result = step(pd.DataFrame({"days_to_renewal": [10, 90]}))
    assert result.metrics == {"expiring_ratio": 0.5}
    assert list(result.outputs["customers_marked"]["expiring"]) == [True, False]


def test_the_workflow_lines_declare_that_step(step: Any) -> None:
    (declared,) = yaml.safe_load(block("yaml"))
    item = Step.model_validate(declared)
    known = parameters(step)
    assert missing(known, fill(item, known, ["customers"])) == []
    assert wrong_value(known["within_days"], item.params["within_days"]) is None
    assert wrong_value(known["within_days"], "14") is not None


def test_every_exit_code_is_named() -> None:
    said = dict(re.findall(r"(\d+) ([a-z ]+?)[,.]", README.partition("Exit codes: ")[2].replace("\n", " ")))
    wanted = {str(code): name.replace("-", " ") for code, name in EXIT_NAMES.items()}
    assert {code: text.removesuffix(" for a person") for code, text in said.items()} == wanted


def test_every_link_leads_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert [target for target in targets if not (ROOT / target).exists()] == []
    assert len(targets) >= 5
