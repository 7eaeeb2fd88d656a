"""The lines of a text of any length, none of which fills the memory."""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from churnflow.errors import UsageError

LONGEST_LINE: Final = 50_000_000


def bounded_lines(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    """Yield the lines of a text with their ends. Raises UsageError for one that seems endless, unless of NUL bytes.

    Of such a one the first part is yielded, for what it is says more than its length.
    """
    for number, line in enumerate(iter(partial(text.readline, LONGEST_LINE), ""), start=1):
        if len(line) == LONGEST_LINE and line[-1] not in "\r\n" and "\0" not in line:
            message = f"{path.name} has a line of more than {LONGEST_LINE:,} characters (line {number})"
            raise UsageError(message, hint="look whether it is a text with a row on each line")
        yield line
