"""The whole report, byte for byte; `tests/reporting/golden.py` says how to write it anew."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from churnflow.reporting.html import html
from churnflow.reporting.markdown import markdown
from tests.reporting.golden import GOLDEN
from tests.reporting.records import whole

ROOT = Path(__file__).resolve().parents[2]


def test_the_report_is_the_golden_one_to_the_byte() -> None:
    assert markdown(whole()).encode() == GOLDEN.read_bytes()


@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_with_another_hash_seed_and_time_zone_writes_the_same_bytes(seed: str) -> None:
    code = (
        "import sys; from tests.reporting.records import whole; from churnflow.reporting.markdown import markdown;"
        "from churnflow.reporting.html import html; sys.stdout.buffer.write(html(markdown(whole()), {}).encode())"
    )
    env = {**os.environ, "PYTHONHASHSEED": seed, "TZ": f"Etc/GMT+{seed}", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, check=True)
    assert done.stdout == html(markdown(whole()), {}).encode()


def test_the_golden_report_has_the_parts_of_the_document_in_its_order() -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(GOLDEN.read_text())
    headings = [
        tokens[place + 1].content
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == "h2"
    ]
    document = ["Task", "Plan", "Build", "Review", "Decision", "Performance tracking"]
    assert headings == [*document, "Figures", "Checkpoints", "Times", "Traceability"]


def test_every_line_of_a_table_is_a_row_with_as_many_cells_as_its_header() -> None:
    text = GOLDEN.read_text()
    kinds = [token.type for token in MarkdownIt("commonmark").enable("table").parse(text)]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == kinds.count("tr_open") + kinds.count("table_open")
    cells = sum(len(line.replace(r"\|", "").split("|")) - 2 for line in lines if not line.startswith("|-"))
    assert cells == kinds.count("td_open") + kinds.count("th_open")
