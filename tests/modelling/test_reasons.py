"""Reasons without a row of anyone: the same in every form of model, and those that Shapley values give."""

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.columns import Column, Encoding, Floats
from churnflow.modelling.encoding import as_columns, learn
from churnflow.modelling.families import RECIPES
from churnflow.modelling.fitting import Sample
from churnflow.modelling.margins import MEMBERS
from churnflow.modelling.reasons import Reasons
from churnflow.modelling.reference import FeatureReference, Reference, build_reference
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.shapley import contributions
from tests.customers import encoding_of, make_customers, read_telco
from tests.models import KINDS, blended, fit_case

SHALLOW = {"rounds": 80, "eta": 0.1, "max_depth": 3, "min_child_weight": 1.0, "lambda": 1.0, "gamma": 0.0}


def reference_of(model: PortableModel, frame: pd.DataFrame) -> Reference:
    columns = as_columns(frame, model.encoding)
    return build_reference(model, columns, columns)


def boosted(frame: pd.DataFrame, kinds: dict[str, str]) -> PortableModel:
    """Return boosted trees shallow enough for tables."""
    target = frame["churn"].to_numpy()
    learned = learn(frame, kinds, target, 0)
    fitted = RECIPES["xgboost"].fit(Sample(learned.matrix, target), SHALLOW, 0, None)
    return PortableModel("xgboost", fitted.family, learned.encoding, fitted.arrays, (1.3, -0.2), 0.4, "yes", "no")


def encoded(model: PortableModel, frame: pd.DataFrame) -> Floats:
    return model.encoding.encode(as_columns(frame, model.encoding)).matrix


def replaced(model: PortableModel, frame: pd.DataFrame, feature: str, values: list, weights: Floats) -> Floats:
    """Return, by scoring customers with a value in the place of theirs, the change of the log odds, (n,)."""

    def odds(columns: dict) -> Floats:
        return model.calibration[0] * model.margin(model.encoding.encode(columns).matrix)

    columns = as_columns(frame, model.encoding)
    mean = sum(w * odds({**columns, feature: [value] * len(frame)}) for value, w in zip(values, weights, strict=True))
    return odds(columns) - mean


@pytest.mark.parametrize("case", ["boosted", "logistic_regression spline", "logistic_regression"])
def test_what_a_category_adds_is_the_change_when_it_is_replaced_as_often_as_levels_occur(case) -> None:
    frame = make_customers(700)
    model = boosted(frame, KINDS) if case == "boosted" else fit_case(case, frame, KINDS, "churn")[0]
    reference = reference_of(model, frame)
    plan = next(feature for feature in reference.features if feature.name == "plan")
    found = Reasons(model, reference)
    values, weights = [None, "unlisted", *plan.levels], np.array(plan.counts) / 700
    expected = replaced(model, frame, "plan", values, weights)
    added = found.added(encoded(model, frame))[:, found.features.index("plan")]
    assert np.abs(added).max() > 0.1
    # Boosted trees are added up in single precision where they score.
    assert added == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_trees_from_tables_and_trees_that_are_asked_again_add_the_same(depth) -> None:
    frame = make_customers(500)
    # Of few typical values, so that none is left out where each of them has to be asked about.
    frame["tenure"] = (frame["tenure"] > 30).astype(float)
    kinds = {"tenure": "number", "plan": "category"}
    target = frame["churn"].to_numpy()
    learned = learn(frame, kinds, target, 0)
    fitted = RECIPES["xgboost"].fit(Sample(learned.matrix, target), {**SHALLOW, "max_depth": depth}, 0, None)
    model = PortableModel("xgboost", "summed", learned.encoding, fitted.arrays, (1.0, 0.0), 0.4, "yes", "no")
    added = Reasons(model, reference_of(model, frame)).added(learned.matrix)
    low = float((frame["tenure"] == 0).mean())
    expected = replaced(model, frame, "tenure", [0.0, 1.0], np.array([low, 1 - low]))
    assert added[:, 0] == pytest.approx(expected, abs=1e-9)


