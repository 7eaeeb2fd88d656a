"""New objects enter a repository in an order in which a kill leaves none without what it refers to."""

import re
from pathlib import Path

from churnflow.adapters.git_order import in_order
from tests.adapters.workbench import Work


def test_every_object_comes_after_all_that_it_refers_to(work: Work) -> None:
    for number, name in enumerate(("a.txt", "deep/er/b.txt", "deep/c.txt", "deep/er/and/er/d.txt")):
        work.write(name, f"{number}\n")
        work.commit()
    work.git("tag", "-a", "-m", "a tag", "v1")
    paths = [path for path in (work.path / ".git/objects").glob("??/*") if path.is_file()]
    kinds: set[str] = set()
    seen: set[str] = set()
    for path in in_order(paths):
        oid = path.parent.name + path.name
        kind = work.git("cat-file", "-t", oid)
        told = "" if kind == "blob" else work.git("cat-file", "-p", oid)
        assert set(re.findall(r"\b[0-9a-f]{40}\b", told)) <= seen
        kinds.add(kind)
        seen.add(oid)
    assert kinds == {"blob", "tree", "commit", "tag"}
    assert len(seen) == len(paths)


def test_a_pack_comes_before_its_index_and_both_before_loose_objects(work: Work, tmp_path: Path) -> None:
    work.write("a.txt", "a\n")
    work.commit()
    (loose,) = [path for path in (work.path / ".git/objects").glob("??/*") if path.is_file()][:1]
    (tmp_path / "pack").mkdir()
    pack, index = tmp_path / "pack/pack-1.pack", tmp_path / "pack/pack-1.idx"
    for path in (pack, index):
        path.touch()
    assert in_order([index, loose, pack]) == [pack, index, loose]


def test_what_can_not_be_read_refers_to_nothing(tmp_path: Path) -> None:
    spoiled = tmp_path / "ab" / ("c" * 38)
    spoiled.parent.mkdir()
    spoiled.write_bytes(b"not deflated")
    assert in_order([spoiled]) == [spoiled]
