"""Plain values as canonical JSON: equal values give equal bytes."""

import json
from pathlib import Path

from churnflow.errors import IntegrityError

SUFFIX = ".json"


def dump(value: object, path: Path) -> None:
    """Write a value of dictionaries, lists, texts, finite numbers and None; else raises ValueError or TypeError."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path) -> object:
    """Read the value back. Raises IntegrityError when the bytes are no JSON."""
    try:
        return json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError) as error:
        message = f"{path.name} is no JSON document: {error}"
        raise IntegrityError(message, hint="churnflow verify names what is broken, and what restores it") from None
