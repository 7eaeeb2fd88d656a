"""A predictions log on each kind of database that it may be kept in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from churnflow.modelling.prediction_log import PredictionLog
from tests.databases import execute
from tests.predictions import opened


@pytest.fixture(params=["sqlite", "postgresql"])
def log_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without a log."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'log' / 'predictions.db'}"
    address: str = request.getfixturevalue("postgres")
    execute(address, "DROP TABLE IF EXISTS predictions, service, outcomes, log_schema")
    return address


@pytest.fixture
def log(log_url: str) -> Iterator[PredictionLog]:
    """An empty log."""
    with opened(log_url) as empty:
        yield empty
