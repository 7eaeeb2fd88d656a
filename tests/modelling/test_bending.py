"""The curve that calibrates where a line can not: near the truth, rising, used only where it is better than noise."""

import numpy as np
import pytest

from churnflow.modelling.bending import STRAIGHT, Curve, bend
from churnflow.modelling.calibration import apply, cross_fit_curve, fit_curve, fit_platt, mean_log_loss
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.fitting import Sample
from churnflow.modelling.margins import sigmoid
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.search import Candidate, Folded, Part
from churnflow.modelling.selection import Contender, contend
from tests.models import packed, small_tree

BENT: Curve = ((-2.0, 0.0, 3.0), (-1.0, -0.5, 4.0))


def customers(rows: int, *, known: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return margins, outcome and true rate; a share `known` go as the margin says, of the others a tenth leave."""
    random = np.random.default_rng(seed)
    margins = random.normal(-1, 3, rows)
    rate = known * sigmoid(margins) + (1 - known) * 0.1
    return margins, (random.random(rows) < rate).astype(np.int64), rate


def test_a_floor_of_customers_nobody_can_foretell_is_calibrated_nearly_as_well_as_by_the_truth() -> None:
    margins, target, _ = customers(4000, known=0.7)
    curve, line = fit_curve(margins, target), fit_platt(margins, target)
    fresh, outcome, rate = customers(50_000, known=0.7, seed=1)
    bent, straight = sigmoid(bend(curve, fresh)), apply(line, fresh)
    assert mean_log_loss(bent, outcome) < mean_log_loss(rate, outcome) + 0.003
    assert mean_log_loss(straight, outcome) > mean_log_loss(rate, outcome) + 0.006


def test_log_odds_that_are_right_are_hardly_bent() -> None:
    margins, target, _ = customers(1000, known=1.0)
    fresh, outcome, rate = customers(50_000, known=1.0, seed=1)
    assert mean_log_loss(sigmoid(bend(fit_curve(margins, target), fresh)), outcome) < (
        mean_log_loss(rate, outcome) + 0.006
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_curve_keeps_the_order_of_customers_whatever_it_was_fitted_to(seed: int) -> None:
    random = np.random.default_rng(seed)
    margins = np.round(random.normal(0, 10.0**seed, 60), 1)
    target = random.integers(0, 2, 60)
    target[:2] = 0, 1
    curve = fit_curve(margins, target)
    scores = bend(curve, np.sort(random.normal(0, 30.0**seed, 500)))
    assert np.isfinite(scores).all()
    assert (np.diff(scores) > 0).all()


def test_beyond_its_knots_a_curve_goes_on_as_at_its_ends() -> None:
    np.testing.assert_allclose(bend(BENT, np.array([-4.0, -1.0, 1.0, 3.0, 5.0])), [-1.5, -0.75, 1.0, 4.0, 7.0])


def test_margins_that_are_all_alike_are_left_as_they_are() -> None:
    margins = np.full(50, 0.3) + 1e-13 * np.arange(50)
    assert fit_curve(margins, np.arange(50) % 2) == STRAIGHT
    np.testing.assert_array_equal(bend(STRAIGHT, margins), margins)


def test_a_fold_is_bent_without_its_own_outcome() -> None:
    margins, target, _ = customers(400, known=0.7)
    folds = np.arange(400) % 4
    changed = np.where(folds == 2, 1 - target, target)
    before, after = (cross_fit_curve(margins, outcome, folds) for outcome in (target, changed))
    np.testing.assert_array_equal(before[folds == 2], after[folds == 2])
    assert not np.allclose(before[folds != 2], after[folds != 2])


def contender(margins: np.ndarray, target: np.ndarray, model: str = "xgboost") -> Contender:
    folds = np.arange(len(target)) % 5
    rows = [np.flatnonzero(folds == fold) for fold in range(5)]
    sample = Sample(np.zeros((0, 1)), np.zeros(0, dtype=np.int64))
    folded = Folded(tuple(Part(sample, sample, place) for place in rows), target, folds)
    return contend(Candidate(model, {}, (0.5,) * 5, (0.7,) * 5, margins), folded)


def test_a_few_rows_that_happen_to_be_separable_are_not_taken_for_certain() -> None:
    random = np.random.default_rng(0)

    def sure(rows: int) -> tuple[np.ndarray, np.ndarray]:
        margins = np.where(np.arange(rows) % 3 == 0, 5.0, -5.0) + random.normal(size=rows)
        return margins, (random.random(rows) < sigmoid(margins)).astype(np.int64)

    fresh, outcome = sure(20_000)
    for _ in range(8):
        margins, target = sure(60)
        found = contender(margins, target)
        said = sigmoid(bend(found.curve, found.calibration[0] * fresh + found.calibration[1]))
        assert mean_log_loss(said, outcome) < mean_log_loss(sigmoid(fresh), outcome) + 0.08


def test_a_curve_is_taken_where_it_is_better_than_noise_and_its_model_says_the_same() -> None:
    margins, target, rate = customers(4000, known=0.7)
    for model, given in (("xgboost", margins), ("svm", 0.2 * margins + 3)):
        found = contender(given, target, model)
        assert found.curve != STRAIGHT
        assert found.log_loss < mean_log_loss(rate, target) + 0.005
        assert np.mean(found.fold_losses) == pytest.approx(found.log_loss, abs=1e-4)
        slope, intercept = found.calibration
        final = sigmoid(bend(found.curve, slope * given + intercept))
        assert np.abs(final - found.probabilities).mean() < 0.02


def test_no_curve_is_taken_where_log_odds_are_right() -> None:
    margins, target, _ = customers(4000, known=1.0)
    assert contender(margins, target).curve == STRAIGHT


def bent_model(curve: Curve) -> PortableModel:
    arrays = {"weights": np.ones(1), "bias": np.zeros(1)}
    return PortableModel("m", "linear", Encoding((Column("a", "number"),)), arrays, (1.0, 0.5), 0.5, "yes", "no", curve)


def test_a_stored_model_bends_what_it_scores() -> None:
    model = PortableModel.from_bytes(bent_model(BENT).to_bytes())
    values = {"a": [-3.0, 0.1, 9.0]}
    wanted = sigmoid(bend(BENT, np.array([-2.5, 0.6, 9.5])))
    np.testing.assert_allclose(model.score(values), wanted, rtol=1e-12)
    np.testing.assert_array_equal(model.score({"a": [0.1]}), model.score(values)[1:2])


def test_a_model_written_before_there_were_curves_is_read_without_one() -> None:
    assert PortableModel.from_bytes(packed(small_tree())).curve == STRAIGHT


@pytest.mark.parametrize(
    "curve",
    [
        ((0.0,), (1.0,)),
        ((0.0, 1.0), (1.0,)),
        ((1.0, 1.0), (0.0, 1.0)),
        ((0.0, 1.0), (1.0, 0.0)),
        ((0.0, 1e-300), (0.0, 1e60)),
        (tuple(range(65)), tuple(range(65))),
    ],
)
def test_a_curve_that_falls_leaps_or_is_too_long_is_refused(curve: Curve) -> None:
    with pytest.raises(ValueError, match="curve"):
        bent_model(curve)


@pytest.mark.parametrize("schema", [["churnflow/model@2"], {}, "churnflow/model@3", None])
def test_a_model_file_of_another_form_is_refused(schema: object) -> None:
    with pytest.raises(ValueError, match="not of the form churnflow/model@2"):
        PortableModel.from_bytes(packed(small_tree(), schema=schema))


@pytest.mark.parametrize(
    "curve", [None, [], [[0, 1]], [[0, 1], "12"], [[0, 1], [0, "1"]], [[0, 1], [0, float("1e99")]]]
)
def test_a_model_file_with_a_broken_curve_is_refused(curve: object) -> None:
    with pytest.raises(ValueError, match="not a usable model"):
        PortableModel.from_bytes(packed(small_tree(), schema="churnflow/model@2", curve=curve))
