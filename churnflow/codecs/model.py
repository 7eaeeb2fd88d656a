"""The codec `model`: a portable model as a zip of JSON and plain arrays, checked whenever it is read."""

from pathlib import Path

from churnflow.errors import IntegrityError, UsageError
from churnflow.modelling.model_file import MAX_MODEL_BYTES
from churnflow.modelling.scorer import PortableModel

SUFFIX = ".model"


def dump(value: object, path: Path) -> None:
    """Write a PortableModel. Raises UsageError when `value` is anything else, or too large to be read back."""
    if not isinstance(value, PortableModel):
        message = f"the codec model writes a PortableModel, not {type(value).__name__}"
        raise UsageError(message, hint="return churnflow.modelling.scorer.PortableModel from the step")
    data = value.to_bytes()
    if len(data) > MAX_MODEL_BYTES:
        message = f"the model takes {len(data)} bytes, more than the {MAX_MODEL_BYTES} that can be read back"
        raise UsageError(message, hint="train fewer or smaller trees")
    path.write_bytes(data)


def load(path: Path) -> PortableModel:
    """Return the model at `path`. Raises IntegrityError when its bytes are not a usable model."""
    with path.open("rb") as stream:
        data = stream.read(MAX_MODEL_BYTES + 1)
    try:
        return PortableModel.from_bytes(data)
    except ValueError as error:
        raise IntegrityError(str(error), hint="restore the model: churnflow verify names what is broken") from None
