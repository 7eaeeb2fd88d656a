"""The kinds of model that are tried: what each is called, where its search begins, and how far it reaches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from optuna import Trial

from churnflow.modelling.fitting import Fit, Params
from churnflow.modelling.linear_models import fit_logistic, fit_svm
from churnflow.modelling.tree_models import fit_catboost, fit_extra_trees, fit_forest, fit_xgboost

ModelName = Literal["logistic_regression", "svm", "random_forest", "extra_trees", "xgboost", "catboost"]
BLEND: Final = "blend"
SIMPLEST_FIRST: Final = (*get_args(ModelName), BLEND)


@dataclass(frozen=True)
class Recipe:
    """How one kind of model is searched and fitted.

    first: parameter sets tried before the search, the best guess first. proper: its margin is log odds, so that
    calibration is optional. grown: it grows in rounds, whose number is found on the fold left out.
    """

    name: ModelName
    first: tuple[Params, ...]
    suggest: Callable[[Trial], Params]
    fit: Fit
    proper: bool = True
    grown: bool = False


def _suggest_logistic(trial: Trial) -> Params:
    return {
        "C": trial.suggest_float("logistic_regression.C", 1e-2, 1e2, log=True),
        "knots": trial.suggest_categorical("logistic_regression.knots", [0, 5, 8, 12]),
    }


def _suggest_svm(trial: Trial) -> Params:
    params: dict[str, Any] = {
        "kernel": trial.suggest_categorical("svm.kernel", ["linear", "fourier"]),
        "C": trial.suggest_float("svm.C", 1e-3, 1.0, log=True),
    }
    if params["kernel"] == "fourier":
        params["gamma"] = trial.suggest_float("svm.gamma", 1e-3, 1e-1, log=True)
    return params


def _suggest_forest(trial: Trial) -> Params:
    return {
        "max_depth": trial.suggest_int("random_forest.max_depth", 4, 14),
        "min_samples_leaf": trial.suggest_int("random_forest.min_samples_leaf", 4, 40, log=True),
        "max_features": trial.suggest_float("random_forest.max_features", 0.1, 0.5),
    }


def _suggest_extra_trees(trial: Trial) -> Params:
    return {
        "max_depth": trial.suggest_int("extra_trees.max_depth", 8, 20),
        "min_samples_leaf": trial.suggest_int("extra_trees.min_samples_leaf", 2, 40, log=True),
        "max_features": trial.suggest_float("extra_trees.max_features", 0.2, 1.0),
    }


def _suggest_xgboost(trial: Trial) -> Params:
    return {
        "eta": trial.suggest_float("xgboost.eta", 0.02, 0.1, log=True),
        "max_depth": trial.suggest_int("xgboost.max_depth", 2, 8),
        "min_child_weight": trial.suggest_float("xgboost.min_child_weight", 0.1, 30.0, log=True),
        "lambda": trial.suggest_float("xgboost.lambda", 0.1, 20.0, log=True),
        "subsample": trial.suggest_float("xgboost.subsample", 0.6, 1.0),
        "colsample_bynode": trial.suggest_float("xgboost.colsample_bynode", 0.3, 1.0),
    }


def _suggest_catboost(trial: Trial) -> Params:
    return {
        "learning_rate": trial.suggest_float("catboost.learning_rate", 0.03, 0.15, log=True),
        "depth": trial.suggest_int("catboost.depth", 3, 8),
        "l2_leaf_reg": trial.suggest_float("catboost.l2_leaf_reg", 1.0, 20.0, log=True),
        "random_strength": trial.suggest_float("catboost.random_strength", 0.5, 4.0),
    }


# Depths and penalties at which boosted trees did well on public churn sets: bold where a few interactions decide,
# shallow where effects add up, pairs of them at most where there is much noise.
_BOLD: Final = {
    "eta": 0.05,
    "max_depth": 6,
    "min_child_weight": 0.3,
    "lambda": 3.0,
    "subsample": 0.8,
    "colsample_bynode": 0.6,
}
_SHALLOW: Final = {**_BOLD, "max_depth": 3, "min_child_weight": 5.0}
_PAIRS: Final = {**_BOLD, "max_depth": 2, "min_child_weight": 5.0}
_LOGISTIC_FIRST: Final = ({"C": 0.5, "knots": 8}, {"C": 1.0, "knots": 0})
_SVM_FIRST: Final = ({"kernel": "linear", "C": 0.05}, {"kernel": "fourier", "C": 0.05, "gamma": 0.01})
_FOREST_FIRST: Final = ({"max_depth": 10, "min_samples_leaf": 5, "max_features": 0.3},)
_EXTRA_FIRST: Final = ({"max_depth": 16, "min_samples_leaf": 3, "max_features": 0.5},)
_CATBOOST_FIRST: Final = ({"learning_rate": 0.07, "depth": 5, "l2_leaf_reg": 3.0, "random_strength": 1.0},)

RECIPES: Final[Mapping[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe("logistic_regression", _LOGISTIC_FIRST, _suggest_logistic, fit_logistic),
        Recipe("svm", _SVM_FIRST, _suggest_svm, fit_svm, proper=False),
        Recipe("random_forest", _FOREST_FIRST, _suggest_forest, fit_forest),
        Recipe("extra_trees", _EXTRA_FIRST, _suggest_extra_trees, fit_extra_trees),
        Recipe("xgboost", (_SHALLOW, _BOLD, _PAIRS), _suggest_xgboost, fit_xgboost, grown=True),
        Recipe("catboost", _CATBOOST_FIRST, _suggest_catboost, fit_catboost, grown=True),
    )
}
