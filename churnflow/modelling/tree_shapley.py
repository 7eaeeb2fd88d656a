"""Exact Shapley values of the sum of decision trees against a background of rows; numpy only.

Interventional Shapley values as in Lundberg et al. (2020), "From local explanations to global understanding with
explainable AI for trees". A leaf is reached by a mix of a row and a background row if the row satisfies the leaf's
conditions on the features taken from it, and the background row those on the others. So all that matters of either is
which features of the leaf's path it satisfies, a pattern of few bits: background rows are counted by pattern, and one
table per length of path holds the Shapley values of all pairs of patterns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import factorial
from typing import Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.columns import Floats
from churnflow.modelling.trees import Trees

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# A table has 4^length * length entries.
LONGEST: Final = 8
MOST_LEAVES: Final = 400_000
_CELLS: Final = 4_000_000


@dataclass(frozen=True)
class Leaves:
    """The leaves of many trees, each with the path that leads to it, padded to one length.

    node: (leaf,). path: (leaf, depth), the inner nodes passed, -1 beyond the end. left: (leaf, depth), which way each
    was left. place: (leaf, depth), the position of the node's feature among those of the path. players: (leaf, depth),
    the feature at each such position. length: (leaf,), how many features a path has.
    """

    node: Ints
    path: Ints
    left: Bools
    place: Ints
    players: Ints
    length: Ints

    def some(self, chosen: npt.NDArray[np.int64]) -> "Leaves":
        """Return the leaves at the positions given."""
        node, path, place, players, length = (
            part[chosen] for part in (self.node, self.path, self.place, self.players, self.length)
        )
        return Leaves(node, path, self.left[chosen], place, players, length)


def leaves_of(trees: Trees, players: Ints) -> Leaves | None:
    """Return the leaves; None where they are too many, or a path has too many features, to be enumerated.

    players: (width,), the feature that each encoded column belongs to.
    """
    node = trees.roots.astype(np.int64)
    path, left = np.zeros((len(node), 0), dtype=np.int64), np.zeros((len(node), 0), dtype=np.bool_)
    ended: list[tuple[Ints, Ints, Bools]] = []
    for _ in range(trees.depth + 1):
        inner = trees.children[2 * node] != node
        ended.append((node[~inner], path[~inner], left[~inner]))
        node, path, left = node[inner], path[inner], left[inner]
        if 2 * len(node) + sum(len(done) for done, _, _ in ended) > MOST_LEAVES:
            return None
        path = np.concatenate([np.hstack([path, node[:, None]])] * 2)
        left = np.concatenate([np.hstack([left, np.full((len(node), 1), way)]) for way in (True, False)])
        node = np.concatenate([trees.children[2 * node + 1], trees.children[2 * node]]).astype(np.int64)
    depth = ended[-1][1].shape[1]
    node, path, left = (
        np.concatenate([_padded(done[part], depth) if part else done[0] for done in ended]) for part in range(3)
    )
    owners = np.where(path < 0, -1, players[trees.feature[path]])
    place, named, length = _placed(owners)
    return Leaves(node, path, left.astype(np.bool_), place, named, length) if length.max() <= LONGEST else None


def _padded(part: npt.NDArray[np.generic], depth: int) -> npt.NDArray[np.int64]:
    whole = np.full((len(part), depth), -1, dtype=np.int64)
    whole[:, : part.shape[1]] = part
    return whole


def _placed(owners: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the place of each condition's feature on its path, the feature at each place, and how many there are."""
    place, named = np.zeros_like(owners), np.full_like(owners, -1)
    length = np.zeros(len(owners), dtype=np.int64)
    rows = np.arange(len(owners))
    for position in range(owners.shape[1]):
        owner = owners[:, position]
        same = named == owner[:, None]
        known = same.any(axis=1)
        place[:, position] = np.where(known, same.argmax(axis=1), length)
        new = ~known & (owner >= 0)
        named[rows[new], length[new]] = owner[new]
        length = length + new
    return place, named, length


def tree_contributions(trees: Trees, leaves: Leaves, rows: Floats, background: Floats, features: int) -> Floats:
    """Return the Shapley value of each feature for each row, (n, features), of the sum of all trees.

    rows: (n, width) and background: (m, width), encoded. The values of a row add up to its sum less the mean sum of the
    background.
    """
    total = np.zeros((len(rows), features))
    for part in _parts(leaves, len(rows) + len(background)):
        length = int(part.length[0])
        if not length:
            continue
        seen, known = (_patterns(trees, part, some) for some in (rows, background))
        size = 1 << length
        spots = np.arange(len(part.node)) * size
        counts = np.bincount((known + spots).ravel(), minlength=size * len(part.node)).reshape(-1, size)
        shares = counts * (trees.value[part.node] / len(background))[:, None]
        worth = (shares @ _table(length)).reshape(len(part.node), size, length)
        for place in range(length):
            gained = worth[np.arange(len(part.node)), seen, place]
            owner = np.zeros((len(part.node), features))
            owner[np.arange(len(part.node)), part.players[:, place]] = 1.0
            total += gained @ owner
    return total


def _parts(leaves: Leaves, rows: int) -> Iterator[Leaves]:
    """Yield leaves whose paths have equally many features, not too many at once."""
    for length in np.unique(leaves.length):
        chosen = np.flatnonzero(leaves.length == length)
        step = max(1, _CELLS // max(rows, (1 << int(length)) * max(1, int(length))))
        for start in range(0, len(chosen), step):
            yield leaves.some(chosen[start : start + step])


def _patterns(trees: Trees, leaves: Leaves, rows: Floats) -> Ints:
    """Return which features of each path each row satisfies, as bits, (n, leaf)."""
    singles = rows.astype(np.float32)
    patterns = np.broadcast_to((1 << leaves.length) - 1, (len(rows), len(leaves.node))).copy()
    for position in range(leaves.path.shape[1]):
        node = leaves.path[:, position]
        used = node >= 0
        goes_left = singles[:, trees.feature[node]] <= trees.threshold[node]
        broken = (goes_left != leaves.left[:, position]) & used
        patterns &= ~np.where(broken, 1 << leaves.place[:, position], 0)
    return patterns


@cache
def _table(length: int) -> Floats:
    """Return the Shapley values of a leaf worth 1, (background pattern, pattern * length)."""
    size = 1 << length
    bits = (np.arange(size)[:, None] >> np.arange(length)) & 1
    theirs, ours = bits[:, None, :] == 1, bits[None, :, :] == 1
    only_ours, only_theirs = ours & ~theirs, theirs & ~ours
    a, c = only_ours.sum(axis=2), only_theirs.sum(axis=2)
    facts = np.array([float(factorial(n)) for n in range(length + 1)])
    whole = facts[a + c]
    first = facts[np.maximum(a - 1, 0)] * facts[c] / whole
    second = facts[a] * facts[np.maximum(c - 1, 0)] / whole
    table = only_ours * first[:, :, None] - only_theirs * second[:, :, None]
    # A feature whose condition neither satisfies keeps the leaf from being reached by any mix.
    table[~(ours | theirs).all(axis=2)] = 0.0
    table.setflags(write=False)
    result: Floats = table.reshape(size, size * length)
    return result
