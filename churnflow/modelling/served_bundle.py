"""What monitoring takes from the bundle of the release that is served: its reference, its card, its digest."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from churnflow.errors import UsageError
from churnflow.modelling.bundle import pack_bundle
from churnflow.modelling.reference import REFERENCE_FILE, Reference


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the digest by which the predictions log names a release: that of its bundle."""
    return hashlib.sha256(pack_bundle(files)).hexdigest()


def reference_in(files: Mapping[str, bytes]) -> Reference | None:
    """Return the reference that drift is measured against, None in a release without one.

    Raises UsageError for a damaged one.
    """
    if REFERENCE_FILE not in files:
        return None
    try:
        return Reference.from_bytes(files[REFERENCE_FILE])
    except ValueError as error:
        message = f"the reference of the release can not be read: {error}"
        raise UsageError(message, hint="`churnflow verify` names what is broken") from None


def tested(files: Mapping[str, bytes]) -> dict[str, dict[str, float]]:
    """Return what the release came to on its own test part: value, low, high and n by metric, nothing if not known."""
    found: Any
    try:
        found = json.loads(files.get("card.json", b"{}"))["evaluation"]["metrics"]
        return {name: {key: float(one[key]) for key in ("value", "low", "high", "n")} for name, one in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
