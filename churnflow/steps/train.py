"""The step `train`: four kinds of model tried by cross-validation, and the simplest within noise of the best fitted."""

from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from churnflow import InputError, Issue, Measure, Progress, StepResult, reports
from churnflow.modelling.comparison import interval
from churnflow.modelling.families import ModelName
from churnflow.modelling.search import Folded, Outcome, Plan, deal, plain, search
from churnflow.modelling.selection import Choice, Contender, Final, Settings, choose, contend, fit_final, leaderboard
from churnflow.modelling.split import bound_rows, deal_folds
from churnflow.modelling.thresholds import Objective

PARITY_LIMIT = 1e-6
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@reports(
    "cv_roc_auc",
    "cv_roc_auc_sd",
    "cv_log_loss",
    "threshold",
    "trials",
    "trials_pruned",
    "models",
    "models_tied",
    "parity_max_abs_diff",
    "model_bytes",
)
def train(
    train: pd.DataFrame,
    schema: dict[str, Any],
    features: dict[str, Any],
    progress: Progress,
    models: tuple[ModelName, ...] = ("logistic_regression", "random_forest", "xgboost", "svm"),
    trials: Annotated[int, Field(ge=1, le=10_000)] = 50,
    folds: Annotated[int, Field(ge=2, le=20)] = 5,
    budget: Annotated[str, Field(pattern=r"^\d+[smh]$")] = "5m",
    objective: Objective = "f1",
    seed: int = 0,
) -> StepResult:
    """Search, choose and fit a model on the training part.

    Outputs: `model`, a PortableModel with its threshold; `leaderboard`, a dict. trials: in all, shared over the models.
    budget: seconds, minutes or hours after which no trial begins. objective: what the threshold is chosen for, on
    out-of-fold predictions of training rows. Models are compared by ROC AUC over the folds; of those within noise of
    the best the simplest is chosen. Rows that are equal, or of one id, fall into one fold. Raises InputError when a
    class has too few rows for the folds.
    """
    target = train[schema["target"]].to_numpy(dtype=np.int64)
    _check(target, models, folds)
    kinds = {column["name"]: column["kind"] for column in features["features"]}
    groups = bound_rows(train, list(kinds), schema.get("id"))
    folded = deal(train, kinds, target, deal_folds(groups, target, folds, seed))
    _check_folds(folded, folds)
    plan = Plan(tuple(dict.fromkeys(models)), trials, int(budget[:-1]) * _SECONDS[budget[-1]], seed)
    outcome = search(folded, plan, progress)
    contenders = {name: contend(candidate, folded) for name, candidate in outcome.best.items()}
    choice = choose(contenders)
    settings = Settings(choice.contender, objective, (schema["positive"], schema["negative"]), seed)
    final = fit_final(train, kinds, target, settings)
    return StepResult(
        outputs={"model": final.model, "leaderboard": leaderboard(contenders, choice, outcome, folded)},
        metrics={**_model_metrics(choice.contender, final, len(target)), **_search_metrics(outcome, choice)},
        facts={**_facts(contenders, choice, outcome), "threshold": _threshold(final, objective)},
        issues=[*_search_issues(outcome, plan), *_choice_issues(choice), *_parity_issues(final.parity)],
    )


def _check(target: np.typing.NDArray[np.int64], models: tuple[str, ...], folds: int) -> None:
    rarer = int(min(target.sum(), len(target) - target.sum()))
    if rarer < folds:
        message = f"the rarer class has {rarer} training rows, too few for {folds} folds"
        raise InputError(message, hint="give more customers, or fewer folds")
    if not models:
        message = "models names no model"
        raise InputError(message, hint="name at least one of logistic_regression, random_forest, xgboost, svm")


def _check_folds(folded: Folded, folds: int) -> None:
    whole = sum(len(np.unique(part.valid_target)) > 1 for part in folded.parts)
    if whole < folds:
        message = f"only {whole} of {folds} folds hold both classes, for equal rows stay together"
        raise InputError(message, hint="give fewer folds, or more customers that differ from each other")


def _search_metrics(outcome: Outcome, choice: Choice) -> dict[str, float | Measure]:
    return {
        "trials": outcome.done,
        "trials_pruned": outcome.pruned,
        "models": len(outcome.best),
        "models_tied": len(choice.tied),
    }


def _model_metrics(chosen: Contender, final: Final, rows: int) -> dict[str, float | Measure]:
    scores = chosen.candidate.scores
    mean, low, high = interval(scores)
    return {
        "cv_roc_auc": Measure(value=mean, low=max(0.0, low), high=min(1.0, high), n=rows),
        "cv_roc_auc_sd": Measure(value=float(np.std(scores, ddof=1)), n=len(scores)),
        "cv_log_loss": Measure(value=chosen.log_loss, n=rows),
        "threshold": final.model.threshold,
        "parity_max_abs_diff": Measure(value=final.parity, n=rows),
        "model_bytes": len(final.model.to_bytes()),
    }


def _facts(contenders: dict[str, Contender], choice: Choice, outcome: Outcome) -> dict[str, str]:
    ranked = sorted(contenders, key=lambda name: -contenders[name].candidate.mean)
    chosen = choice.contender.candidate
    runner_up = next((name for name in ranked if name != chosen.model), None)
    facts = {
        "chosen": f"{chosen.model}, ROC AUC {chosen.mean:.4f} over {len(chosen.scores)} folds",
        "best": f"{choice.best}, {contenders[choice.best].candidate.mean:.4f}",
        "tied": ", ".join(choice.tied) if len(choice.tied) > 1 else "no",
        "parameters": ", ".join(f"{key}={value}" for key, value in plain(chosen.params).items()),
        "seconds": ", ".join(f"{name} {outcome.seconds[name]:.1f}" for name in ranked),
        "selection": "best of the trials, so that the cross-validated scores are slightly optimistic",
    }
    if runner_up:
        facts["runner_up"] = f"{runner_up}, {contenders[runner_up].candidate.mean:.4f}"
    return facts


def _threshold(final: Final, objective: Objective) -> str:
    aim = "best F1" if objective == "f1" else f"fewest alarms at a recall of {objective.removeprefix('recall_')}"
    return f"{final.model.threshold:.4f}, {aim} on out-of-fold predictions of training rows"


def _search_issues(outcome: Outcome, plan: Plan) -> list[Issue]:
    issues = []
    if outcome.out_of_time:
        text = f"the search stopped at its budget after {outcome.done} of {plan.trials} trials; give a larger budget"
        issues.append(Issue(text=text))
    missed = [name for name in plan.models if name not in outcome.best]
    if missed:
        text = f"no trial was completed for {', '.join(missed)}; give more trials or a larger budget"
        issues.append(Issue(text=text, severity="warning"))
    return issues


def _choice_issues(choice: Choice) -> list[Issue]:
    chosen = choice.contender.candidate.model
    if len(choice.tied) == 1:
        return []
    others = ", ".join(name for name in choice.tied if name != chosen)
    return [Issue(text=f"tied: {chosen} and {others} differ by less than noise; {chosen} is the simplest of them")]


def _parity_issues(parity: float) -> list[Issue]:
    if parity <= PARITY_LIMIT:
        return []
    text = f"the stored model differs from its library by up to {parity:.1e} in probability; do not serve it"
    return [Issue(text=text, severity="critical")]
