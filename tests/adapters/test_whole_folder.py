"""A generated folder: whole or absent, and never over what somebody else has put there."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.adapters.whole_folder import write_folder
from churnflow.errors import ConflictError

FILES = {"sign.json": b"{}", "inner/deep/file": b"1"}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def holds_files(folder: Path) -> bool:
    """Tell whether a folder holds FILES and no more; the sign has the digests of the others in it."""
    others = {path: data for path, data in content(folder).items() if path != "sign.json"}
    digests = {"files": {path: hashlib.sha256(data).hexdigest() for path, data in others.items()}}
    return others == {"inner/deep/file": b"1"} and json.loads(content(folder)["sign.json"]) == digests


def test_it_holds_exactly_the_files_and_is_not_written_twice(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert write_folder(folder, FILES, "sign.json")
    assert holds_files(folder)
    assert not write_folder(folder, FILES, "sign.json")
    assert list(folder.parent.iterdir()) == [folder]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert write_folder(tmp_path / "empty", FILES, "sign.json")
    assert holds_files(tmp_path / "empty")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folder: (folder / "inner" / "deep" / "file").write_bytes(b"2"), "inner/deep/file"),
        (lambda folder: (folder / "inner" / "deep" / "file").unlink(), "inner/deep/file"),
        (lambda folder: (folder / "inner" / "more").write_bytes(b""), "inner/more"),
    ],
)
def test_a_change_in_it_is_named_and_gives_way_to_force_alone(
    tmp_path: Path, change: Callable[[Path], object], named: str
) -> None:
    folder = tmp_path / "folder"
    write_folder(folder, FILES, "sign.json")
    change(folder)
    before = content(folder)
    with pytest.raises(ConflictError, match=f"differs now, {named} for one"):
        write_folder(folder, FILES, "sign.json")
    assert content(folder) == before
    assert write_folder(folder, FILES, "sign.json", force=True)
    assert holds_files(folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_what_nobody_changed_since_makes_room_for_another_content(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write_folder(folder, {**FILES, "inner/deep/file": b"before"}, "sign.json")
    assert write_folder(folder, FILES, "sign.json")
    assert holds_files(folder)


@pytest.mark.parametrize("sign", [b"[]", b"{", b"{}"])
def test_a_sign_that_says_nothing_of_the_files_makes_no_room(tmp_path: Path, sign: bytes) -> None:
    folder = tmp_path / "folder"
    write_folder(folder, {**FILES, "inner/deep/file": b"before"}, "sign.json")
    (folder / "sign.json").write_bytes(sign)
    with pytest.raises(ConflictError, match="differs now"):
        write_folder(folder, FILES, "sign.json")


def a_file(place: Path) -> None:
    place.write_text("mine")


def a_folder_of_mine(place: Path) -> None:
    place.mkdir()
    (place / "inner").write_text("mine")


def a_link(place: Path) -> None:
    write_folder(place.parent / "real", FILES, "sign.json")
    place.symlink_to(place.parent / "real")


def a_link_inside(place: Path) -> None:
    write_folder(place, FILES, "sign.json")
    (place / "link").symlink_to("/")


def a_dangling_link(place: Path) -> None:
    place.symlink_to(place.parent / "nowhere")


@pytest.mark.parametrize("make", [a_file, a_folder_of_mine, a_link, a_link_inside, a_dangling_link])
def test_what_it_has_not_written_is_left_alone_even_by_force(tmp_path: Path, make: Callable[[Path], None]) -> None:
    place = tmp_path / "place"
    make(place)
    with pytest.raises(ConflictError, match="churnflow has not written it"):
        write_folder(place, {**FILES, "one": b"more"}, "sign.json", force=True)
    assert not list(tmp_path.rglob("one"))


@pytest.mark.parametrize("written", [False, True])
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path, *, written: bool) -> None:
    if written:
        write_folder(tmp_path / "folder", FILES, "sign.json")
    left = tmp_path / ".churnflow-4194305-0123456789ab.tmp"
    left.mkdir()
    (left / "half").write_text("")
    write_folder(tmp_path / "folder", FILES, "sign.json")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_place_below_a_file_is_an_error_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConflictError, match="something else stands where churnflow writes"):
        write_folder(tmp_path / "file" / "folder", FILES, "sign.json")
