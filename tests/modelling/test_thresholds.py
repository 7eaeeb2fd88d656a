"""The threshold and the calibration: as good as a search over all of them, and honest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sklearn.calibration import _SigmoidCalibration
from sklearn.metrics import f1_score, precision_score, recall_score

from churnflow.modelling.calibration import apply, cross_fit_platt, fit_platt, mean_log_loss
from churnflow.modelling.metrics import Scored
from churnflow.modelling.profit import Campaign
from churnflow.modelling.thresholds import Objective, as_json, choose_threshold, described, missed, parse_objective

ROWS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=4, max_size=60).filter(
    lambda rows: 0 < sum(label for _, label in rows) < len(rows)
)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_no_threshold_has_a_higher_f1(rows: list[tuple[int, bool]]) -> None:
    p, y = np.array([p / 20 for p, _ in rows]), np.array([int(label) for _, label in rows])
    chosen = choose_threshold(p, y)
    best = max(f1_score(y, p >= threshold, zero_division=0) for threshold in p)
    assert f1_score(y, p >= chosen, zero_division=0) == pytest.approx(best)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from(["recall_0.7", "recall_0.8", "recall_0.9"]))
def test_a_wanted_recall_is_reached_by_no_higher_threshold(rows: list[tuple[int, bool]], objective: str) -> None:
    p, y = np.array([p / 20 for p, _ in rows]), np.array([int(label) for _, label in rows])
    chosen, wanted = choose_threshold(p, y, objective), float(objective[-3:])
    assert recall_score(y, p >= chosen) >= wanted - 1e-9
    for higher in p[p > chosen]:
        if (p >= higher).sum() < (p >= chosen).sum():
            assert recall_score(y, p >= higher) < wanted


@settings(max_examples=20, deadline=None)
@given(ROWS, st.sampled_from(["precision_0.3", "precision_0.6", "precision_0.95"]))
def test_no_threshold_of_the_wanted_precision_finds_more(rows: list[tuple[int, bool]], objective: str) -> None:
    p, y = np.array([p / 20 for p, _ in rows]), np.array([int(label) for _, label in rows])
    chosen, wanted = choose_threshold(p, y, objective), float(objective.partition("_")[2])
    cuts = {threshold: (precision_score(y, p >= threshold), recall_score(y, p >= threshold)) for threshold in p}
    precise = [recall for precision, recall in cuts.values() if precision >= wanted - 1e-9]
    if precise:
        assert precision_score(y, p >= chosen) >= wanted - 1e-9
        assert recall_score(y, p >= chosen) == pytest.approx(max(precise))
    else:
        assert precision_score(y, p >= chosen) == pytest.approx(max(precision for precision, _ in cuts.values()))


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_no_threshold_earns_more_in_a_campaign(rows: list[tuple[int, bool]]) -> None:
    p, y = np.array([p / 21 for p, _ in rows]), np.array([int(label) for _, label in rows])
    values = np.arange(1.0, len(y) + 1)
    campaign = Campaign(value="worth", offer=1.0, contact=0.5)
    gains = campaign.gains(y, values)
    chosen = choose_threshold(p, y, campaign, values)
    earned = [float(gains[p >= threshold].sum()) for threshold in [*p, 1.0]]
    assert gains[p >= chosen].sum() == pytest.approx(max(earned))


def test_a_campaign_that_no_customer_is_worth_contacts_nobody() -> None:
    p, y = np.array([0.9, 0.5, 0.1]), np.array([1, 0, 0])
    assert choose_threshold(p, y, Campaign(value="worth", offer=5.0), np.ones(3)) == 1.0
    assert choose_threshold(p, y, Campaign(value=200.0, offer=5.0)) == pytest.approx(0.7)


def test_a_worth_by_customer_has_to_be_given() -> None:
    with pytest.raises(ValueError, match="'worth'"):
        choose_threshold(np.array([0.1, 0.2]), np.array([0, 1]), Campaign(value="worth", offer=5.0))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("f1", "best F1"),
        ("recall_0.85", "fewest alarms at a recall of 0.85"),
        ("precision_.6", "most churners found at a precision of .6"),
        ({"value": 200, "offer": 10}, "worth 200, an offer costs 10 and a contact 0, and 30% of churners accept"),
        ({"value": "bill", "offer": 1.5, "contact": 1}, "worth the column bill, an offer costs 1.5 and a contact 1"),
    ],
)
def test_an_objective_is_read_and_told_as_it_is_written(written: object, said: str) -> None:
    objective = TypeAdapter(Objective).validate_python(written)
    assert said in described(objective)
    assert parse_objective(as_json(objective)) == objective


@pytest.mark.parametrize("written", ["recall_1.2", "recall_0", "recall_0.0", "accuracy", "precision_", 5, True, None])
def test_another_objective_is_refused_with_those_there_are(written: object) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Objective).validate_python(written)
    assert "f1, recall_X or precision_X" in refused.value.errors()[0]["msg"]


def test_a_wrong_campaign_as_objective_is_refused_with_its_own_reason() -> None:
    with pytest.raises(ValidationError, match="no contact can pay"):
        TypeAdapter(Objective).validate_python({"value": 1, "offer": 10})


def test_a_wanted_rate_that_the_test_part_misses_beyond_noise_is_told() -> None:
    target = np.array([1] * 100 + [0] * 300)
    half = Scored.at(np.concatenate([np.tile([0.9, 0.1], 50), np.full(300, 0.1)]), target, 0.5)
    assert missed("recall_0.8", half) == ["the threshold was chosen for a recall of 0.8; on the test part it is 0.500"]
    assert (
        missed("recall_0.55", half) == missed("precision_0.9", half) == missed("f1", half) == missed(None, half) == []
    )


def test_neighbouring_doubles_are_told_apart() -> None:
    low = 0.3
    high = np.nextafter(low, 1)
    assert choose_threshold(np.array([low, high]), np.array([0, 1])) == high


def make_margins(rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    target = (random.random(rows) < 0.25).astype(np.int64)
    return random.normal(size=rows) * 0.3 + 0.4 * target, target


def test_platts_scaling_equals_scikit_learns() -> None:
    margins, target = make_margins()
    theirs = _SigmoidCalibration().fit(margins, target)
    ours = apply(fit_platt(margins, target), margins)
    np.testing.assert_allclose(ours, theirs.predict(margins), atol=1e-4)


def test_calibrated_probabilities_have_the_rate_of_the_target() -> None:
    margins, target = make_margins()
    folds = np.arange(len(target)) % 5
    crossed = cross_fit_platt(margins, target, folds)
    assert crossed.mean() == pytest.approx(target.mean(), abs=0.01)
    assert mean_log_loss(crossed, target) < mean_log_loss(np.full(len(target), target.mean()), target)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_separable_useless_and_constant_margins_stay_finite_and_in_order(scale: float) -> None:
    target = np.array([0, 1] * 50)
    for margins in (target * scale, -target * scale, np.full(100, scale)):
        slope, intercept = fit_platt(margins.astype(float), target)
        assert slope > 0
        assert np.isfinite([slope, intercept]).all()


def test_margins_that_differ_by_rounding_only_tell_nothing() -> None:
    margins, target = np.full(100, 0.1), np.array([0, 1] * 50)
    assert 0 < margins.std() < 1e-16
    calibration = fit_platt(margins, target)
    np.testing.assert_allclose(apply(calibration, np.array([0.1 - 1e-9, 0.1, 0.1 + 1e-9])), 0.5, atol=1e-3)


@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0.0), (1.0, -1.2), (0.1, 50.0), (1e6, -3e6)])
def test_margins_that_run_against_the_target_leave_its_rate(scale: float, offset: float) -> None:
    margins, target = make_margins()
    against = offset - scale * margins
    probabilities = apply(fit_platt(against, target), against)
    assert probabilities.mean() == pytest.approx(target.mean(), abs=0.002)
    assert probabilities.std() < 0.001
    assert (np.argsort(probabilities, kind="stable") == np.argsort(against, kind="stable")).all()


def test_probabilities_of_one_fold_do_not_depend_on_its_own_outcomes() -> None:
    margins, target = make_margins(500)
    folds = np.arange(500) % 5
    before = cross_fit_platt(margins, target, folds)
    changed = np.where(folds == 2, 1 - target, target)
    np.testing.assert_array_equal(before[folds == 2], cross_fit_platt(margins, changed, folds)[folds == 2])
