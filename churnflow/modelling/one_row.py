"""Trees asked about one row: every condition of all of them at once, then a walk from answer to answer.

A call of numpy costs as much as hundreds of its comparisons, so few calls on everything beat many on what is needed, as
in QuickScorer (Lucchese et al. 2015). Its bit vectors would end at trees of 64 leaves; the walk does not, and is as
fast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.trees import Floats, Trees

Places = npt.NDArray[np.intp]

# So many nodes' conditions are asked in about the time that a walk which asks on the way takes longer for a move.
_NODES_A_MOVE: Final = 10_000


def pays(trees: Trees) -> bool:
    """Tell whether asking everything is faster than asking on the way; huge forests are walked."""
    return len(trees.feature) <= _NODES_A_MOVE * (trees.depth + 1)


@dataclass(frozen=True)
class OneRow:
    """Many trees, whose inner nodes stand first, in the order of the inputs that they ask about, then the leaves.

    counts: (width,), how many conditions ask about each input. thresholds: (conditions,). children: (2 * nodes,), where
    node i leads at 2i (right) and at 2i + 1 (left); a leaf leads to itself. value: (nodes,). roots: (trees,). moving:
    how many of the trees, counted from the first, take part in each move.
    """

    counts: Places
    thresholds: npt.NDArray[np.float32]
    children: Places
    value: Floats
    roots: Places
    moving: tuple[int, ...]

    @classmethod
    def of(cls, parts: Sequence[Trees], width: int) -> "OneRow":
        """Return the trees of `parts`, the deepest part first, over `width` inputs."""
        trees = Trees.joined(parts)
        below = trees.children.reshape(-1, 2)
        nodes = np.arange(len(below))
        leaf = below[:, 0] == nodes
        order = np.argsort(np.where(leaf, width, trees.feature), kind="stable")
        place = np.empty(len(nodes), dtype=np.intp)
        place[order] = nodes
        inner = order[: len(nodes) - int(leaf.sum())]
        counts = np.bincount(trees.feature[inner], minlength=width).astype(np.intp)
        deep = [[part for part in parts if part.depth > level] for level in range(trees.depth)]
        moving = tuple(sum(len(part.roots) for part in some) for some in deep)
        thresholds, children = trees.threshold[inner], place[below[order]].ravel()
        return cls(counts, thresholds, children, trees.value[order], place[trees.roots], moving)

    def values(self, row: npt.NDArray[np.float32]) -> Floats:
        """Return the value of the leaf of each tree that `row` (width,) ends at, (trees,), as `Trees` finds it."""
        left = row.repeat(self.counts) <= self.thresholds
        node = self.roots.copy()
        for moving in self.moving:
            here = node[:moving]
            # A leaf stands beyond the conditions; whatever is answered for it, it leads to itself.
            self.children.take(here + here + left.take(here, mode="clip"), out=here, mode="clip")
        return self.value.take(node)
