"""`churnflow verify`: the link that it names, reports proved by making them again, and what a server says."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from churnflow.cli.rendering import Made, rendered
from churnflow.project import Project
from tests.cli.conftest import Cli, environment, make_project

NAMES = ["r.md", "r.html", "r.json"]


def test_the_broken_link_is_named_for_programs_too(shipped: Path, here: Cli) -> None:
    run = here("--json", "status").json["run"]
    subprocess.run(["git", "tag", "-d", f"churnflow/{run}/02-built"], cwd=shipped, check=True, env=environment())
    found = here("--json", "verify").json
    assert found["exit"] == {"code": 6, "name": "integrity"}
    assert found["data"] == {"link": "tag"}
    assert found["error"]["text"].startswith("broken link 'tag': the tag churnflow/")
    assert here("rollback", "built", "--reason", "the next command that writes").code == 0
    assert here("verify").code == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ref", [(), ("built",)], ids=["as it stands", "as of a checkpoint"])
def test_a_report_is_proved_also_after_the_run_has_gone_on(
    shipped: Path, here: Cli, name: str, ref: tuple[str, ...]
) -> None:
    assert here("report", *ref, "-o", name).code == 0
    assert here("verify", name).code == 0
    assert here("rollback", "plan-approved").code == 0
    assert here("run", "--new", "--answers", "answers.yaml").code == 0
    outcome = here("--json", "verify", name)
    assert outcome.code == 0, outcome.out
    assert outcome.json["data"]["made_from"]["as_of"] is bool(ref)


@pytest.mark.parametrize("name", NAMES)
def test_a_report_with_one_digit_changed_is_named_with_the_first_line_that_differs(
    shipped: Path, here: Cli, name: str
) -> None:
    assert here("report", "-o", name).code == 0
    text = (shipped / name).read_text()
    at = text.index("100", len(text) // 3)
    (shipped / name).write_text(f"{text[:at]}900{text[at + 3 :]}")
    outcome = here("verify", name)
    assert outcome.code == 6
    assert f"{name}, line {text[:at].count(chr(10)) + 1}: it says '" in outcome.error[0]
    assert "900" in outcome.error[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_line_taken_out_or_a_source_made_up_is_found(shipped: Path, here: Cli, name: str) -> None:
    assert here("report", "-o", name).code == 0
    path = shipped / name
    text = path.read_text()
    for altered, said in (
        (text[: text.rindex("\n", 0, -1) + 1], "line"),
        (text.replace("made from", "made of").replace("made_from", "made_of"), "does not say what it was made from"),
        (text.replace("records", "Records"), "does not say what it was made from"),
    ):
        path.write_text(altered)
        outcome = here("verify", name)
        assert outcome.code == 6, said
        assert len(outcome.error) == 2


def test_a_report_of_another_project_or_a_run_that_is_gone_says_so(shipped: Path, here: Cli, tmp_path: Path) -> None:
    assert here("report", "-o", str(tmp_path / "r.md")).code == 0
    run = here("--json", "status").json["run"]
    other = make_project(tmp_path / "other")
    outcome = here("-C", str(other), "verify", str(tmp_path / "r.md"))
    assert outcome.code == 6
    assert f"the run {run}, which is not of this project, or is gone" in outcome.error[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("records=", "never stood as it says"),
        ("checkpoint_sha256=", "is gone or another one"),
        ("served=", "a release that this project never served"),
        ("beside_sha256=", "counts other runs than those that are here by the names"),
    ],
)
def test_digests_of_a_source_that_do_not_hold_are_named(released: Path, here: Cli, change: str, said: str) -> None:
    assert here("report", "-o", "r.md").code == 0
    text = (released / "r.md").read_text()
    at = text.index(change) + len(change)
    (released / "r.md").write_text(f"{text[:at]}{'0' * 64}{text[at + 64 :]}")
    outcome = here("verify", "r.md")
    assert outcome.code == 6
    assert said in outcome.error[0]


def test_a_run_that_counts_called_otherwise_is_found(released: Path, here: Cli) -> None:
    assert here("report", "-o", "r.md").code == 0
    text = (released / "r.md").read_text()
    (released / "r.md").write_text(re.sub(r" beside=\d{6}-", " beside=250101-", text))
    outcome = here("verify", "r.md")
    assert outcome.code == 6
    assert "counts the runs that are here, and calls one of them 250101-" in outcome.error[0]


def test_a_report_of_before_its_journal_was_damaged_and_mended_is_not_called_false(shipped: Path, here: Cli) -> None:
    assert here("report", "-o", "r.md").code == 0
    assert (
        here("issues", "waive", here("--json", "issues").json["data"]["issues"][0]["id"], "--reason", "known").code == 0
    )
    assert here("report", "-o", "waived.md").code == 0
    (path,) = (shipped / ".git").rglob("journal.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"known"', b'"Known"'))
    (path.parents[2] / "current").unlink()
    assert here("verify", "waived.md").code == 6
    run = path.parent.name
    assert here("rollback", f"churnflow/{run}/04-shipped").code == 0
    assert here("verify", "r.md").code == 0
    outcome = here("verify", "waived.md")
    assert outcome.code == 5
    assert "its journal is gone" in outcome.error[0]


@pytest.mark.parametrize("as_of", [False, True], ids=["as it stands", "as of a checkpoint"])
def test_a_report_that_tells_by_a_time_which_runs_it_counts_is_proved_as_before(
    released: Path, here: Cli, as_of: bool
) -> None:
    project = Project.open(released)
    run = project.run()
    history = project.checkpoints.history(run.id)
    at = history[-1].created_at
    text, _ = rendered(project, Made(history[-1].run, history, history[-1].release, None, as_of=as_of, until=at), "md")
    assert "until=" in text
    assert "beside=" not in text
    (released / "r.md").write_text(text)
    assert here("rollback", "v1.0.0").code == 0
    assert here("run", "--new").code == 0
    assert here("verify", "r.md").code == 0


def test_what_is_no_report_is_a_mistake_and_no_forgery(shipped: Path, here: Cli) -> None:
    (shipped / "notes.md").write_text("my notes\n")
    for name in ("notes.md", "none.md"):
        outcome = here("verify", name)
        assert outcome.code == 2
        assert len(outcome.error) == 2


@contextmanager
def serving(answer: bytes) -> Iterator[str]:
    """Answer every request with these bytes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_of_this_project_is_asked_and_believed(released: Path, here: Cli) -> None:
    command = [sys.executable, "-m", "churnflow", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=released, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        url = next(word for line in process.stdout for word in line.split() if word.startswith("http://127"))
        outcome = here("--json", "verify", "--url", url)
        process.terminate()
        process.communicate(timeout=30)
    assert outcome.code == 0, outcome.out
    assert outcome.json["data"]["server"] == url


def test_a_server_that_serves_something_else_is_named(released: Path, here: Cli) -> None:
    with serving(json.dumps({"sha256": "0" * 64, "version": "v1.1.0", "checkpoint": "x"}).encode()) as url:
        outcome = here("--json", "verify", "--url", url)
    assert outcome.code == 6
    assert outcome.json["data"] == {"link": "server"}
    assert "the server says sha256 000" in outcome.json["error"]["text"]


@pytest.mark.parametrize(
    ("url", "code"), [("ftp://x", 2), ("http://[", 2), ("http://a:b@127.0.0.1", 2), ("http://127.0.0.1:1", 5)]
)
def test_an_address_without_a_server_says_nothing_of_integrity(released: Path, here: Cli, url: str, code: int) -> None:
    outcome = here("verify", "--url", url)
    assert outcome.code == code
    assert len(outcome.error) == 2


def test_what_answers_otherwise_is_no_server_of_churnflow(released: Path, here: Cli) -> None:
    for answer in (b"[]", b"<html>"):
        with serving(answer) as url:
            assert here("verify", "--url", url).code == 5