def test_a_blend_adds_what_its_members_add_by_their_weights() -> None:
    frame = make_customers(300)
    model, _ = blended(frame)
    matrix, reference = encoded(model, frame), reference_of(model, frame)
    expected = np.zeros((300, 4))
    for number, (weight, kind) in enumerate(zip(model.arrays["mix"], model.arrays["families"], strict=True)):
        own = {name.partition(".")[2]: part for name, part in model.arrays.items() if name.startswith(f"{number}.")}
        member = PortableModel("one", MEMBERS[kind], model.encoding, own, (1.0, 0.0), 0.5, "yes", "no")
        expected += weight * Reasons(member, reference).added(matrix)
    assert Reasons(model, reference).added(matrix) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("case", "least"), [("boosted", 0.85), ("logistic_regression spline", 0.95)])
def test_on_real_customers_the_first_reason_is_that_of_shapley_values(case, least) -> None:
    frame, schema = read_telco()
    kinds = {column["name"]: column["kind"] for column in schema["columns"] if column["role"] == "feature"}
    model = boosted(frame, kinds) if case == "boosted" else fit_case(case, frame, kinds, "churn")[0]
    matrix = encoded(model, frame)
    random = np.random.default_rng(0)
    rows = random.choice(np.flatnonzero(model.probability(matrix) >= model.threshold), 200, replace=False)
    background = matrix[random.choice(len(matrix), 400, replace=False)]
    shapley = contributions(model, matrix[rows], background)
    found = Reasons(model, reference_of(model, frame))
    names = np.array(found.features)[found.strongest(matrix[rows], 1)[:, 0]]
    ranked = np.array(shapley.features)[np.argsort(-shapley.values, axis=1)]
    assert (names == ranked[:, 0]).mean() >= least
    assert (names[:, None] == ranked[:, :3]).any(axis=1).mean() > 0.98


def test_only_what_raises_the_risk_is_a_reason() -> None:
    frame = make_customers(400)
    model = boosted(frame, KINDS)
    found = Reasons(model, reference_of(model, frame))
    matrix = encoded(model, frame)
    added, strongest = found.added(matrix), found.strongest(matrix, 4)
    for row in range(400):
        named = [place for place in strongest[row].tolist() if place >= 0]
        assert named == [
            place for place in np.argsort(-added[row], kind="stable").tolist() if added[row, place] >= 0.01
        ]


def test_whole_numbers_are_replaced_by_whole_ones() -> None:
    column = Column("senior", "number", low=0, high=1)
    arrays = {"weights": np.array([2.0]), "bias": np.array([0.0])}
    model = PortableModel("logistic", "linear", Encoding((column,)), arrays, (1.0, 0.0), 0.5, "yes", "no")
    feature = FeatureReference("senior", "number", (0, 80, 20, 0), edges=(0.0, 1.0), low=0.0, high=1.0)
    found = Reasons(model, Reference(100, (feature,), (0.5,), (50, 50), 100))
    assert found.added(np.array([[0.0], [1.0]])).ravel() == pytest.approx([-0.4, 1.6])


def test_a_reference_of_another_model_is_refused() -> None:
    frame = make_customers(200)
    model = boosted(frame, KINDS)
    other = boosted(frame, {"tenure": "number", "bill": "number"})
    with pytest.raises(ValueError, match="not those of the model"):
        Reasons(model, reference_of(other, frame))


def test_a_reference_of_no_rows_still_gives_reasons() -> None:
    frame = make_customers(200)
    encoding = encoding_of(frame, {"tenure": "number", "plan": "category"})
    arrays = {"weights": np.linspace(-1, 1, encoding.width), "bias": np.array([0.0])}
    model = PortableModel("logistic", "linear", encoding, arrays, (1.0, 0.0), 0.5, "yes", "no")
    features = (FeatureReference("tenure", "number", (0, 0)), FeatureReference("plan", "category", (0, 0)))
    found = Reasons(model, Reference(0, features, (0.5,), (0, 0), 0))
    assert np.isfinite(found.added(np.zeros((3, encoding.width)))).all()


def test_customers_that_were_looked_up_are_encoded_as_those_that_were_not() -> None:
    frame = make_customers(300)
    model, _ = fit_case("logistic_regression", frame, KINDS, "churn")
    columns = as_columns(frame, model.encoding)
    numbers = np.stack([columns[name] for name in ("tenure", "bill", "noise")], axis=1)
    levels = {level: place for place, level in enumerate(("basic", "family", "plus"))}
    codes = [np.array([levels.get(plan, -2) for plan in frame["plan"].astype(object)])]
    assert np.array_equal(model.encoding.assemble(numbers, codes), model.encoding.encode(columns).matrix)
