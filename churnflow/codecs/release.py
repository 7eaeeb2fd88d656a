"""The codec `release`: named bytes as a release bundle, verified whenever it is read."""

from collections.abc import Mapping
from pathlib import Path

from churnflow.errors import IntegrityError, UsageError
from churnflow.modelling.bundle import read_bundle, write_bundle

SUFFIX = ".release"


def dump(value: object, path: Path) -> None:
    """Write a mapping of plain file names to bytes. Raises UsageError when `value` is anything else."""
    hint = "return a mapping of file names such as model.bin to bytes from the step"
    if not isinstance(value, Mapping) or not all(isinstance(data, bytes) for data in value.values()):
        message = f"a release bundle is made of named bytes, not of {type(value).__name__}"
        raise UsageError(message, hint=hint)
    try:
        write_bundle({str(name): data for name, data in value.items()}, path)
    except ValueError as error:
        raise UsageError(str(error), hint=hint) from None


def load(path: Path) -> Mapping[str, bytes]:
    """Return the files of the bundle by name. Raises IntegrityError when anything differs from its digest."""
    try:
        return read_bundle(path)
    except ValueError as error:
        raise IntegrityError(str(error), hint="restore the bundle: churnflow verify names what is broken") from None
