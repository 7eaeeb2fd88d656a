"""The lines of a text: as they stand, and never one that fills the memory."""

from pathlib import Path

import pytest

from churnflow.modelling.text_lines import LONGEST_LINE
from tests.modelling.written import read, refused, written


@pytest.mark.parametrize("name", ["customers.csv", "customers.jsonl"])
def test_a_line_without_an_end_is_refused_before_it_is_whole(tmp_path: Path, name: str) -> None:
    start = "id,churn\nC1,Yes\n" if name.endswith("csv") else '{"id": 1, "churn": "Yes"}\n'
    path = written(tmp_path, start)
    path = path.rename(tmp_path / name)
    with path.open("ab") as stream:
        stream.write(b"x" * (2 * LONGEST_LINE))
    line = 3 if name.endswith("csv") else 2
    assert refused(path)[0] == f"{name} has a line of more than {LONGEST_LINE:,} characters (line {line})"


def test_a_file_that_ends_in_nul_bytes_is_refused_at_their_line(tmp_path: Path) -> None:
    path = written(tmp_path, "id,churn\nC1,Yes\nC2,No\n")
    with path.open("r+b") as stream:
        stream.truncate(2_000_000_001)
    assert refused(path)[0] == "customers.csv holds a NUL byte (line 4), so it is no text file"


def test_a_long_line_that_ends_is_read(tmp_path: Path) -> None:
    note = "x" * 5_000_000
    found = read(written(tmp_path, f'id,note,churn\r\nC1,"{note}",Yes\r\nC2,short,No\r\n'))
    assert [len(text) for text in found.column("note")] == [5_000_000, 5]
