"""Shallow trees as tables: the answers at a tree's nodes are the bits that name its leaf, and what a feature adds.

After QuickScorer (Lucchese et al. 2015), with a table in the place of its bit vectors: no row is walked, every
condition is asked once for all trees, and any function of the answers is looked up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.columns import Floats
from churnflow.modelling.trees import Ints, Trees

DEEPEST: Final = 3
# A full tree of that depth asks so many questions, which makes a table of 128 leaves.
_SLOTS: Final = 2**DEEPEST - 1
_CODES: Final = 2**_SLOTS
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TreeTables:
    """Trees of depth 3 at most.

    feature, threshold: (conditions,), each distinct question once: is float32(x[feature]) <= threshold? asked: (trees,
    7), which of them stands at the root, its left child, its right child and so on, -1 where no node is. leaves:
    (trees, 128), the value of the leaf that the answers lead to, bit number s being that at place s.
    """

    feature: Ints
    threshold: npt.NDArray[np.float32]
    asked: npt.NDArray[np.int64]
    leaves: Floats

    def answers(self, matrix: Floats) -> Bytes:
        """Return the answer, 0 or 1, to every question for every row of `matrix` (n, width), (conditions, n)."""
        columns = np.ascontiguousarray(matrix.T, dtype=np.float32)
        answers = np.empty((len(self.feature), len(matrix)), dtype=np.bool_)
        for place, (feature, threshold) in enumerate(zip(self.feature.tolist(), self.threshold, strict=True)):
            np.less_equal(columns[feature], threshold, out=answers[place])
        return answers.view(np.uint8)

    def codes(self, answers: Bytes) -> Iterator[Bytes]:
        """Yield for each tree the code of every row's leaf, (n,); the array is written over by the next."""
        code, bit = (np.empty(answers.shape[1], dtype=np.uint8) for _ in range(2))
        for asked in self.asked.tolist():
            code.fill(0)
            for slot, condition in enumerate(asked):
                if condition >= 0:
                    np.left_shift(answers[condition], np.uint8(slot), out=bit)
                    np.bitwise_or(code, bit, out=code)
            yield code

    def changed(self, places: Sequence[int], rows: Floats, weights: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
        """Return what an encoded feature adds in the trees that use it: their numbers, (t,), and tables, (t, 128).

        That is the value of a leaf less the mean value when the feature is replaced. places: the columns that it takes.
        rows, weights: (k, width) and (k,), typical customers, of whom these columns are taken.
        """
        own = np.isin(self.feature, places)
        uses = np.flatnonzero((own[self.asked] & (self.asked >= 0)).any(axis=1))
        asked = self.asked[uses]
        bits = np.where((asked >= 0) & own[asked], 1 << np.arange(_SLOTS), 0)
        answers = self.answers(rows).astype(np.int64)
        kept = np.arange(_CODES)[None, :] & ~bits.sum(axis=1)[:, None]
        mean = np.zeros((len(uses), _CODES))
        for row, weight in enumerate(weights.tolist()):
            given = (answers[asked, row] * bits).sum(axis=1)
            mean += weight * np.take_along_axis(self.leaves[uses], kept | given[:, None], axis=1)
        return uses, self.leaves[uses] - mean


def tables_of(trees: Trees) -> TreeTables | None:
    """Return the trees as tables, None where one is deeper than 3."""
    if trees.depth > DEEPEST:
        return None
    nodes = _placed(trees)
    inner = trees.children[2 * nodes] != nodes
    questions, numbers = np.unique(_questions(trees, nodes[inner]), return_inverse=True)
    asked = np.full(nodes.shape, -1, dtype=np.int64)
    asked[inner] = numbers
    return TreeTables(questions["feature"], questions["threshold"], asked, _leaves(trees))


def _placed(trees: Trees) -> npt.NDArray[np.int64]:
    """Return the node at each place of a full tree, (trees, 7); a leaf stands at all places below it as well."""
    nodes = np.empty((len(trees.roots), _SLOTS), dtype=np.int64)
    nodes[:, 0] = trees.roots
    for slot in range(_SLOTS // 2):
        nodes[:, 2 * slot + 1] = trees.children[2 * nodes[:, slot] + 1]
        nodes[:, 2 * slot + 2] = trees.children[2 * nodes[:, slot]]
    return nodes


def _questions(trees: Trees, nodes: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
    questions = np.empty(len(nodes), dtype=[("feature", "<i4"), ("threshold", "<f4")])
    questions["feature"], questions["threshold"] = trees.feature[nodes], trees.threshold[nodes]
    return questions


def _leaves(trees: Trees) -> Floats:
    codes = np.broadcast_to(np.arange(_CODES), (len(trees.roots), _CODES))
    node = np.broadcast_to(trees.roots.astype(np.int64)[:, None], codes.shape)
    slot = np.zeros_like(codes)
    for _ in range(DEEPEST):
        left = (codes >> slot) & 1
        node = trees.children[2 * node + left].astype(np.int64)
        slot = 2 * slot + 2 - left
    return trees.value[node]
