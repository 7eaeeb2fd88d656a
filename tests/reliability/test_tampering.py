"""Whatever is tampered with is reported, and the link that broke first is named: one case of each kind."""

from pathlib import Path
from typing import Any

import pytest


def test_every_kind_of_tampering_is_reported_with_the_link_that_broke(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tampering import KINDS, cases  # noqa: PLC0415 - a script, found by the fixture

    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    found = list(cases(len(KINDS), 3, whole, tmp_path))
    assert [case.said for case in found if not (case.reported and case.named)] == []
    assert {case.kind for case in found} == set(KINDS)
