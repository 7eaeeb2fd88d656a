"""The search and the choice: repeatable, within its limits, and blind to rows that it must not see."""

from dataclasses import replace

import numpy as np
import pytest

from churnflow.modelling.bending import STRAIGHT, bend
from churnflow.modelling.blending import cross_fit_mix
from churnflow.modelling.calibration import NONE, mean_log_loss
from churnflow.modelling.encoding import as_columns, learn
from churnflow.modelling.families import RECIPES
from churnflow.modelling.final_fit import Settings, fit_final
from churnflow.modelling.leaderboard import leaderboard
from churnflow.modelling.margins import log_odds, sigmoid
from churnflow.modelling.search import Folded, Outcome, Plan, deal, search
from churnflow.modelling.selection import Preference, choose, contenders_of
from churnflow.modelling.split import Dealt, equal_rows
from churnflow.modelling.workers import open_workers
from tests.customers import make_customers

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def make_folded(rows: int = 300, folds: int = 3) -> Folded:
    frame = make_customers(rows)
    target = frame["churn"].to_numpy()
    return deal(frame, KINDS, target, Dealt.of(equal_rows(frame, list(KINDS)), target, folds, 0))


def quiet(done: int, total: int, text: str) -> None:
    """Say nothing."""


def find(plan: Plan, folded: Folded | None = None) -> Outcome:
    folded = folded or make_folded()
    with open_workers(folded.parts) as workers:
        return search(folded, plan, quiet, workers)


def test_each_fold_is_encoded_by_its_own_training_rows_alone() -> None:
    frame = make_customers(300)
    target = frame["churn"].to_numpy()
    for part in make_folded().parts:
        inside = np.setdiff1d(np.arange(300), part.rows)
        learned = learn(frame.iloc[inside], KINDS, target[inside], 0)
        np.testing.assert_array_equal(part.train.matrix, learned.matrix)
        valid = learned.encoding.encode(as_columns(frame.iloc[part.rows], learned.encoding)).matrix
        np.testing.assert_array_equal(part.valid.matrix, valid)
        np.testing.assert_array_equal(part.train.target, target[inside])
        np.testing.assert_array_equal(part.valid.target, target[part.rows])


def test_the_same_seed_finds_the_same_and_all_models_are_tried() -> None:
    plan = Plan(("logistic_regression", "random_forest", "xgboost", "svm"), 8, 600, 1)
    told: list[tuple[int, int, str]] = []
    folded = make_folded()
    with open_workers(folded.parts) as workers:
        first = search(folded, plan, lambda done, total, text: told.append((done, total, text)), workers)
    again = find(plan)
    assert set(first.best) == set(plan.models)
    assert first.done == 8 == len(told)
    assert [done for done, _, _ in told] == list(range(1, 9))
    for name, candidate in first.best.items():
        assert candidate.params == again.best[name].params
        assert candidate.scores == again.best[name].scores
        np.testing.assert_array_equal(candidate.margins, again.best[name].margins)


def test_the_search_stops_at_its_budget_with_at_least_one_model() -> None:
    outcome = find(Plan(("logistic_regression", "svm"), 10_000, 0.5, 0))
    assert outcome.out_of_time
    assert outcome.best
    assert outcome.done < 10_000


def test_trials_cut_off_by_the_clock_in_the_last_batch_are_not_called_pruned() -> None:
    outcome = find(Plan(("extra_trees",), 5, 0.05, 0))
    assert outcome.out_of_time
    assert outcome.pruned == 0
    assert len(outcome.tried) < 5


def test_one_trial_is_completed_even_without_any_time() -> None:
    outcome = find(Plan(("xgboost", "svm"), 50, 0, 0))
    assert outcome.out_of_time
    assert outcome.trials == {"xgboost": 1}
    assert list(outcome.best) == ["xgboost"]


def test_one_trial_is_enough_for_one_model() -> None:
    outcome = find(Plan(("logistic_regression",), 1, 600, 0))
    assert outcome.trials == {"logistic_regression": 1}
    assert not outcome.out_of_time


def test_folds_of_a_boosted_model_are_judged_after_one_number_of_rounds() -> None:
    folded = make_folded()
    (candidate,) = find(Plan(("xgboost",), 1, 600, 0), folded).tried
    rounds = candidate.params["rounds"]
    assert rounds % 10 == 0
    recipe = RECIPES["xgboost"]
    grown = {key: value for key, value in candidate.params.items() if key != "rounds"}
    trained = [recipe.fit(part.train, grown, fold, part.valid).rounds[-1] for fold, part in enumerate(folded.parts)]
    assert min(trained) < rounds <= max(trained)
    for fold, part in enumerate(folded.parts):
        fitted = recipe.fit(part.train, {**grown, "rounds": min(rounds, trained[fold])}, fold, None)
        np.testing.assert_allclose(candidate.margins[part.rows], fitted.margin(part.valid.matrix), atol=1e-5)
        loss = mean_log_loss(sigmoid(candidate.margins[part.rows]), part.valid.target)
        assert candidate.losses[fold] == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("prefer", ["simplest", "best"])
