"""Whether a stored model holds rows of its training customers, as a kernel machine holds its support vectors.

Whoever gets such a model can read these customers out of it, so that it is as private as the table itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.columns import Floats

# What a library may have stored rows with.
_TYPES: Final = (np.dtype(np.float64), np.dtype(np.float32))


def embedded_rows(arrays: Mapping[str, npt.NDArray[Any]], matrix: Floats) -> int:
    """Return how many of the customers, (n, width) as the model encodes them, stand value for value in its arrays.

    Looked for is each row in one piece, in any array of numbers, at any place, by rows or by columns, in double or
    single precision. A row that a model keeps in another form, multiplied or in parts, is not found.
    """
    if not matrix.size:
        return 0
    found = np.zeros(len(matrix), dtype=np.bool_)
    for kind in _TYPES:
        rows: npt.NDArray[Any] = np.add(matrix.astype(kind), 0, dtype=kind)
        places: dict[bytes, list[int]] = {}
        for place, row in enumerate(rows):
            places.setdefault(row.tobytes(), []).append(place)
        first = np.unique(rows[:, 0])
        for values in _flat(arrays, kind):
            for piece in _pieces(values, first, rows.shape[1]):
                found[places.get(piece, [])] = True
    return int(found.sum())


def told_embedded(embedded: int, rows: int) -> str:
    """Say how many of the customers that a model was trained on can be read out of it."""
    if not embedded:
        return f"none of {rows:,} rows of the training part stands in its arrays"
    return f"{embedded:,} of {rows:,} rows of the training part ({embedded / rows:.1%}) stand in its arrays"


def _flat(arrays: Mapping[str, npt.NDArray[Any]], kind: np.dtype[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield the values of each array of numbers, row by row, and column by column where it has several of both."""
    for array in arrays.values():
        if not np.issubdtype(array.dtype, np.number):
            continue
        # Without a sign before zero, as bytes tell it apart.
        values: npt.NDArray[Any] = np.add(array.astype(kind), 0, dtype=kind)
        yield values.ravel()
        if values.ndim > 1 and min(values.shape) > 1:
            yield values.ravel(order="F")


def _pieces(values: npt.NDArray[Any], first: npt.NDArray[Any], width: int) -> Iterator[bytes]:
    """Yield the bytes of each run of `width` values that begins with one of the `first` ones, which ascend."""
    if len(values) < width:
        return
    starts = values[: len(values) - width + 1]
    at = np.minimum(np.searchsorted(first, starts), len(first) - 1)
    for start in np.flatnonzero(first[at] == starts).tolist():
        yield values[start : start + width].tobytes()
