"""Personal data stays where it belongs: the short form of the canary, with real commands, a real API and real git."""

import subprocess
import sys
from pathlib import Path

CANARY = Path(__file__).resolve().parents[2] / "benchmarks" / "reliability" / "canary.py"


def test_no_token_of_any_column_is_found_outside_the_rows_of_the_store(tmp_path: Path) -> None:
    command = [sys.executable, str(CANARY), "--short", "--keep", str(tmp_path / "canary")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Canary: 0 findings" in done.stdout
