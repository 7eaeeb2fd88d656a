"""Which customers a model was trained on, as short digests in its evaluation, so that a later test leaves them out.

Who holds a customer's id or row can ask whether it was among them, so that they stay in the store, beside the rows, and
are no part of a release.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

SCHEMA: Final = "churnflow/known-rows@1"
_DTYPE: Final = "<u4"


@dataclass(frozen=True)
class KnownRows:
    """The customers of a training part: the columns that tell one from another, and their digests, sorted."""

    columns: tuple[str, ...]
    digests: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: Sequence[str]) -> "KnownRows":
        """Digest the rows of `frame` by `columns`: the id where there is one, else the features and the target."""
        return cls(tuple(columns), np.unique(_digests(frame, columns)))

    def among(self, frame: pd.DataFrame) -> npt.NDArray[np.bool_] | None:
        """Return which rows of `frame` are known, (n,); None where it lacks a column that tells them apart."""
        if not set(self.columns) <= set(frame.columns):
            return None
        return np.isin(_digests(frame, self.columns), self.digests)

    def to_bytes(self) -> bytes:
        """Return a line of JSON, then the digests as little-endian words of four bytes."""
        header = {"schema": SCHEMA, "columns": list(self.columns)}
        return json.dumps(header, sort_keys=True).encode() + b"\n" + self.digests.astype(_DTYPE).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "KnownRows | None":
        """Return what `to_bytes` wrote, None for bytes of another form."""
        line, _, digests = data.partition(b"\n")
        try:
            header: Any = json.loads(line)
        except (ValueError, RecursionError):
            return None
        of_form = isinstance(header, Mapping) and header.get("schema") == SCHEMA and len(digests) % 4 == 0
        if not of_form or not isinstance(header.get("columns"), list):
            return None
        return cls(tuple(map(str, header["columns"])), np.frombuffer(digests, dtype=_DTYPE).astype(np.uint32))


def _digests(frame: pd.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.uint32]:
    hashed = pd.util.hash_pandas_object(frame[list(columns)], index=False).to_numpy(dtype=np.uint64)
    return (hashed & np.uint64(0xFFFFFFFF)).astype(np.uint32)
