"""`churnflow monitor` by itself: on a schedule, and telling a webhook."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome, environment
from tests.cli.monitoring.conftest import Filled, Receiver, pseudonymised, shifted
from tests.customers import make_customers


def test_a_webhook_is_told_of_problems_without_personal_data_and_of_calm_only_when_asked(
    watch: Callable[..., Outcome], traffic: Filled, hook: str
) -> None:
    customers = make_customers(600, 55)
    traffic(customers)
    assert watch("--webhook", hook).code == 0
    assert Receiver.taken == []
    assert watch("--webhook", hook, "--notify", "always").code == 0
    assert Receiver.taken[0]["verdict"] == "ship"
    traffic(shifted(900, 56).assign(customer_id=[f"N{place}" for place in range(900)]), labelled=False)
    assert watch("--webhook", hook).code == 8
    told = Receiver.taken[1]
    assert (told["schema"], told["word"]) == ("churnflow/monitor@1", "look")
    assert told["text"].startswith("churnflow monitor: look, v1.0.0: ")
    assert not any(name in json.dumps(told) for name in (*customers["customer_id"], "N17", "/project/"))


def test_a_webhook_that_fails_is_a_warning_and_no_failure(
    watch: Callable[..., Outcome], traffic: Filled, hook: str
) -> None:
    traffic(make_customers(300, 57))
    Receiver.code = 500
    found = watch("--webhook", hook, "--notify", "always")
    assert found.code == 0
    assert "warning: the webhook at 127.0.0.1 answered 500\n" in found.err
    assert "secret" not in found.out + found.err
    assert watch("--webhook", "file:///etc/passwd").code == 2


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_schedule_tells_each_round_in_one_line_goes_on_after_a_failure_and_ends_when_asked_to(
    project: Path, traffic: Filled, stop: signal.Signals
) -> None:
    traffic(pseudonymised(project, make_customers(500, 58)))
    command = [sys.executable, "-m", "churnflow", "monitor", "--every", "1s", "--labels", "data/later.csv"]
    with subprocess.Popen(
        command, cwd=project, env=environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        try:
            assert "UTC  failed: there is no file" in running.stdout.readline()
            (project / "data" / "later.csv").write_text("customer_id,churn\nC00001,yes\n")
            rounds = [running.stdout.readline()]
            while "healthy" not in rounds[-1]:
                rounds.append(running.stdout.readline())
                assert rounds[-1], "it ended by itself"
            running.send_signal(stop)
            rest = running.communicate(timeout=60)[0]
        finally:
            running.kill()
    assert "healthy, confidence 100" in rounds[-1]
    assert "requests" in rounds[-1]
    assert running.returncode == 0
    assert "UTC  stopped after " in rest
    assert list((project / "reports").glob("*")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--every", "soon"], "--every 'soon' is no time"),
        (["--every", "0s"], "--every '0s' is no time"),
    ],
)
def test_a_schedule_of_another_form_is_refused(here: Callable[..., Outcome], arguments: list[str], said: str) -> None:
    found = here("monitor", *arguments)
    assert found.code == 2
    assert said in found.error[0]


def test_a_schedule_and_one_json_object_do_not_go_together(here: Callable[..., Outcome]) -> None:
    found = here("--json", "monitor", "--every", "1h")
    assert found.code == 2
    assert found.json["error"]["text"] == "--json prints one object, and --every never ends"


def test_a_schedule_that_finds_something_leaves_one_report_of_it_and_says_where_a_webhook_failed(
    project: Path, traffic: Filled, hook: str
) -> None:
    Receiver.code = 500
    command = [sys.executable, "-m", "churnflow", "monitor", "--every", "1s", "--webhook", hook]
    pipe, told = subprocess.PIPE, environment(PYTHONUNBUFFERED="1")
    with subprocess.Popen(command, cwd=project, env=told, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdout is not None
        try:
            assert "no predictions yet of v1.0.0" in running.stdout.readline()
            traffic(shifted(), labelled=False)
            line = running.stdout.readline()
            while "no predictions yet" in line:
                line = running.stdout.readline()
            again = running.stdout.readline()
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=60)
        finally:
            running.kill()
    assert again.rpartition("; ")[2] == line.rpartition("; ")[2]
    assert len(list((project / "reports").iterdir())) == 1
    assert "UTC  look, confidence " in line
    assert "`churnflow monitor --labels FILE`; " in line
    assert Path(line.rpartition("; ")[2].strip()).is_file()
    assert "warning: the webhook at 127.0.0.1 answered 500" in said
