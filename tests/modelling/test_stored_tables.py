"""A table too large for memory: on disk it gives, in everything, what it gives in memory."""

import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churnflow.errors import UsageError
from churnflow.modelling.casting import Cast, cast
from churnflow.modelling.declared import Declared, merged
from churnflow.modelling.labels import labels
from churnflow.modelling.profile import profile, values_of
from churnflow.modelling.read_options import ReadOptions, Room
from churnflow.modelling.sources import read_table
from churnflow.modelling.stored_frame import StoredFrame
from churnflow.modelling.table import Table

MEMORY = Room(cells=10**9, texts=10**9)
# From nothing but batches, over texts that all columns keep on disk, to those that only the longest do.
ROOMS = {
    "batches of a few rows": Room(cells=0, texts=0, batch=600),
    "texts of long columns on disk": Room(cells=2_000, texts=4_000, batch=7_000),
    "texts of all columns in memory": Room(cells=2_000, texts=10**9, batch=20_000),
}
ROWS = 4_000


def awkward_rows() -> Iterator[str]:
    """Yield lines with everything that a source may have wrong, of customers of whom some return."""
    random = np.random.default_rng(3)
    spend = random.integers(0, 900_000, ROWS)
    for row in range(ROWS):
        euros = f"{spend[row] // 100:,}".replace(",", ".") + f",{spend[row] % 100:02d}"
        plan = ("basic", " Basic", "PLUS", "plus", "family", "N/A", "", "none")[row % 8]
        yield ";".join(
            (
                f"{row:06d}" if row % 97 else f" {row - row % 5:06d}",
                ("Yes", "no", "YES", " No ", "no")[row % 5] if row % 211 else "",
                f"{1 + row % 28:02d}.{1 + row % 12:02d}.2024" if row % 301 else "soon",
                euros if row % 401 != 7 else ("many", "1e16", "inf", "-")[row // 401 % 4],
                "-999" if row % 50 == 0 else str(row % 37),
                f"2023-{1 + row % 12:02d}-{1 + row % 27:02d} 10:{row % 60:02d}:00" if row % 2 else "1900-01-01",
                plan,
                f'"note {row};\n{row % 7} said ""{row}"""',
                f"{spend[row] / 7:.6f}",
                f"user{row}@mail.example",
                plan,
                f"{spend[row] / 7:.6f}",
                ("red", "Red", "RED ", f"colour {row % 3}")[row % 4],
                "",
                "x",
            )
        )


HEADER = "id;left;day;spent;  number of   calls;seen;plan;note;score;mail;plan again;score again;colour;none;same"


def awkward(folder: Path) -> Path:
    lines = [HEADER, *awkward_rows()]
    lines[40] += ";one more"
    lines[41] = "000040;no"
    lines.insert(700, HEADER)
    lines.insert(900, "")
    long = "x\n" * 30
    lines.insert(1000, f'990000;no;01.02.2024;5,00;3;;plus;"{long}";0.5;;plus;0.5;red;;x')
    lines += lines[10:30]
    lines += [line.replace(";no;", ";YES;", 1) for line in lines[31:60]]
    lines.append("Total;;;99;" + ";" * 10)
    path = folder / "awkward.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


DECLARED: dict[str, Declared] = {
    "id alone": Declared("left", "id"),
    "id and time": Declared("left", "id", "day"),
    "time of day": Declared("left", "id", "seen", merged({"seen": {"missing": ["1900-01-01"]}}, (), ())),
    "no id": Declared("left", None, protected=("colour",)),
    "declared kinds": Declared(
        "left", "id", None, merged({"seen": {"kind": "date"}, "plan": {"spelling": "exact"}}, ("mail",), ("score",))
    ),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return awkward(tmp_path_factory.mktemp("awkward"))


@pytest.fixture(scope="module", params=DECLARED)
def held(request: pytest.FixtureRequest, source: Path) -> tuple[Declared, Table, Cast]:
    """Return the awkward table as it is read and cast in memory, by what is declared."""
    declared = DECLARED[request.param]
    return declared, *casted(source, declared, MEMORY)


def casted(path: Path, declared: Declared, room: Room) -> tuple[Table, Cast]:
    table = read_table(path, ReadOptions(room=room))
    columns = profile(table, declared)
    return table, cast(table, columns, labels(declared.target, values_of(columns, declared.target), None))


@pytest.mark.parametrize("room", ROOMS)
def test_an_awkward_table_on_disk_is_cast_as_it_is_in_memory(
    source: Path, held: tuple[Declared, Table, Cast], room: str
) -> None:
    declared, table, first = held
    stored, second = casted(source, declared, ROOMS[room])
    assert (table.in_memory, stored.in_memory) == (True, False)
    assert {rejection.rule for rejection in first.rejections} >= {"ragged", "no_label", "not_a_number"}
    assert second.rejections == first.rejections
    assert json.dumps(second.schema) == json.dumps(first.schema)
    pd.testing.assert_frame_equal(second.frame(), first.frame())
    assert len(second.customers) == len(first.customers)
    assert (second.repeated, second.classes, second.coerced) == (first.repeated, first.classes, first.coerced)


@pytest.mark.parametrize("room", ROOMS)
def test_an_awkward_table_on_disk_is_read_as_it_is_in_memory(source: Path, room: str) -> None:
    table, stored = (read_table(source, ReadOptions(room=one)) for one in (MEMORY, ROOMS[room]))
    assert stored.rows == list(table.rows)
    assert (stored.notes, stored.ragged, stored.read_as) == (table.notes, table.ragged, table.read_as)
    assert [stored.lines[:5], stored.lines[-1], stored.lines[-9::4]] == [
        list(part) if isinstance(part, Sequence) else part
        for part in (table.lines[:5], table.lines[-1], table.lines[-9::4])
    ]
    assert stored.rows[-1] == table.rows[-1]
    assert stored.rows[700] == table.rows[700]
    for names in (["plan", "colour"], ["score"], ["id", "left"], []):
        assert stored.equal_rows(names) == table.equal_rows(names)
    for name in table.header:
        assert dict(stored.counts(name)) == table.counts(name)
        assert list(stored.counts(name)) == list(table.counts(name))


def test_values_on_disk_are_looked_up_as_those_in_memory(source: Path) -> None:
    table, stored = (read_table(source, ReadOptions(room=one)) for one in (MEMORY, ROOMS["batches of a few rows"]))
    plain, counts = table.counts("plan"), stored.counts("plan")
    assert {text: counts[text] for text in plain} == plain
    assert "no such plan" not in counts
    fewer = stored.values("plan").present(stored.missing).without(["plus"])
    assert "plus" not in fewer.counts
    assert fewer.absent["plus"] == plain["plus"]
    assert len(fewer.counts) == len(plain) - 1


def test_a_column_with_too_many_labels_is_refused_on_disk_as_in_memory(source: Path) -> None:
    said = []
    for room in (MEMORY, *ROOMS.values()):
        with pytest.raises(UsageError) as raised:
            casted(source, Declared("score", "id"), room)
        said.append((str(raised.value), raised.value.hint))
    assert len(set(said)) == 1


def test_parts_of_a_column_without_any_text_are_parts_of_a_column_of_texts() -> None:
    stored = StoredFrame(pd.Index(["Plan", "plan", "bill"]))
    late = [None] * 130_000 + ["late"]
    frames = [
        pd.DataFrame(
            {
                "Plan": pd.Series(some, dtype="str"),
                "plan": pd.Series([f"p{place % 3}" for place in range(len(some))], dtype="str"),
                "bill": np.where(np.arange(len(some)) % 7 == 0, np.nan, np.arange(len(some)) / 8),
            }
        )
        for some in (late, ["early"], late)
    ]
    for frame in frames:
        stored.append(frame)
    whole = pd.concat(frames, ignore_index=True)
    pd.testing.assert_frame_equal(stored.frame(), whole)
    np.testing.assert_array_equal(stored.numbers("bill"), whole["bill"])
    stored.append(frames[1])
    assert stored.frame()["Plan"].tolist()[-1] == "early"


def test_a_table_on_disk_goes_with_the_last_who_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    table, done = casted(awkward(tmp_path), DECLARED["id alone"], ROOMS["batches of a few rows"])
    del table
    gc.collect()
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    assert len(done.frame()) == len(done.customers)
    del done
    gc.collect()
    assert not list((tmp_path / "temporary").iterdir())


FULL = """
import resource, sys
from pathlib import Path
from churnflow.errors import UsageError
from churnflow.modelling.read_options import ReadOptions, Room
from churnflow.modelling.sources import read_table
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    read_table(Path(sys.argv[1]), ReadOptions(room=Room(cells=0, texts=0, batch=600)))
except UsageError as error:
    print(error, error.hint, sep="\\n")
"""


def test_a_disk_without_room_is_said_in_two_lines(source: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL.replace("\\\\", "\\"), source], capture_output=True, text=True, check=True
    )
    message, hint = done.stdout.splitlines()
    assert message == ("the table is too large for memory, and the temporary folder can not hold it: File too large")
    assert "TMPDIR" in hint
