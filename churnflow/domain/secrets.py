"""Whether a value holds a password, which is never to stand in a workflow, a journal or a checkpoint."""

import re
from typing import Final

# user:password@ in the address of a server, and what drivers take as parameters of one.
_IN_ADDRESS: Final = re.compile(r"\w://[^\s/@:]*:[^\s/@]+@")
_AS_PARAMETER: Final = re.compile(r"\w://\S*[?&](?:password|passwd|pwd|sslpassword)=[^&\s]", re.IGNORECASE)


def holds_password(value: object) -> bool:
    """Tell whether a text, or one inside a list or mapping, is the address of a server with a password in it."""
    if isinstance(value, str):
        return bool(_IN_ADDRESS.search(value) or _AS_PARAMETER.search(value))
    if isinstance(value, dict):
        return any(map(holds_password, value.values()))
    return isinstance(value, list | tuple) and any(map(holds_password, value))
