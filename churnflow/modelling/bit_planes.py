"""Trees asked about many rows: a condition is asked of all rows at once, and answers, a bit a row, select answers.

The bits that name the node of a tree below some levels are found without a branch: the answer at a level is chosen
among those of its nodes by the bits before it. What is deeper is walked from there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.one_row import Places
from churnflow.modelling.trees import Floats, Trees

Singles = npt.NDArray[np.float32]

# Each level more has twice as many conditions: below these a walk is as fast.
MOST_LEVELS: Final = 6
# Of fewer rows, all trees are walked: a byte holds the bits of eight, and each level costs some calls of numpy.
_FEW: Final = 16
_FEW_OF_DEEP: Final = 128
# The node at a place, and which condition is asked there.
_PLACE_BYTES: Final = 16


def room_of(trees: Trees) -> int:
    """Return how many bytes `BitPlanes` of `trees` take at most."""
    return _PLACE_BYTES * len(trees.roots) * int(2 ** min(trees.depth, MOST_LEVELS))


@dataclass(frozen=True)
class BitPlanes:
    """Trees whose first levels are answered in bits.

    inputs: for each input asked about, its number, and the first and the last + 1 of its conditions. thresholds:
    (conditions, 1). asked: for each level, the condition at each of its places, (2 ** level, trees); below place p lie
    2p (right) and 2p + 1 (left). reached: (trees * 2 ** levels,), the node at each place below them.
    """

    trees: Trees
    inputs: tuple[tuple[int, int, int], ...]
    thresholds: Singles
    asked: tuple[Places, ...]
    reached: Places

    @classmethod
    def of(cls, trees: Trees) -> "BitPlanes":
        """Lay out `trees`."""
        levels = [trees.roots.astype(np.intp)[None]]
        for _ in range(min(trees.depth, MOST_LEVELS)):
            # A leaf stands at all places below it; what is asked there does not matter.
            below = np.stack([trees.children[2 * levels[-1] + left] for left in (0, 1)], axis=1)
            levels.append(below.reshape(-1, len(trees.roots)).astype(np.intp))
        nodes = np.concatenate(levels[:-1]) if levels[1:] else levels[0][:0]
        # Grouped by input; the bits of a threshold tell it from others as well as its value.
        keys = (trees.feature[nodes].astype(np.int64) << 32) | trees.threshold[nodes].view(np.uint32)
        conditions, numbers = np.unique(keys, return_inverse=True)
        thresholds = (conditions & 0xFFFFFFFF).astype(np.uint32).view(np.float32)
        inputs, first = np.unique(conditions >> 32, return_index=True)
        ends = [*first[1:].tolist(), len(conditions)]
        asked = np.split(numbers.reshape(nodes.shape), [2**level - 1 for level in range(1, len(levels) - 1)])
        groups = tuple(zip(inputs.tolist(), first.tolist(), ends, strict=False))
        return cls(trees, groups, thresholds[:, None], tuple(asked[: len(levels) - 1]), levels[-1].T.ravel())

    def values(self, columns: Singles) -> Floats:
        """Return the value of the leaf of each tree that each row of `columns` (width, n) ends at, (trees, n)."""
        rows, trees = columns.shape[1], self.trees
        few = rows < (_FEW if trees.depth <= MOST_LEVELS else _FEW_OF_DEEP)
        node = np.broadcast_to(trees.roots[:, None], (len(trees.roots), rows)) if few else self._below(columns)
        cells, own = columns.ravel(), np.arange(rows)
        for _ in range(0 if few else len(self.asked), trees.depth):
            left = cells.take(trees.feature.take(node) * rows + own) <= trees.threshold.take(node)
            node = trees.children.take(node + node + left)
        return trees.value.take(node)

    def _below(self, columns: Singles) -> Places:
        """Return the node below the levels that each row comes to, (trees, n)."""
        code = np.zeros((len(self.trees.roots), columns.shape[1]), dtype=np.uint8)
        for plane in self._planes(columns):
            code += code
            code |= np.unpackbits(plane, axis=1, count=columns.shape[1])
        starts = np.arange(len(code))[:, None] << len(self.asked)
        node: Places = self.reached.take(starts + code)
        return node

    def _planes(self, columns: Singles) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield for each level whether the rows go left at it, (trees, n / 8), in bits."""
        answers = np.empty((len(self.thresholds), columns.shape[1]), dtype=np.bool_)
        for place, first, last in self.inputs:
            np.less_equal(columns[place], self.thresholds[first:last], out=answers[first:last])
        packed = np.packbits(answers, axis=1)
        taken: list[npt.NDArray[np.uint8]] = []
        for asked in self.asked:
            plane = packed.take(asked, axis=0)
            for bits in reversed(taken):
                plane = plane[::2] ^ ((plane[::2] ^ plane[1::2]) & bits)
            taken.append(plane[0])
            yield plane[0]