def test_the_final_model_equals_its_library_and_takes_its_threshold_from_the_folds(prefer: Preference) -> None:
    frame = make_customers(300)
    target = frame["churn"].to_numpy()
    folded = make_folded()
    outcome = find(Plan(("svm", "xgboost", "extra_trees", "logistic_regression"), 8, 600, 0), folded)
    contenders = contenders_of(outcome, folded)
    assert set(contenders) == {"svm", "xgboost", "extra_trees", "logistic_regression", "blend"}
    assert contenders["svm"].calibration != NONE
    choice = choose(contenders, outcome, folded, prefer)
    chosen = choice.contender
    assert chosen.candidate.model == choice.best or prefer == "simplest"
    for contender in (chosen, contenders["blend"], contenders["svm"]):
        final = fit_final(frame, KINDS, target, Settings(contender, "f1", ("yes", "no"), 0))
        assert final.parity <= 1e-6
        assert final.model.positive == "yes"
        out_of_fold = np.unique(contender.probabilities)
        assert out_of_fold[0] <= final.model.threshold <= out_of_fold[-1]
        scores = final.model.score(as_columns(frame, final.model.encoding))
        assert scores[target == 1].mean() > scores[target == 0].mean()
    board = leaderboard(contenders, choice, outcome, folded)
    assert board["models"][0]["model"] == choice.best
    assert board["models"][0]["log_loss_gap"] == 0


def test_no_blend_is_made_of_one_model_or_against_the_will() -> None:
    folded = make_folded()
    outcome = find(Plan(("svm", "logistic_regression"), 2, 600, 0), folded)
    assert set(contenders_of(outcome, folded)) == {"svm", "logistic_regression"}
    outcome = find(Plan(("xgboost", "logistic_regression"), 2, 600, 0), folded)
    assert set(contenders_of(outcome, folded, blend=False)) == {"xgboost", "logistic_regression"}
    assert "blend" in contenders_of(outcome, folded)


def test_the_out_of_fold_predictions_of_a_blend_are_weighed_without_their_fold() -> None:
    folded = make_folded(600)
    outcome = find(Plan(("xgboost", "logistic_regression"), 4, 600, 0), folded)
    blend = contenders_of(outcome, folded)["blend"]
    margins = np.stack([member.margins for member, _ in blend.members], axis=1)
    np.testing.assert_array_equal(blend.candidate.margins, cross_fit_mix(margins, folded.target, folded.folds))
    assert blend.log_loss == pytest.approx(mean_log_loss(blend.probabilities, folded.target))


def test_a_curve_is_shipped_with_the_model_and_bends_what_it_says() -> None:
    frame = make_customers(300)
    target = frame["churn"].to_numpy()
    folded = deal(frame, KINDS, target, Dealt.of(equal_rows(frame, list(KINDS)), target, 3, 0), "balanced")
    contender = contenders_of(find(Plan(("xgboost",), 1, 600, 0), folded), folded)["xgboost"]
    curve = ((-2.0, 0.0, 3.0), (-1.0, -0.5, 4.0))
    plain, bent = (
        fit_final(frame, KINDS, target, Settings(replace(contender, curve=given), "f1", ("yes", "no"), 0, "balanced"))
        for given in (STRAIGHT, curve)
    )
    assert bent.parity <= 1e-6
    before, after = (found.model.score(as_columns(frame, found.model.encoding)) for found in (plain, bent))
    np.testing.assert_allclose(log_odds(after), bend(curve, log_odds(before)), atol=1e-9)


@pytest.mark.parametrize("name", ["logistic_regression", "xgboost", "extra_trees", "blend"])
def test_balanced_weights_leave_probabilities_at_the_rate_of_the_rows(name: str) -> None:
    frame = make_customers(800)
    target = (frame["churn"].to_numpy() & (np.random.default_rng(0).random(800) < 0.3)).astype(np.int64)
    weighed = deal(frame, KINDS, target, Dealt.of(equal_rows(frame, list(KINDS)), target, 3, 0), "balanced")
    assert weighed.parts[0].train.rate == pytest.approx(0.5)
    contender = contenders_of(
        find(Plan(("logistic_regression", "xgboost", "extra_trees"), 3, 600, 0), weighed), weighed
    )[name]
    made = Settings(contender, "f1", ("yes", "no"), 0, "balanced")
    final = fit_final(frame, KINDS, target, made)
    assert final.parity <= 1e-6
    scores = final.model.score(as_columns(frame, final.model.encoding))
    assert contender.probabilities.mean() == pytest.approx(target.mean(), abs=0.03)
    assert scores.mean() == pytest.approx(target.mean(), abs=0.04)
