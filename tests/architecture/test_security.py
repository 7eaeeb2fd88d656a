"""SECURITY.md: every test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    text = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 40
    assert sorted(name for name in named if f"def {name}(" not in text) == []


def test_every_file_that_it_names_exists() -> None:
    named = re.findall(r"`((?:tests|benchmarks)/[\w/.]+)`", (ROOT / "SECURITY.md").read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []
