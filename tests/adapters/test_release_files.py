"""The served release on disk: one file that a server follows, and a list that a kill does not shorten."""

from pathlib import Path

import pytest

from churnflow.adapters.release_files import ReleaseFiles
from churnflow.domain.base import canonical_json
from churnflow.domain.release import Release
from churnflow.errors import IntegrityError
from tests.adapters.workbench import KEY, NOW, artifact


def release(version: str) -> Release:
    return Release(
        version=version, artifact=artifact("release", b"x"), run="r", checkpoint="t", approval_sha256=KEY, at=NOW
    )


def test_the_pointer_is_the_canonical_json_of_the_release(tmp_path: Path) -> None:
    pointer = ReleaseFiles(tmp_path / "state")
    pointer.switch(release("v1.0.0"))
    assert pointer.path.read_bytes().strip() == canonical_json(release("v1.0.0").model_dump(mode="json"))


def test_a_kill_between_switch_and_list_loses_no_release(tmp_path: Path) -> None:
    pointer = ReleaseFiles(tmp_path)
    pointer.switch(release("v1.0.0"))
    (tmp_path / "served.jsonl").write_bytes(b'{"torn')
    assert [past.version for past in pointer.past()] == ["v1.0.0"]
    pointer.switch(release("v1.1.0"))
    assert [past.version for past in pointer.past()] == ["v1.0.0", "v1.1.0"]


@pytest.mark.parametrize("name", ["served.json", "served.jsonl"])
def test_an_altered_record_is_named(tmp_path: Path, name: str) -> None:
    pointer = ReleaseFiles(tmp_path)
    pointer.switch(release("v1.0.0"))
    (tmp_path / name).write_text("{}\n")
    with pytest.raises(IntegrityError, match=f"what is served was altered: .*{name}"):
        pointer.past()
