"""The best single feature: found among others, judged without its own rows, and open to whatever a new part holds."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from churnflow.modelling.baselines import PRIOR, single_feature_rule
from tests.customers import make_customers

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def test_the_feature_that_decides_most_is_the_rule() -> None:
    train, test = make_customers(600), make_customers(300, 1)
    rule = single_feature_rule(train, train["churn"].to_numpy(), test, KINDS)
    assert rule.feature == "tenure"
    assert roc_auc_score(test["churn"], rule.probabilities) > 0.75


def test_a_category_has_the_rate_of_its_level_and_an_unseen_one_the_base_rate() -> None:
    train = pd.DataFrame({"plan": pd.Series(["a"] * 40 + ["b"] * 40 + [None] * 20, dtype="str")})
    target = np.array([1] * 30 + [0] * 10 + [0] * 40 + [1] * 10 + [0] * 10)
    test = pd.DataFrame({"plan": pd.Series(["a", "b", None, "new"], dtype="str")})
    rule = single_feature_rule(train, target, test, {"plan": "category"})
    rate = 0.4
    expected = [(hits + PRIOR * rate) / (n + PRIOR) for hits, n in ((30, 40), (0, 40), (10, 20), (0, 0))]
    assert rule.probabilities.tolist() == pytest.approx(expected)


def test_an_identifier_among_the_features_is_not_taken_for_a_rule() -> None:
    train, test = make_customers(400), make_customers(100, 1)
    kinds = {"customer_id": "category", **KINDS}
    assert single_feature_rule(train, train["churn"].to_numpy(), test, kinds).feature == "tenure"


def test_a_number_that_is_missing_or_constant_everywhere_makes_no_rule() -> None:
    train = make_customers(300).assign(empty=np.nan, one=1.0)
    test = make_customers(50, 2).assign(empty=[np.nan] * 49 + [3.0], one=2.0)
    kinds = {"empty": "number", "one": "number"}
    rule = single_feature_rule(train, train["churn"].to_numpy(), test, kinds)
    assert np.isfinite(rule.probabilities).all()
    assert single_feature_rule(train, train["churn"].to_numpy(), test, {**kinds, **KINDS}).feature == "tenure"
