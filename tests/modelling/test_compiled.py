"""A compiled model: the bits of the model that it was made of, whatever its trees look like and whoever is scored."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.modelling.bit_planes import MOST_LEVELS, room_of
from churnflow.modelling.columns import LARGEST, Floats
from churnflow.modelling.compiled import ROOM, compile_model
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.margins import MEMBERS, Family
from churnflow.modelling.one_row import pays
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.trees import Trees
from tests.customers import make_customers
from tests.modelling.portable import ENCODING, FAMILIES, arrays_of, matrix, model
from tests.models import blended

CURVE = ((-2.0, 0.0, 1.5), (-1.0, 0.2, 4.0))
ENSEMBLES: tuple[Family, ...] = ("forest", "boosted", "summed")
MANY = (0, 2, 7, 300)
Arrays = dict[str, npt.NDArray[Any]]
# A double between two singles is rounded before it is compared: these are ties, and their neighbours.
TIES = np.array([0.1, 0.3, -2.7, 16777216.0], dtype=np.float32)
ODD = [*TIES.astype(float), 0.1, 0.3, -2.7, 16777217.0, 0.0, -0.0, 5e-324, LARGEST, -LARGEST, 1e-45, 3.0]


def rows(count: int, seed: int) -> Floats:
    """Return encoded customers: usual values, ties with thresholds, and infinities clipped as the encoding clips."""
    random = np.random.default_rng(seed)
    usual = random.normal(size=(count, ENCODING.width))
    return np.where(random.random(usual.shape) < 0.5, random.choice(ODD, usual.shape), usual)


def equals_its_model(tested: PortableModel, counts: tuple[int, ...] = MANY, seed: int = 0) -> None:
    compiled = compile_model(tested)
    for count in counts:
        customers = rows(count, seed)
        np.testing.assert_array_equal(compiled.margin(customers), tested.margin(customers))
        np.testing.assert_array_equal(compiled.probability(customers), tested.probability(customers))
    for row in rows(40, seed + 1):
        assert compiled.margin_one(row) == tested.margin(row[None])[0] == compiled.margin(row[None])[0]
        assert compiled.probability_one(row) == tested.probability(row[None])[0]


def tree(random: np.random.Generator, leaves: int, lean: float) -> list[list[float]]:
    """Return the nodes (feature, threshold, left, right, value) of a tree.

    lean: how likely the newest leaf is split next, so that 1 makes a chain.
    """
    nodes = [[-1, 0.0, -1, -1, random.random()]]
    ends = [0]
    for _ in range(leaves - 1):
        place = ends.pop(-1 if random.random() < lean else int(random.integers(len(ends))))
        threshold = float(random.choice(TIES)) if random.random() < 0.5 else random.normal()
        left = len(nodes)
        nodes[place][:4] = [int(random.integers(ENCODING.width)), threshold, left, left + 1]
        nodes += [[-1, 0.0, -1, -1, random.random()], [-1, 0.0, -1, -1, random.random()]]
        ends += [left, left + 1]
    return nodes


def planted(trees: list[list[list[float]]]) -> Arrays:
    """Return trees as the arrays of a model."""
    starts = np.cumsum([0, *map(len, trees)])
    shifted = [
        [feature, threshold, left + (left >= 0) * start, right + (right >= 0) * start, value]
        for nodes, start in zip(trees, starts, strict=False)
        for feature, threshold, left, right, value in nodes
    ]
    feature, threshold, left, right, value = (np.array(part) for part in zip(*shifted, strict=True))
    whole = {"roots": starts[:-1], "feature": feature, "left": left, "right": right}
    return {
        **{name: array.astype("<i4") for name, array in whole.items()},
        "threshold": threshold.astype("<f4"),
        "value": value.astype("<f8"),
        "bias": np.array([0.1]),
    }


def copies(arrays: Arrays, times: int) -> Arrays:
    """Return the one tree of `arrays` many times."""
    nodes = len(arrays["feature"])
    shift = nodes * np.repeat(np.arange(times), nodes)
    many = {name: np.tile(array, times) for name, array in arrays.items() if len(array) == nodes}
    for name in ("left", "right"):
        many[name] = np.where(many[name] >= 0, many[name] + shift, -1).astype("<i4")
    return {**arrays, **many, "roots": np.arange(0, nodes * times, nodes, dtype="<i4")}


def of_trees(family: Family, arrays: Arrays) -> PortableModel:
    return PortableModel("some", family, ENCODING, arrays, (1.1, -0.3), 0.4, "yes", "no")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(3))
def test_every_family_and_blend_keeps_its_bits(family: str, seed: int) -> None:
    equals_its_model(model(family, seed, depth=3 + 3 * seed), seed=seed)


def test_a_trained_blend_of_every_family_keeps_its_bits() -> None:
    frame = make_customers(400)
    trained, _ = blended(frame)
    customers = trained.encoding.encode(as_columns(frame, trained.encoding)).matrix
    compiled = compile_model(trained)
    np.testing.assert_array_equal(compiled.probability(customers), trained.probability(customers))
    for row in customers[:50]:
        assert compiled.probability_one(row) == trained.probability(row[None])[0]


@settings(deadline=None, max_examples=40)
@given(
    family=st.sampled_from(ENSEMBLES),
    sizes=st.lists(st.integers(1, 40) | st.sampled_from([63, 64, 65, 129]), min_size=1, max_size=12),
    lean=st.sampled_from([0.0, 0.3, 0.6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_trees_of_any_shape_keep_their_bits(family: Family, sizes: list[int], lean: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    equals_its_model(of_trees(family, planted([tree(random, size, lean) for size in sizes])), seed=seed)


@pytest.mark.parametrize("family", ENSEMBLES)
@pytest.mark.parametrize("leaves", [1, 2, 64, 65], ids=lambda leaves: f"{leaves} leaves")
def test_a_chain_is_walked_to_its_end(family: Family, leaves: int) -> None:
    random = np.random.default_rng(leaves)
    equals_its_model(of_trees(family, planted([tree(random, leaves, 1.0) for _ in range(3)])))


@pytest.mark.parametrize("depth", range(MOST_LEVELS + 3))
def test_trees_as_deep_as_bits_reach_and_deeper_keep_their_bits(depth: int) -> None:
    arrays = arrays_of("boosted", np.random.default_rng(depth), depth)
    equals_its_model(of_trees("boosted", arrays), (15, 16, 17, 127, 128, 129))
    equals_its_model(of_trees("summed", arrays), (127, 128, 129))


def test_blocks_of_rows_join_without_a_seam() -> None:
    # Of 900 trees and the bias a block holds 290 rows; what is left over must not be a block of one.
    arrays = planted([tree(np.random.default_rng(number), 4, 0.3) for number in range(900)])
    equals_its_model(of_trees("boosted", arrays), (290, 291, 581, 1161))


def test_trees_that_share_nodes_keep_their_bits() -> None:
    arrays = planted([tree(np.random.default_rng(1), 3, 1.0)])
    inner = np.flatnonzero(arrays["feature"] >= 0)
    arrays["left"][inner] = arrays["right"][inner]
    equals_its_model(of_trees("boosted", {**arrays, "roots": np.array([0, 2], "<i4")}))


def test_a_bent_and_calibrated_probability_keeps_its_bits() -> None:
    plain = model("blend with a forest")
    bent = PortableModel("some", "blend", ENCODING, plain.arrays, (1.7, -0.4), 0.4, "yes", "no", CURVE)
    equals_its_model(bent)


def test_a_forest_too_large_to_be_asked_everything_keeps_its_bits() -> None:
    arrays = copies(planted([tree(np.random.default_rng(0), 200, 0.0)]), 600)
    assert not pays(Trees.from_arrays(arrays, ENCODING.width))
    equals_its_model(of_trees("forest", arrays), (2, 200))


@pytest.mark.parametrize("family", ["boosted", "blend"])
def test_trees_that_take_too_much_room_are_asked_as_the_model_asks_them(family: Family) -> None:
    one = planted([tree(np.random.default_rng(0), MOST_LEVELS + 1, 1.0)])
    arrays = copies(one, 1 + ROOM // room_of(Trees.from_arrays(one, ENCODING.width)))
    if family == "blend":
        kinds: tuple[Family, ...] = ("boosted", "summed")
        parts = dict(zip(kinds, (arrays, arrays_of("summed", np.random.default_rng(0), 3)), strict=True))
        arrays = {f"{number}.{name}": array for number, kind in enumerate(kinds) for name, array in parts[kind].items()}
        arrays |= {"mix": np.array([0.4, 0.6]), "families": np.array([MEMBERS.index(kind) for kind in kinds], "<i4")}
    tested, customers = of_trees(family, arrays), matrix(3)
    compiled = compile_model(tested)
    np.testing.assert_array_equal(compiled.margin(customers), tested.margin(customers))
    assert compiled.margin_one(customers[1]) == tested.margin(customers[1:2])[0]
