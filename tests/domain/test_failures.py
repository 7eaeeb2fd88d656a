"""Failures as they may be kept: type and place, never what an exception says."""

import logging
import subprocess
import sys

import pytest

from churnflow.domain.failures import Placed, place_of, without_messages

CELL = "ann@example.org"


def raised(kind: str) -> Exception:
    try:
        _fail(kind)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        error.add_note(f"seen with {CELL}")
        return error
    raise AssertionError


def _fail(kind: str) -> None:
    try:
        float(CELL)
    except ValueError as error:
        if kind == "cause":
            raise RuntimeError(CELL) from error
        if kind == "context":
            raise KeyError(CELL)  # noqa: B904 - what it is about
        if kind == "group":
            several = [error, TypeError(CELL)]
            raise ExceptionGroup(CELL, several) from None
        raise


@pytest.mark.parametrize("kind", ["alone", "cause", "context", "group"])
def test_a_traceback_keeps_places_and_types_of_all_and_nothing_that_they_say(kind: str) -> None:
    kept = without_messages(raised(kind))
    assert CELL not in kept
    assert "in _fail" in kept
    assert "test_failures.py" in kept
    assert "float(CELL)" in kept


def test_the_failure_that_another_came_from_stands_before_it() -> None:
    kept = without_messages(raised("cause"))
    assert kept.index("ValueError") < kept.index("direct cause") < kept.index("RuntimeError")


def test_failures_that_came_from_each_other_in_a_circle_are_told_once() -> None:
    first, second = ValueError(CELL), KeyError(CELL)
    first.__context__, second.__context__ = second, first
    assert without_messages(first).count("ValueError") == 1


def test_a_failure_without_a_traceback_is_told_by_its_type() -> None:
    assert place_of(ValueError(CELL)) == "ValueError"


def test_the_place_of_a_failure_is_the_line_of_the_code_that_was_called() -> None:
    error = raised("alone")
    assert place_of(error).startswith("ValueError in _fail (test_failures.py, line ")
    assert place_of(error, code=__file__) == place_of(error)
    assert place_of(error, code="elsewhere.py") == place_of(error)


def test_a_log_record_tells_of_an_exception_by_its_place() -> None:
    error = raised("alone")
    info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("a", logging.ERROR, __file__, 1, "it failed", (), info)
    written = Placed("%(levelname)s %(message)s").format(record)
    assert written.startswith("ERROR it failed\nTraceback")
    assert CELL not in written


PROGRAM = """
import logging, sys, threading
from churnflow.domain.failures import keep_messages_out_of_logs
keep_messages_out_of_logs()
try:
    float(sys.argv[1])
except ValueError:
    logging.getLogger("churnflow.serving").exception("that failed")
thread = threading.Thread(target=float, args=(sys.argv[1],))
thread.start()
thread.join()
{}
"""


@pytest.mark.parametrize(("last", "traces"), [("float(sys.argv[1])", 3), ("raise KeyboardInterrupt", 2)])
def test_a_process_writes_no_message_of_an_exception_however_it_ends(last: str, traces: int) -> None:
    program = [sys.executable, "-c", PROGRAM.format(last), CELL]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert ended.stderr.count("Traceback") == traces
    assert CELL not in ended.stderr


def test_a_process_that_has_switched_off_the_handler_of_last_resort_is_left_so() -> None:
    program = [sys.executable, "-c", "import logging\nlogging.lastResort = None" + PROGRAM.format("float('x')"), CELL]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ended.stderr.count("Traceback") == 2
    assert CELL not in ended.stderr


def test_a_module_or_variable_that_is_not_there_is_named() -> None:
    for code, named in (("import no_such_module", "no_such_module"), ("unknown_name", "unknown_name")):
        with pytest.raises((ImportError, NameError)) as caught:
            exec(code)  # noqa: S102 - a failure of code
        assert f"Error of {named} (" in without_messages(caught.value)
