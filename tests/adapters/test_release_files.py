"""The served release on disk: one file that a server follows, and a list that a kill does not shorten."""

import subprocess
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


def follow(hint: str, until: str | None = None) -> None:
    """Do what a hint says up to a word, as the user would."""
    command = hint.partition(": ")[2] if until is None else hint.partition(until)[0]
    subprocess.run(command, shell=True, check=True)  # noqa: S602


def test_a_spoiled_pointer_is_named_and_out_of_the_way_the_release_can_be_served_again(tmp_path: Path) -> None:
    pointer = ReleaseFiles(tmp_path / "it's here")
    pointer.switch(release("v1.0.0"))
    pointer.path.write_text("{}\n")
    for use in (pointer.read, pointer.past, lambda: pointer.switch(release("v1.1.0"))):
        with pytest.raises(IntegrityError, match=r"what is served was altered: .*served\.json") as caught:
            use()
    assert caught.value.hint.endswith("churnflow rollback served")
    follow(caught.value.hint, ", then")
    assert pointer.read() is None
    pointer.switch(pointer.past()[-1])
    assert pointer.read() == release("v1.0.0")


def test_a_spoiled_line_of_what_was_served_is_named_and_can_be_removed(tmp_path: Path) -> None:
    pointer = ReleaseFiles(tmp_path / "it's here")
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        pointer.switch(release(version))
    lines = (tmp_path / "it's here/served.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "it's here/served.jsonl").write_bytes(lines[0] + b"{}\n" + lines[2])
    with pytest.raises(IntegrityError, match=r"served\.jsonl, line 2") as caught:
        pointer.past()
    follow(caught.value.hint)
    assert [past.version for past in pointer.past()] == ["v1.0.0", "v1.2.0"]


@pytest.mark.parametrize("spoiled", [{"checkpoint": "u"}, {"version": "v1.0.1"}, {"run": "s"}])
def test_a_spoiled_pointer_never_enters_the_list_of_what_was_served(tmp_path: Path, spoiled: dict[str, str]) -> None:
    pointer = ReleaseFiles(tmp_path)
    pointer.switch(release("v1.0.0"))
    altered = release("v1.0.0").model_copy(update=spoiled)
    pointer.path.write_bytes(canonical_json(altered.model_dump(mode="json")))
    assert pointer.past() == [release("v1.0.0")]
    pointer.switch(release("v1.0.0"))
    assert pointer.read() == release("v1.0.0")
    assert {past.version for past in pointer.past()} == {"v1.0.0"}
