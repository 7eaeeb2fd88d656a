"""Whether a value holds a password, which is never to stand in a workflow, a journal or a checkpoint."""

import re
from typing import Final
from urllib.parse import unquote

# user:password@ in the address of a server; the port of one, and what follows it, is no password.
_IN_ADDRESS: Final = re.compile(r"\w://[^\s/@:]*:(?!\d{1,5}/)[^\s@]+@")
_WORDS: Final = r"(?:password|passwd|pwd|passphrase|token|secret)"
# What drivers take as parameters, in an address, or among others as libpq and ODBC write them: host=h password=x.
_AS_PARAMETER: Final = re.compile(rf"\w://.*[?&;\s]\w*{_WORDS}\s*=\s*[^&;\s]", re.IGNORECASE | re.DOTALL)
_AMONG_OTHERS: Final = re.compile(rf"(?:^|[;\s])\w*{_WORDS}\s*=\s*[^&;\s]", re.IGNORECASE)
_OF_A_SERVER: Final = re.compile(
    r"(?:^|[;\s])(?:host|hostaddr|port|user|dbname|service|server|driver|dsn|uid|database)\s*=\s*\S", re.IGNORECASE
)
_QUERY: Final = re.compile(r"[\s(]*(?:select|with|values|table)\b", re.IGNORECASE)


def holds_password(value: object) -> bool:
    """Tell whether a text, or one inside a list or mapping, is the address of a server with a password in it."""
    if isinstance(value, str):
        return _is_address_with_password(value) or _is_address_with_password(unquote(value))
    if isinstance(value, dict):
        return any(map(holds_password, value.values()))
    return isinstance(value, list | tuple) and any(map(holds_password, value))


def _is_address_with_password(text: str) -> bool:
    if _IN_ADDRESS.search(text) or _AS_PARAMETER.search(text):
        return True
    # A query compares columns of any name with values.
    return bool(_AMONG_OTHERS.search(text) and _OF_A_SERVER.search(text)) and not _QUERY.match(text)
