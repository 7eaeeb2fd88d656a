"""Shapley values: those of the definition, adding up for every customer, whatever the model is made of."""

from itertools import combinations
from math import factorial

import numpy as np
import numpy.typing as npt
import pytest

from churnflow.modelling.effort import affordable
from churnflow.modelling.margins import log_odds
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.shapley import EVALUATIONS, contributions
from churnflow.modelling.tree_shapley import LONGEST, leaves_of
from churnflow.modelling.trees import Trees
from tests.modelling.portable import ENCODING, FAMILIES, arrays_of, matrix, model

Floats = npt.NDArray[np.float64]
EXACT = ("linear", "spline", "boosted", "summed", "blend of what is exact")


def by_definition(made: PortableModel, rows: Floats, background: Floats) -> Floats:
    """Return the Shapley values of the log odds by the formula of Shapley (1953), all coalitions counted."""
    places = list(ENCODING.slices().values())
    players = range(len(places))

    def worth(coalition: tuple[int, ...]) -> Floats:
        columns = [column for player in coalition for column in places[player]]
        total = np.zeros(len(rows))
        for other in background:
            mixed = np.tile(other, (len(rows), 1))
            mixed[:, columns] = rows[:, columns]
            total += made.calibration[0] * made.margin(mixed)
        return total / len(background)

    values = np.zeros((len(rows), len(places)))
    for player in players:
        others = [other for other in players if other != player]
        for size in range(len(others) + 1):
            weight = factorial(size) * factorial(len(places) - size - 1) / factorial(len(places))
            for coalition in combinations(others, size):
                values[:, player] += weight * (worth((*coalition, player)) - worth(coalition))
    return values


@pytest.mark.parametrize("family", EXACT)
@pytest.mark.parametrize("seed", range(3))
def test_sums_over_features_and_trees_are_explained_as_the_definition_says(family: str, seed: int) -> None:
    made, rows, background = model(family, seed), matrix(12, 1), matrix(7, 2)
    found = contributions(made, rows, background)
    assert found.exact
    np.testing.assert_allclose(found.values, by_definition(made, rows, background), atol=2e-6)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in EXACT])
def test_other_models_are_explained_nearly_as_the_definition_says(family: str) -> None:
    made, rows, background = model(family), matrix(10, 1), matrix(50, 2)
    found = contributions(made, rows, background)
    assert not found.exact
    truth = by_definition(made, rows, background)
    assert np.abs(found.values - truth).mean() < 0.1 * np.abs(truth).mean()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_features_add_adds_up_to_the_log_odds_of_every_customer(family: str) -> None:
    made, rows = model(family, 4), matrix(200, 1)
    found = contributions(made, rows, matrix(60, 2))
    np.testing.assert_allclose(
        found.base + found.values.sum(axis=1), log_odds(made.probability(rows)), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("family", ["boosted", "fourier"])
def test_a_customer_like_the_background_has_nothing_to_explain(family: str) -> None:
    alike = np.tile(matrix(1), (3, 1))
    found = contributions(model(family), alike, alike)
    np.testing.assert_allclose(found.values, 0.0, atol=1e-12)
    assert found.reasons(0) == []


def test_a_feature_that_no_tree_uses_adds_nothing() -> None:
    arrays = arrays_of("summed", np.random.default_rng(0), 4)
    arrays["feature"] = np.where(arrays["feature"] > 0, 0, arrays["feature"]).astype("<i4")
    made = PortableModel("some", "summed", ENCODING, arrays, (1.0, 0.0), 0.5, "yes", "no")
    found = contributions(made, matrix(20), matrix(20, 5))
    assert found.features == ("bill", "tenure", "age", "plan")
    assert (found.values[:, 1:] == 0).all()
    assert np.abs(found.values[:, 0]).max() > 0


def test_the_reasons_are_the_features_that_move_a_customer_most() -> None:
    found = contributions(model("spline"), matrix(5), matrix(30, 2))
    reasons = found.reasons(2, 2)
    assert [abs(value) for _, value in reasons] == sorted(np.abs(found.values[2]), reverse=True)[:2]
    assert all(found.values[2, found.features.index(name)] == value for name, value in reasons)


def test_trees_whose_paths_are_too_long_for_a_table_are_sampled_instead() -> None:
    arrays = arrays_of("summed", np.random.default_rng(1), LONGEST + 2)
    trees = Trees.from_arrays(arrays, ENCODING.width)
    assert leaves_of(trees, np.arange(ENCODING.width)) is not None
    wide = {**arrays, "feature": np.where(arrays["feature"] < 0, -1, np.arange(len(arrays["feature"])) % 500)}
    long = Trees.from_arrays({**wide, "feature": wide["feature"].astype("<i4")}, 500)
    assert leaves_of(long, np.arange(500)) is None


def test_a_tree_of_a_single_leaf_adds_nothing() -> None:
    arrays = arrays_of("summed", np.random.default_rng(1), 0)
    made = PortableModel("some", "summed", ENCODING, arrays, (1.0, 0.0), 0.5, "yes", "no")
    assert (contributions(made, matrix(4), matrix(4, 1)).values == 0).all()


def test_a_model_of_more_trees_is_asked_less_often() -> None:
    few, many = model("forest", depth=2), model("forest", depth=9)
    assert affordable(model("linear"), EVALUATIONS) == affordable(few, EVALUATIONS) == EVALUATIONS
    assert affordable(many, 10**9) < affordable(few, 10**9) < 10**9
    assert affordable(model("blend with a forest"), 10**9) < 10**9
