"""The newest table of each release, found by the digest of its bundle."""

from pathlib import Path

from churnflow.adapters.tracked_tables import Tracked, TrackedTables
from churnflow.domain.evidence import Artifact

SHA = "a" * 64


def test_the_newest_table_of_a_release_is_found_and_that_of_another_is_not(tmp_path: Path) -> None:
    tables = TrackedTables(tmp_path / "tracked")
    assert tables.newest(SHA) is None
    for run in ("one", "two"):
        artifact = Artifact(name="tracking", codec="json", sha256=SHA, size_bytes=9)
        tables.keep(SHA, Tracked(run=run, artifact=artifact))
    found = tables.newest(SHA)
    assert found is not None
    assert found.run == "two"
    assert tables.newest("b" * 64) is None


def test_a_damaged_note_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / f"{SHA}.json").write_text("{}")
    assert TrackedTables(tmp_path).newest(SHA) is None
