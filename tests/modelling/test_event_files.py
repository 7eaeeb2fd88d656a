"""A log in a file: quotes that swallow lines are never silent, and what is no text is refused in two lines."""

import bz2
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from churnflow import InputError, StepResult
from tests.events import make_events, run, write_events

ROOT = Path(__file__).resolve().parents[2]


def damaged(path: Path, *lines: int, row: str = '0001,2024-03-05 10:00:00,"5,visit') -> Path:
    """Write a row with one stray quote in place of these lines, the header being the first."""
    text = path.read_text(encoding="utf-8").splitlines()
    for line in lines:
        text[line - 1] = row
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def refused(path: Path, **given: Any) -> tuple[str, str]:
    with pytest.raises(InputError) as raised:
        run(path, **given)
    assert len(f"{raised.value}{raised.value.hint}".splitlines()) == 1
    return str(raised.value), raised.value.hint


def said(result: StepResult) -> str:
    return "; ".join(issue.text for issue in result.issues)


def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path: Path) -> None:
    path = damaged(write_events(tmp_path, make_events()), 101)
    message, hint = refused(path)
    assert "events.csv: a quote that is never closed (from line 101)" in message
    assert hint.startswith("close or double the quote")


def test_a_value_that_two_stray_quotes_stretch_over_many_lines_is_said(tmp_path: Path) -> None:
    frame = make_events()
    frame["note"] = "a"
    path = write_events(tmp_path, frame)
    damaged(path, 101, row='0001,2024-03-05 10:00:00,5,visit,"a')
    damaged(path, 150, row='a"')
    assert "rows that take more than 20 lines: 1 (from line 101)" in said(run(path))


def test_a_comment_of_some_lines_is_no_stray_quote(tmp_path: Path) -> None:
    frame = make_events()
    frame["note"] = "a\nb\nc"
    assert "lines" not in said(run(write_events(tmp_path, frame)))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events.csv")
    assert "a named pipe, not a file" in refused(tmp_path / "events.csv")[0]


@pytest.mark.parametrize("encoding", ["base64", "hex", "rot13", "punycode", "idna", "unicode_escape", "nowhere"])
def test_an_encoding_of_no_text_is_unknown(tmp_path: Path, encoding: str) -> None:
    path = write_events(tmp_path, make_events())
    assert "unknown encoding" in refused(path, encoding=encoding)[0]


def test_tabs_around_an_id_make_no_other_customer(tmp_path: Path) -> None:
    frame = make_events()
    plain = run(write_events(tmp_path, frame)).metrics["customers"]
    frame["customer"] = [f"\t{name}" if row % 2 else f"{name}\t" for row, name in enumerate(frame["customer"])]
    assert run(write_events(tmp_path, frame, "tabs.csv")).metrics["customers"] == plain


def test_whole_ids_of_a_column_of_floats_are_whole(tmp_path: Path) -> None:
    path = write_events(tmp_path, make_events())
    log = duckdb.read_csv(str(path), dtype={"customer": "DOUBLE"})  # type: ignore[arg-type]
    log.write_parquet(str(tmp_path / "events.parquet"))
    ids = pd.DataFrame(run(tmp_path / "events.parquet").outputs["customers"])["customer"]
    assert not ids.str.contains(".", regex=False).any()


def test_rows_that_are_set_apart_show_no_address(tmp_path: Path) -> None:
    path = write_events(tmp_path, make_events())
    with path.open("a", encoding="utf-8") as log:
        log.write("anna@example.org,never,5,visit\nbo@example.org,2024-03-05 10:00:00\n")
    frame = pd.DataFrame(run(path).outputs["rejected"])
    assert len(frame) == 2
    assert not frame["row"].str.contains("example.org").any()


def test_a_column_that_holds_no_times_is_refused_without_a_value_of_it(tmp_path: Path) -> None:
    frame = make_events()
    frame["who"] = [f"cust{row}@example.org" for row in range(len(frame))]
    message, _ = refused(write_events(tmp_path, frame), time="who")
    assert "example" not in message
    assert "xxxx0@xxxxxxx.xxx" in message


def test_an_active_type_that_is_misspelled_is_refused_with_the_nearest(tmp_path: Path) -> None:
    path = write_events(tmp_path, make_events())
    message, hint = refused(path, event_type="kind", active_types=("purchase", "vist"))
    assert "no event is of the type 'vist'" in message
    assert hint == "did you mean 'visit'?"


def test_the_schema_says_what_decided_on_each_column(tmp_path: Path) -> None:
    schema: Any = run(write_events(tmp_path, make_events(120))).outputs["schema"]
    decided = {column["role"]: column["decided"] for column in schema["columns"]}
    assert (decided["id"], decided["target"]) == ("by the workflow", "by the workflow")
    assert decided["feature"] == "by its values"


def test_bytes_of_no_encoding_are_refused_with_their_line(tmp_path: Path) -> None:
    text = write_events(tmp_path, make_events()).read_text()
    (tmp_path / "wide.csv").write_bytes(text.encode("utf-16") + b"\xd8")
    assert f"text of no encoding that was tried (line {text.count(chr(10)) + 1})" in refused(tmp_path / "wide.csv")[0]
    named = "Zoë,2024-03-05,1,visit\n" * 3
    (tmp_path / "mixed.csv").write_bytes((text + named).encode() + "Zoë,2024-03-05,1,visit\n".encode("latin-1"))
    message, hint = refused(tmp_path / "mixed.csv")
    assert f"is UTF-8 but for some bytes (line {text.count(chr(10)) + 4})" in message
    assert "encoding: ..." in hint


def test_a_record_of_many_megabytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"customer": "A", "time": "' + "x" * 21_000_000 + '"}\n')
    assert "events.jsonl can not be read as JSON lines" in refused(tmp_path / "events.jsonl")[0]


UNPACKED_WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
from churnflow import InputError
from tests.events import run
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    run(Path(sys.argv[1]))
except InputError as error:
    print(error, "|", error.hint)
"""


def test_a_log_for_which_there_is_no_room_to_unpack_is_refused(tmp_path: Path) -> None:
    text = write_events(tmp_path, make_events(2000)).read_bytes()
    (tmp_path / "events.csv.bz2").write_bytes(bz2.compress(text))
    done = subprocess.run(
        [sys.executable, "-c", UNPACKED_WITHOUT_ROOM, str(tmp_path / "events.csv.bz2")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "events.csv.bz2 can not be unpacked into the temporary folder: File too large" in done.stdout, done.stderr
    assert "TMPDIR" in done.stdout
