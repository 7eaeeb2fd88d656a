"""The golden report: `.venv/bin/python -m tests.reporting.golden` writes it anew; then read what `git diff` shows."""

from pathlib import Path

from churnflow.reporting.markdown import markdown
from tests.reporting.records import whole

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "report.md"

if __name__ == "__main__":
    GOLDEN.write_bytes(markdown(whole()).encode())
