"""Makes the README's pictures from a real run of the demo; needs Chromium, and is run by hand when a screen changes."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
COLUMNS = 112
FIRST_LINES = 44
REPORT_SIZE = (1000, 1900)


def main() -> int:
    """Run the demo and two weeks of traffic, and write the three pictures beside this file."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("error: no Chromium found\nhint: install one, for example: apt install chromium\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        command = [sys.executable, "-m", "churnflow", "demo", "churnflow-demo"]
        environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
        done = subprocess.run(
            command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
        )
        page = place / "screen.html"
        page.write_text(_terminal(done.stdout))
        (drawn,) = place.glob("churnflow-demo/reports/*/roc.svg")
        report = drawn.with_name("report.html")
        lines = min(FIRST_LINES, done.stdout.count("\n")) + 9
        _shoot(chromium, page, HERE / "screen.png", (COLUMNS * 9 + 40, lines * 20 + 20))
        _shoot(chromium, report, HERE / "report.png", REPORT_SIZE)
        watch = [sys.executable, HERE / "monitoring_example.py", place / "churnflow-demo"]
        subprocess.run(watch, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # it says look: not 0
        newest = max(place.glob("churnflow-demo/reports/*/report.html"), key=lambda path: path.stat().st_mtime)
        _shoot(chromium, newest, HERE / "monitoring.png", REPORT_SIZE)
    return 0


def _terminal(output: str) -> str:
    """Return the first lines of a program's output as a page, with its colours."""
    shown = "$ make demo\n" + "\n".join(output.splitlines()[:FIRST_LINES])
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(Text.from_ansi(shown), soft_wrap=True)
    style = "font: 15px/20px 'DejaVu Sans Mono', monospace; margin: 16px; white-space: pre-wrap"
    form = (
        "<!DOCTYPE html><meta charset=utf-8><style>{stylesheet}</style>"
        f"<body style='background:#fff;color:#222'><pre style=\"{style}\">{{code}}</pre>"
    )
    return console.export_html(code_format=form, inline_styles=True)


def _shoot(chromium: str, page: Path, picture: Path, size: tuple[int, int]) -> None:
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={size[0]},{size[1]}",
                f"--screenshot={picture}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    sys.exit(main())
