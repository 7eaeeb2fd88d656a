"""Small stored models of every family, of random numbers, over one little table."""

from typing import Any

import numpy as np
import numpy.typing as npt

from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.margins import MEMBERS
from churnflow.modelling.scorer import PortableModel

ENCODING = Encoding(
    (
        Column("bill", "number"),
        Column("tenure", "number", indicator=True),
        Column("plan", "category", levels=("a", "b", "c"), indicator=True),
        Column("age", "number"),
    )
)
ALONE = ("linear", "spline", "fourier", "forest", "boosted", "summed")
BLENDS = {
    "blend of what is exact": ("spline", "boosted", "summed", "linear"),
    "blend with a forest": ("linear", "forest", "boosted"),
}
FAMILIES = (*ALONE, *BLENDS)
Arrays = dict[str, npt.NDArray[Any]]


def table(rows: int, seed: int = 0) -> dict[str, list[Any]]:
    """Make customers, some of whose values are missing."""
    random = np.random.default_rng(seed)
    tenure = random.normal(size=rows)
    return {
        "bill": random.normal(size=rows).tolist(),
        "tenure": np.where(random.random(rows) < 0.2, np.nan, tenure).tolist(),
        "plan": [("a", "b", "c", None)[place] for place in random.integers(0, 4, rows)],
        "age": random.normal(size=rows).tolist(),
    }


def matrix(rows: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Encode such customers."""
    return ENCODING.encode(table(rows, seed)).matrix


def model(family: str, seed: int = 0, depth: int = 4) -> PortableModel:
    """Return a model of a family, or of a blend named in BLENDS."""
    random = np.random.default_rng(seed)
    if family not in BLENDS:
        arrays = arrays_of(family, random, depth)
        return PortableModel("some", family, ENCODING, arrays, (1.3, -0.2), 0.4, "yes", "no")  # type: ignore[arg-type]
    names = BLENDS[family]
    arrays = {"mix": random.random(len(names)), "families": np.array([MEMBERS.index(n) for n in names], dtype="<i4")}
    for number, name in enumerate(names):
        arrays |= {f"{number}.{key}": array for key, array in arrays_of(name, random, depth).items()}
    return PortableModel("some", "blend", ENCODING, arrays, (0.8, 0.1), 0.4, "yes", "no")


def arrays_of(family: str, random: np.random.Generator, depth: int) -> Arrays:
    """Return the arrays of a family, of random numbers."""
    width = ENCODING.width
    straight: Arrays = {"weights": random.normal(size=width), "bias": random.normal(size=1)}
    match family:
        case "linear":
            return straight
        case "spline":
            steps = np.sort(random.normal(size=(2, 6)), axis=1)
            ranks = np.tile(np.linspace(0, 1, 6), (2, 1))
            bent = {"place": np.array([0, 2], dtype="<i4"), "grid": steps, "rank": ranks}
            return {**straight, **bent, "table": random.normal(size=(2, 7))}
        case "fourier":
            waves = {"omega": random.normal(size=(width, 9)), "offset": random.random(9)}
            return {**waves, "weights": random.normal(size=9), "bias": random.normal(size=1)}
        case _:
            return grown(random, depth, probabilities=family == "forest")


def grown(random: np.random.Generator, depth: int, *, probabilities: bool, trees: int = 5) -> Arrays:
    """Return random trees, some of whose branches end early."""
    nodes: list[list[float]] = []

    def grow(level: int) -> int:
        place = len(nodes)
        value = random.random() if probabilities else random.normal()
        nodes.append([-1, 0.0, -1, -1, value])
        if level and (level == depth or random.random() < 0.8):
            nodes[place][:2] = [int(random.integers(0, ENCODING.width)), random.normal() / 2 + 0.2]
            nodes[place][2] = grow(level - 1)
            nodes[place][3] = grow(level - 1)
        return place

    roots = [grow(depth) for _ in range(trees)]
    feature, threshold, left, right, value = (np.array(part) for part in zip(*nodes, strict=True))
    return {
        "roots": np.array(roots, dtype="<i4"),
        "feature": feature.astype("<i4"),
        "threshold": threshold.astype("<f4"),
        "left": left.astype("<i4"),
        "right": right.astype("<i4"),
        "value": value.astype("<f8"),
        "bias": np.zeros(1) + (0.0 if probabilities else 0.3),
    }
