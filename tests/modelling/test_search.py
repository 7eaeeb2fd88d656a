"""The search and the choice: repeatable, within its limits, and blind to rows that it must not see."""

import itertools

import numpy as np
import pytest

from churnflow.modelling import search as module
from churnflow.modelling.calibration import NONE
from churnflow.modelling.encoding import TableEncoder, as_columns
from churnflow.modelling.search import Folded, Plan, deal, search
from churnflow.modelling.selection import Settings, choose, contend, fit_final
from churnflow.modelling.split import deal_folds, equal_rows
from tests.customers import make_customers

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def make_folded(rows: int = 300, folds: int = 3) -> Folded:
    frame = make_customers(rows)
    target = frame["churn"].to_numpy()
    return deal(frame, KINDS, target, deal_folds(equal_rows(frame, list(KINDS)), target, folds, 0))


def quiet(done: int, total: int, text: str) -> None:
    """Say nothing."""


def test_each_fold_is_encoded_by_its_own_training_rows_alone() -> None:
    frame = make_customers(300)
    folded = make_folded()
    for part in folded.parts:
        inside = np.setdiff1d(np.arange(300), part.rows)
        encoder = TableEncoder(KINDS).fit(frame.iloc[inside])
        np.testing.assert_array_equal(part.train[0], encoder.transform(frame.iloc[inside]))
        np.testing.assert_array_equal(part.valid[0], encoder.transform(frame.iloc[part.rows]))
        np.testing.assert_array_equal(part.train_target, frame["churn"].to_numpy()[inside])


def test_the_same_seed_finds_the_same_and_all_models_are_tried() -> None:
    plan = Plan(("logistic_regression", "random_forest", "xgboost", "svm"), 8, 600, 1)
    told: list[tuple[int, int, str]] = []
    first = search(make_folded(), plan, lambda done, total, text: told.append((done, total, text)))
    again = search(make_folded(), plan, quiet)
    assert set(first.best) == set(plan.models)
    assert first.done == 8 == len(told)
    assert [done for done, _, _ in told] == list(range(1, 9))
    for name, candidate in first.best.items():
        assert candidate.params == again.best[name].params
        assert candidate.scores == again.best[name].scores
        np.testing.assert_array_equal(candidate.margins, again.best[name].margins)


def test_the_search_stops_at_its_budget_with_at_least_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 10)
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    outcome = search(make_folded(), Plan(("logistic_regression", "svm"), 50, 25, 0), quiet)
    assert outcome.out_of_time
    assert outcome.best
    assert outcome.done < 50


def test_one_trial_is_enough_for_one_model() -> None:
    outcome = search(make_folded(), Plan(("logistic_regression",), 1, 600, 0), quiet)
    assert outcome.trials == {"logistic_regression": 1}
    assert not outcome.out_of_time


def test_the_final_model_equals_its_library_and_takes_its_threshold_from_the_folds() -> None:
    frame = make_customers(300)
    target = frame["churn"].to_numpy()
    folded = make_folded()
    outcome = search(folded, Plan(("svm",), 2, 600, 0), quiet)
    contenders = {name: contend(candidate, folded) for name, candidate in outcome.best.items()}
    chosen = choose(contenders).contender
    assert chosen.calibration != NONE
    final = fit_final(frame, KINDS, target, Settings(chosen, "f1", ("yes", "no"), 0))
    assert final.parity <= 1e-9
    assert final.model.positive == "yes"
    out_of_fold = np.unique(chosen.probabilities)
    assert out_of_fold[0] <= final.model.threshold <= out_of_fold[-1]
    scores = final.model.score(as_columns(frame, final.model.encoding))
    assert scores[target == 1].mean() > scores[target == 0].mean()
