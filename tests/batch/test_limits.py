"""Lists of files that are larger than the memory they may take, and what a kill leaves of them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from churnflow.modelling.bundle import write_bundle
from tests.batch.conftest import Released

SCORED = """
import json, resource, sys
from pathlib import Path
from churnflow.batch.run import score
from churnflow.modelling.bundle import read_bundle

unsaid = dict.fromkeys(("campaign", "separator", "encoding", "sheet", "table", "query"))
source, output = sys.argv[2], Path(sys.argv[3])
given = {**unsaid, "source": source, "output": output}
said = score(read_bundle(Path(sys.argv[1])), given, lambda *told: print(*told, flush=True))
print(json.dumps({"rows": said["rows"], "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


@pytest.fixture
def bundle(released: Released, tmp_path: Path) -> Path:
    write_bundle(released.files, tmp_path / "model.release")
    return tmp_path / "model.release"


def repeated(released: Released, path: Path, rows: int) -> Path:
    """Write so many customers, each with an id of its own."""
    frame = pd.concat([released.texts] * (rows // 600), ignore_index=True)
    frame["customer_id"] = [f"{name}-{row}" for row, name in enumerate(frame["customer_id"])]
    duckdb.from_df(frame).write_parquet(str(path))
    return path


def command(bundle: Path, source: Path, output: Path) -> list[str]:
    return [sys.executable, "-c", SCORED, str(bundle), str(source), str(output)]


def peak(bundle: Path, source: Path) -> tuple[int, float]:
    done = subprocess.run(command(bundle, source, source.with_suffix(".list.csv")), capture_output=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return told["rows"], told["peak"] / 1024


def test_ten_times_the_rows_take_hardly_more_memory(released: Released, bundle, tmp_path) -> None:
    small = peak(bundle, repeated(released, tmp_path / "small.parquet", 60_000))
    large = peak(bundle, repeated(released, tmp_path / "large.parquet", 600_000))
    assert (small[0], large[0]) == (60_000, 600_000)
    # As columns of Python's texts and doubles the larger one would take 300 MB more.
    assert large[1] < small[1] + 200


@pytest.mark.parametrize("when", ["scored", "sorting"])
def test_a_kill_leaves_neither_a_list_nor_anything_in_the_temporary_folder(
    released: Released, bundle, tmp_path, when
) -> None:
    source = repeated(released, tmp_path / "many.parquet", 300_000)
    for folder in ("out", "tmp"):
        (tmp_path / folder).mkdir()
    running = subprocess.Popen(
        command(bundle, source, tmp_path / "out" / "list.csv"),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        start_new_session=True,
    )
    assert running.stdout is not None
    for line in running.stdout:
        if line.rstrip().endswith(when):
            break
    assert any((tmp_path / "tmp").iterdir())
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    running.stdout.close()
    deadline = time.monotonic() + 10
    while (left := [*(tmp_path / "tmp").iterdir(), *(tmp_path / "out").iterdir()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
