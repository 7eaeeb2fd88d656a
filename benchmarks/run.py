"""The quick benchmarks in turn, each with a table; the exit code is 1 when a target is missed.

The long ones, which train hundreds of models, have targets of their own: see README.md.
"""

import sys
from collections.abc import Mapping
from importlib import import_module

# Each with what makes it quick.
QUICK: Mapping[str, Mapping[str, bool]] = {
    "startup": {},
    "pipeline": {},
    "checkpoints": {},
    "demo": {},
    "scoring": {},
    "compiled": {},
    "events": {},
    "ingestion": {"quick": True},
    "serving": {"quick": True},
    "verdicts": {},
}


def main() -> int:
    """Run each and return the exit code; one that breaks off counts as missed, and the others still run."""
    missed = [name for name in QUICK if not _held(name)]
    print(f"\nmissed: {', '.join(missed) or 'nothing'}")
    return 1 if missed else 0


def _held(name: str) -> bool:
    try:
        return bool(import_module(name).main(**QUICK[name]))
    except Exception as error:  # noqa: BLE001 - whatever breaks one benchmark, the others are worth their tables
        print(f"\n{name} broke off: {type(error).__name__}: {error}")
        return False


if __name__ == "__main__":
    sys.exit(main())
