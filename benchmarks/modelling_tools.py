"""One tool on one split: fits it, and keeps the probabilities of the test rows, the seconds and what it claims."""

import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

Answer = tuple[Any, float | None]


def main(tool: str, folder: Path, budget: float) -> None:
    """Fit the tool, and write `<tool>.npy` and `<tool>.json` beside the data."""
    warnings.filterwarnings("ignore")
    about = json.loads((folder / "about.txt").read_text())
    train, test = (_read(folder / f"{part}.csv", about["kinds"]) for part in ("train", "test"))
    target, wanted = train.pop("target"), test.pop("target")
    began = time.perf_counter()
    probabilities, claim = TOOLS[tool](train, target, test, {**about, "budget": budget})
    seconds = time.perf_counter() - began
    probabilities = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-7, 1 - 1e-7)
    result = {
        "tool": tool,
        "set": about["set"],
        "seed": about["seed"],
        "seconds": round(seconds, 2),
        "log_loss": float(log_loss(wanted, probabilities)),
        "roc_auc": float(roc_auc_score(wanted, probabilities)),
        "claim": claim,
    }
    np.save(folder / f"{tool}.npy", probabilities)
    (folder / f"{tool}.json").write_text(json.dumps(result))
    print(json.dumps(result))


def _read(path: Path, kinds: dict[str, str]) -> pd.DataFrame:
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    for name, kind in kinds.items():
        table[name] = table[name].astype("float64") if kind == "number" else table[name].astype("str")
    return table


def _churnflow(
    train: pd.DataFrame, target: Any, test: pd.DataFrame, about: dict[str, Any], *extras: str, prefer: str = "best"
) -> Answer:
    from churnflow.modelling.encoding import as_columns  # noqa: PLC0415 - the peers' Python has it not
    from churnflow.steps.train import DEFAULT_MODELS  # noqa: PLC0415
    from churnflow.steps.train import train as fit  # noqa: PLC0415

    described = {"features": [{"name": name, "kind": kind} for name, kind in about["kinds"].items()]}
    schema = {"target": "target", "positive": "1", "negative": "0", "columns": []}
    limits = {"trials": 24, "budget": f"{int(about['budget'] * 0.4)}s", "prefer": prefer, "seed": about["seed"]}
    given: Any = {"models": (*extras, *DEFAULT_MODELS), **limits}
    result = fit(train.assign(target=target), schema, described, lambda *_: None, **given)
    model: Any = result.outputs["model"]
    claim: Any = result.metrics["cv_log_loss"]
    return model.score(as_columns(test, model.encoding)), claim.value


def _churnflow_catboost(train: pd.DataFrame, target: Any, test: pd.DataFrame, about: dict[str, Any]) -> Answer:
    return _churnflow(train, target, test, about, "catboost")


def _churnflow_simplest(train: pd.DataFrame, target: Any, test: pd.DataFrame, about: dict[str, Any]) -> Answer:
    """Fit as the workflow that `churnflow new` writes does: of the models that tie, the simplest."""
    return _churnflow(train, target, test, about, prefer="simplest")


def _autogluon(train: pd.DataFrame, target: Any, test: pd.DataFrame, about: dict[str, Any]) -> Answer:
    from autogluon.tabular import TabularPredictor  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as path:
        predictor = TabularPredictor(label="target", eval_metric="log_loss", path=path, verbosity=0)
        predictor.fit(train.assign(target=target), presets="best_quality", time_limit=about["budget"], num_cpus=2)
        claim = -float(predictor.leaderboard(silent=True).iloc[0]["score_val"])
        return predictor.predict_proba(test)[1], claim


def _flaml(train: pd.DataFrame, target: Any, test: pd.DataFrame, about: dict[str, Any]) -> Answer:
    from flaml import AutoML  # noqa: PLC0415

    found = AutoML()
    limits = {"time_budget": about["budget"], "n_jobs": 2, "eval_method": "cv", "verbose": 0}
    found.fit(_objects(train, about), target, task="classification", metric="log_loss", seed=about["seed"], **limits)
    return found.predict_proba(_objects(test, about))[:, 1], float(found.best_loss)


def _catboost(train: pd.DataFrame, target: Any, test: pd.DataFrame, about: dict[str, Any]) -> Answer:
    from catboost import CatBoostClassifier  # noqa: PLC0415

    named = [name for name, kind in about["kinds"].items() if kind == "category"]
    quiet = {"verbose": 0, "allow_writing_files": False}
    model = CatBoostClassifier(random_seed=about["seed"], thread_count=2, cat_features=named, **quiet)
    model.fit(_objects(train, about), target)
    return model.predict_proba(_objects(test, about))[:, 1], None


def _optuna_xgboost(train: pd.DataFrame, target: Any, test: pd.DataFrame, about: dict[str, Any]) -> Answer:
    """Search 50 trials of XGBoost, each cross-validated over five folds with early stopping."""
    import optuna  # noqa: PLC0415
    import xgboost  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    named = [name for name, kind in about["kinds"].items() if kind == "category"]
    both = pd.get_dummies(pd.concat([train, test], ignore_index=True), columns=named, dtype=float)
    data = xgboost.DMatrix(both.iloc[: len(train)], target)
    fixed = {"objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist", "nthread": 2}

    def objective(trial: Any) -> float:
        params = {
            "eta": trial.suggest_float("eta", 0.01, 0.3, log=True),
            "max_depth": trial.suggest_int("max_depth", 2, 9),
            "min_child_weight": trial.suggest_float("min_child_weight", 1, 30, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1),
            "reg_lambda": trial.suggest_float("reg_lambda", 0.01, 20, log=True),
        }
        stops = {"nfold": 5, "stratified": True, "early_stopping_rounds": 30, "seed": about["seed"]}
        course = xgboost.cv({**fixed, **params}, data, 1000, **stops)
        trial.set_user_attr("rounds", len(course))
        return float(course["test-logloss-mean"].iloc[-1])

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=about["seed"]))
    study.optimize(objective, n_trials=50, timeout=about["budget"])
    params = {**fixed, **study.best_params, "seed": about["seed"]}
    model = xgboost.train(params, data, study.best_trial.user_attrs["rounds"])
    return model.predict(xgboost.DMatrix(both.iloc[len(train) :])), float(study.best_value)


def _objects(table: pd.DataFrame, about: dict[str, Any]) -> pd.DataFrame:
    named = [name for name, kind in about["kinds"].items() if kind == "category"]
    return table.assign(**{name: table[name].fillna("missing").astype(object) for name in named})


TOOLS = {
    "churnflow": _churnflow,
    "churnflow_catboost": _churnflow_catboost,
    "churnflow_simplest": _churnflow_simplest,
    "autogluon": _autogluon,
    "flaml": _flaml,
    "catboost": _catboost,
    "optuna_xgboost": _optuna_xgboost,
}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
