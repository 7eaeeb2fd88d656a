"""What may be told of a failure of DuckDB, whose own words quote the value that it failed at."""

import re
from typing import Final

_LINE: Final = re.compile(r"\bline: ?(\d{1,15})\b", re.IGNORECASE)


def told(error: BaseException) -> str:
    """Return the kind of a failure, and the line of the file where it names one; nothing else that it says."""
    # Only the first line is DuckDB's own; rows of the file may follow it.
    found = _LINE.search(next(iter(str(error).splitlines()), ""))
    kind = type(error).__name__
    return f"line {found[1]} ({kind})" if found else kind
