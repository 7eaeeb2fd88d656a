"""What every catalog of steps does."""

import itertools
import sys
from pathlib import Path
from typing import Protocol

import pytest

from churnflow.adapters.step_code import StepCode
from churnflow.engine.ports import StepCatalog
from churnflow.errors import UsageError
from tests.fakes import FakeCatalog

_SERIAL = itertools.count()


class Bench(Protocol):
    """A catalog that knows the step `known`, which returns 1, and what its author does to it."""

    def catalog(self) -> StepCatalog: ...

    def edit(self) -> None: ...


class FakeBench:
    def __init__(self) -> None:
        self.fake = FakeCatalog()
        self.fake.functions["known"] = lambda: 1

    def catalog(self) -> StepCatalog:
        return self.fake

    def edit(self) -> None:
        self.fake.versions["known"] = 1


class RealBench:
    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.module = f"conforming_{next(_SERIAL)}"
        self.file = folder / f"{self.module}.py"
        self.file.write_text("def run():\n    return 1\n")

    def catalog(self) -> StepCatalog:
        return StepCode(self.root, {"known": f"{self.module}:run"})

    def edit(self) -> None:
        self.file.write_text("def run():\n    return 1 + 0\n")


@pytest.fixture
def bench(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(sys, "path", list(sys.path))
    return FakeBench() if kind == "fake" else RealBench(folder)


def test_a_registered_step_is_listed_and_can_be_called(bench: Bench) -> None:
    assert "known" in bench.catalog().names()
    assert bench.catalog().function("known")() == 1


def test_an_unknown_step_is_refused_with_what_there_is(bench: Bench) -> None:
    with pytest.raises(UsageError, match=r"unknown step.*knwon") as caught:
        bench.catalog().function("knwon")
    assert "known" in caught.value.hint


def test_the_digest_of_the_code_stays_until_the_code_is_edited(bench: Bench) -> None:
    before = bench.catalog().code_sha256("known")
    assert bench.catalog().code_sha256("known") == before
    bench.edit()
    assert bench.catalog().code_sha256("known") != before
