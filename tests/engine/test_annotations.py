"""What a parameter accepts is said in words: to whom lists the steps, and to whom gave something else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Lt
from pydantic import BaseModel, Field, PlainValidator
from pydantic_core import PydanticCustomError

from churnflow import Released, StepResult
from churnflow.engine.annotations import form_of
from churnflow.engine.bind import parameters, wrong_value


class Frame:
    pass


class Size(Enum):
    SMALL = "small"
    LARGE = "very-large"


class Window(BaseModel):
    first: int
    last: int


@dataclass
class Campaign:
    value: float
    offer: float = 0.0


def even(value: Any) -> int:
    if isinstance(value, int) and value % 2 == 0:
        return value
    kind, text = "even", "only even numbers are bought"
    raise PydanticCustomError(kind, text)


@pytest.mark.parametrize(
    ("annotation", "form"),
    [
        (int, "a whole number"),
        (Annotated[int, Field(ge=1, le=10_000)], "a whole number from 1 to 10,000"),
        (Annotated[float, Field(gt=0, lt=1)], "a number above 0 and below 1"),
        (Annotated[int, Ge(2)], "a whole number of 2 or more"),
        (Annotated[float, Lt(5)] | None, "a number below 5 or null"),
        (Annotated[str, Field(pattern="^[a-z]$")], "a text of the form ^[a-z]$"),
        (Annotated[str, Field(pattern="^[a-z]$", description="one small letter")], "one small letter"),
        (None | bool, "true or false or null"),
        (Literal["auto", ".", "recall_1"], 'one of auto, ".", recall_1'),
        (tuple[str, ...], "a list of texts"),
        (Sequence[Literal["a", "b"]], "a list, each one of a, b"),
        (list, "a list, each anything"),
        (dict[str, Any], "a mapping"),
        (Mapping[str, int] | None, "a mapping or null"),
        (date, "a date such as 2024-05-31"),
        (Path | Frame, "a file of the project or a Frame of an earlier step"),
        (Released | None, "a release: served, served~1 or a version such as v1.2.0 or null"),
        (Window, "a mapping with first, last"),
        (Campaign | str, "a mapping with value, offer or a text"),
        (Any, "anything"),
        (Annotated[date, Field(ge=date(2024, 1, 1))], "a date such as 2024-05-31 of 2024-01-01 or more"),
        (Annotated[timedelta, Field(le=timedelta(days=1))], "a timedelta of 1 day, 0:00:00 or less"),
        (Annotated[Decimal, Field(gt=1000)], "a number above 1,000"),
        (Size, "one of small, very-large"),
    ],
)
def test_an_annotation_is_said_in_words(annotation: Any, form: str) -> None:
    assert form_of(annotation) == form


def step(
    trials: Annotated[int, Field(ge=1, le=10_000)] = 50,
    models: tuple[Literal["forest", "xgboost"], ...] = ("forest",),
    pairs: Annotated[int, PlainValidator(even)] = 2,
    log: Campaign = Campaign(1.0),  # noqa: B008 - a default that no workflow can write
    cut: str | None = None,
) -> StepResult:
    return StepResult()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("trials", "many", "trials must be a whole number from 1 to 10,000; you gave 'many'"),
        ("trials", 0, "trials must be a whole number from 1 to 10,000; you gave 0"),
        ("trials", True, "trials must be a whole number from 1 to 10,000; you gave true"),
        ("models", ["tree"], 'models must be a list, each one of forest, xgboost; you gave ["tree"]'),
        ("models", None, "models must be a list, each one of forest, xgboost; you gave null"),
        ("pairs", 3, "pairs: only even numbers are bought; you gave 3"),
        ("trials", "x" * 200, f"trials must be a whole number from 1 to 10,000; you gave '{'x' * 79}..."),
    ],
)
def test_a_value_that_does_not_fit_is_answered_with_what_would(name: str, value: object, said: str) -> None:
    assert wrong_value(parameters(step)[name], value) == said


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("trials", "trials: a whole number from 1 to 10,000 = 50"),
        ("models", "models: a list, each one of forest, xgboost = [forest]"),
        ("log", "log: a mapping with value, offer, or left out"),
        ("cut", "cut: a text, or left out"),
    ],
)
def test_a_parameter_is_listed_with_its_default_as_a_workflow_writes_it(name: str, shown: str) -> None:
    assert parameters(step)[name].shown() == shown
