"""A failure as it may be kept: its type and where it happened, never what it says, for that may quote a customer.

The message of an exception is made of what was at hand: `could not convert string to float: 'ann@example.org'`. So no
record, log or answer repeats it. A traceback is kept as the places and lines of code that it went through.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import PurePath
from types import TracebackType
from typing import Final

_LINKS: Final = {
    "cause": "\nThat was the direct cause of the following:\n\n",
    "context": "\nWhile that was handled, another occurred:\n\n",
}


def place_of(error: BaseException, code: str = "") -> str:
    """Return in one line of what type a failure is, and the file, function and line that it came from.

    code: the file of the code that was called, whose own line is named rather than that of a library deep below it.
    """
    frames = list(_frames(error.__traceback__))
    own = [frame for frame in frames if frame[0] == code] or frames
    if not own:
        return type(error).__name__
    file, function, line = own[-1]
    return f"{type(error).__name__} in {function} ({PurePath(file).name}, line {line})"


def without_messages(error: BaseException) -> str:
    """Return the traceback of a failure and of those that it came from: types, places and lines of code alone.

    Notes of the exceptions and the values of their frames are left out with the messages.
    """
    return "".join(_written(error))


class Placed(logging.Formatter):
    """Writes log records whose exceptions are told by type and place."""

    def formatException(self, ei: object) -> str:  # noqa: N802 - the name in the standard library
        """Return the traceback without what the exceptions say."""
        assert isinstance(ei, tuple)  # noqa: S101 - as the logging module passes it; for the type checker
        return without_messages(ei[1]).rstrip("\n")


def keep_messages_out_of_logs() -> None:
    """Let this process tell of exceptions by type and place: in its logs, and of one that nothing caught."""
    if logging.lastResort is not None:
        # The handler of loggers that have no other, as this package's own.
        logging.lastResort.setFormatter(Placed())
    sys.excepthook = lambda _, error, __: _tell(error)
    threading.excepthook = lambda told: _tell(told.exc_value)


def _tell(error: BaseException | None) -> None:
    if error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
        sys.stderr.write(without_messages(error))


def _frames(link: TracebackType | None) -> Iterator[tuple[str, str, int]]:
    while link is not None:
        code = link.tb_frame.f_code
        yield code.co_filename, code.co_name, link.tb_lineno
        link = link.tb_next


def _written(error: BaseException) -> Iterator[str]:
    for failure, link in reversed(list(_chain(error))):
        yield "Traceback (most recent call last):\n"
        yield from traceback.extract_tb(failure.__traceback__).format()
        yield f"{type(failure).__name__}{_named(failure)} (what it says is not kept)\n"
        for number, part in enumerate(getattr(failure, "exceptions", ()), start=1):
            yield f"  part {number}:\n"
            yield from (f"  {line}" for line in _written(part))
        yield link


def _named(error: BaseException) -> str:
    """Return the module or variable that is not there: code names it, never data."""
    return f" of {error.name}" if isinstance(error, ImportError | NameError) and error.name else ""


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """Yield a failure and those that it came from, the last first, each with how the one after it is introduced."""
    failure: BaseException | None = error
    link, seen = "", set[int]()
    while failure is not None and id(failure) not in seen:
        yield failure, link
        seen.add(id(failure))
        shown = None if failure.__suppress_context__ else failure.__context__
        link = _LINKS["context" if failure.__cause__ is None else "cause"]
        failure = failure.__cause__ or shown
