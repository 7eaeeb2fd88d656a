"""How many times a model may be asked when it is explained: fewer for one of many trees, the same on every machine."""

from typing import Final

import numpy as np

from churnflow.modelling.scorer import PortableModel

# Moves from node to node, some 5 ns each.
MOVES: Final = 400_000_000


def affordable(model: PortableModel, most: int) -> int:
    """Return how many rows may be scored for about two seconds of work, at most `most`."""
    moves = 0.0
    for name, roots in model.arrays.items():
        prefix, _, plain = name.rpartition(".")
        if plain == "roots":
            nodes = len(model.arrays[f"{prefix}.feature" if prefix else "feature"])
            moves += len(roots) * (1 + float(np.log2(nodes / len(roots))))
    return min(most, int(MOVES / moves)) if moves else most
