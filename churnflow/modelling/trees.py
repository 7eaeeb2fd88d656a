"""Decision trees as flat arrays, and their vectorised traversal; numpy only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

MAX_DEPTH = 64
LEAF = -1
_CELLS = 1 << 18


@dataclass(frozen=True)
class Trees:
    """Many binary trees in one set of arrays, each of shape (nodes,) but `roots` (trees,).

    An inner node sends a row left when float32(x[feature]) <= threshold. A leaf has feature -1 and a `value`; it points
    at itself, so that a walk of `depth` moves ends in a leaf of every tree.
    """

    roots: Ints
    feature: Ints
    threshold: npt.NDArray[np.float32]
    children: npt.NDArray[np.int32]
    value: Floats
    depth: int

    @property
    def moves(self) -> int:
        """How many moves from node to node a row takes through all trees."""
        return len(self.roots) * self.depth

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], width: int) -> "Trees":
        """Return the trees held in `roots`, `feature`, `threshold`, `left`, `right`, `value` over `width` inputs.

        Raises ValueError unless every index is in range, every child comes after its parent (so that no walk can go
        round in circles), every tree has a root of its own and none is deeper than 64.
        """
        roots, feature, left, right = (arrays[name] for name in ("roots", "feature", "left", "right"))
        nodes = len(feature)
        lengths = {len(arrays[name]) for name in ("feature", "threshold", "left", "right", "value")}
        if not nodes or not len(roots) or len(lengths) > 1:
            _refuse("the arrays of its trees do not fit each other")
        if roots.min() < 0 or roots.max() >= nodes or feature.min() < LEAF or feature.max() >= width:
            _refuse("a tree points outside the model")
        if len(np.unique(roots)) < len(roots):
            _refuse("a tree stands in it twice")
        leaf = feature == LEAF
        own = np.arange(nodes, dtype=np.int32)
        for child in (left[~leaf], right[~leaf]):
            if child.size and ((child <= own[~leaf]).any() or child.max() >= nodes):
                _refuse("a tree goes back or outside the model")
        children = np.stack([np.where(leaf, own, right), np.where(leaf, own, left)], axis=1).astype(np.int32).ravel()
        inputs = np.where(leaf, 0, feature).astype(np.int32)
        return cls(roots, inputs, arrays["threshold"], children, arrays["value"], _depth(roots, leaf, children))

    @classmethod
    def constant(cls, value: float) -> "Trees":
        """Return one tree that asks nothing."""
        nought = np.zeros(1, dtype=np.int32)
        return cls(nought, nought, nought.astype(np.float32), np.zeros(2, dtype=np.int32), np.array([value]), 0)

    @classmethod
    def joined(cls, parts: Sequence["Trees"]) -> "Trees":
        """Return the trees of `parts`, at least one, one part after the other, as deep as the deepest."""
        starts = np.cumsum([0, *(len(part.feature) for part in parts)]).astype(np.int32)
        pairs = list(zip(parts, starts, strict=False))
        return cls(
            np.concatenate([part.roots + start for part, start in pairs]),
            np.concatenate([part.feature for part in parts]),
            np.concatenate([part.threshold for part in parts]),
            np.concatenate([part.children + start for part, start in pairs]),
            np.concatenate([part.value for part in parts]),
            max(part.depth for part in parts),
        )

    def total(self, matrix: Floats, add: Callable[[Floats], Floats]) -> Floats:
        """Return what `add` makes, (n,), of the values (n, trees) that the rows (n, width) end at."""
        singles = matrix.astype(np.float32)
        step = max(1, _CELLS // len(self.roots))
        parts = [add(self._walk(singles[start : start + step])) for start in range(0, len(singles), step)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _walk(self, rows: npt.NDArray[np.float32]) -> Floats:
        width = rows.shape[1]
        cells = rows.ravel()
        start = (np.arange(len(rows), dtype=np.int32) * width)[:, None]
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        for _ in range(self.depth):
            goes_left = cells.take(start + self.feature.take(node)) <= self.threshold.take(node)
            node = self.children.take(2 * node + goes_left)
        return self.value.take(node)


def _depth(roots: Ints, leaf: npt.NDArray[np.bool_], children: Ints) -> int:
    pairs = children.reshape(-1, 2)
    frontier = np.unique(roots)
    for depth in range(MAX_DEPTH + 1):
        frontier = frontier[~leaf[frontier]]
        if not len(frontier):
            return depth
        frontier = np.unique(pairs[frontier])
    message = f"not a usable model: a tree is deeper than {MAX_DEPTH}"
    raise ValueError(message)


def _refuse(reason: str) -> None:
    message = f"not a usable model: {reason}"
    raise ValueError(message)
