"""The step `train`: models tried by cross-validation, blended, and the simplest within noise of the best fitted."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from churnflow import InputError, Issue, Measure, Progress, StepResult, precheck, reports
from churnflow.modelling.bending import STRAIGHT
from churnflow.modelling.comparison import interval
from churnflow.modelling.embedding import embedded_rows, told_embedded
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.families import RECIPES, ModelName
from churnflow.modelling.final_fit import Final, Settings, fit_final, worth
from churnflow.modelling.fitting import Weighting
from churnflow.modelling.foresight import missing_extras
from churnflow.modelling.leaderboard import leaderboard
from churnflow.modelling.search import Folded, Outcome, Plan, deal, plain, search
from churnflow.modelling.selection import Choice, Contender, Preference, choose, contenders_of
from churnflow.modelling.split import Dealt, Ints, folds_for
from churnflow.modelling.thresholds import Objective, as_json, assumed, described
from churnflow.modelling.workers import open_workers

PARITY_LIMIT = 1e-6
DEFAULT_MODELS: tuple[ModelName, ...] = ("logistic_regression", "random_forest", "extra_trees", "xgboost", "svm")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@reports(
    "cv_roc_auc",
    "cv_roc_auc_sd",
    "cv_log_loss",
    "selection_optimism",
    "threshold",
    "trials",
    "trials_pruned",
    "models",
    "models_tied",
    "parity_max_abs_diff",
    "model_bytes",
    "embedded_rows",
)
@precheck(missing_extras)
def train(
    train: pd.DataFrame,
    schema: dict[str, Any],
    features: dict[str, Any],
    progress: Progress,
    models: tuple[ModelName, ...] = DEFAULT_MODELS,
    trials: Annotated[int, Field(ge=1, le=10_000)] = 50,
    folds: Annotated[int, Field(ge=2, le=20)] = 5,
    budget: Annotated[str, Field(pattern=r"^\d+[smh]$", description="a time such as 90s, 5m or 2h")] = "5m",
    objective: Objective = "f1",
    weights: Weighting = "none",
    blend: bool = True,  # noqa: FBT001, FBT002 - a switch of the workflow, given by name
    prefer: Preference = "simplest",
    cluster: str | None = None,
    seed: int = 0,
) -> StepResult:
    """Search, choose and fit a model on the training part.

    Outputs: `model`, a PortableModel with its threshold; `leaderboard`, a dict; `out_of_fold`, a frame. trials: in all,
    shared over the models. budget: time after which no trial begins. objective: what the threshold is chosen for.
    weights: `balanced` lets both classes weigh the same in training; probabilities are corrected for it. blend: whether
    a weighted sum of the models is one more to choose from. prefer: the simplest model whose out-of-fold log loss is
    within noise of the best, or the best, which is the blend where that is within noise. cluster: address of a Dask
    scheduler; the result is the same. cv_log_loss: out-of-fold, with `selection_optimism`, by which picking the best
    makes it too low, added. Raises InputError when a class has too few rows for the folds.
    """
    target = train[schema["target"]].to_numpy(dtype=np.int64)
    kinds = {column["name"]: column["kind"] for column in features["features"]}
    _check(target, models, folds)
    worth(objective, train)
    dealt = _checked(folds_for(train, schema, target, folds, seed), target, folds)
    folded = deal(train, kinds, target, dealt, weights)
    plan = Plan(tuple(dict.fromkeys(models)), trials, int(budget[:-1]) * _SECONDS[budget[-1]], seed)
    with open_workers(folded.parts, cluster) as workers:
        outcome = search(folded, plan, progress, workers)
    contenders = contenders_of(outcome, folded, blend=blend)
    found = _Found(folded, plan, outcome, contenders, choose(contenders, outcome, folded, prefer))
    labels = (schema["positive"], schema["negative"])
    made = Settings(found.choice.contender, objective, labels, seed, weights, dealt.groups)
    return _result(found, fit_final(train, kinds, target, made), objective, train)


@dataclass(frozen=True)
class _Found:
    """What the search came to: the plan it kept to, all contenders, and the choice among them."""

    folded: Folded
    plan: Plan
    outcome: Outcome
    contenders: dict[str, Contender]
    choice: Choice


def _embedded(train: pd.DataFrame, final: Final) -> int:
    encoding = final.model.encoding
    return embedded_rows(final.model.arrays, encoding.encode(as_columns(train, encoding)).matrix)


def _result(found: _Found, final: Final, objective: Objective, train: pd.DataFrame) -> StepResult:
    embedded = _embedded(train, final)
    choice, outcome, contenders = found.choice, found.outcome, found.contenders
    target = found.folded.target
    board = {
        **leaderboard(contenders, choice, outcome, found.folded),
        "objective": as_json(objective),
        "embedded_rows": embedded,
    }
    return StepResult(
        outputs=_outputs(final, choice.contender, target, board),
        metrics={
            **_model_metrics(choice, final, len(target)),
            **_search_metrics(outcome, choice),
            "embedded_rows": Measure(value=embedded, n=len(target)),
        },
        facts={
            **_facts(contenders, choice, outcome),
            "threshold": _threshold(final, objective),
            "customers in the model": told_embedded(embedded, len(target)),
            **assumed(objective),
        },
        issues=[
            *_search_issues(outcome, found.plan),
            *_choice_issues(choice),
            *_parity_issues(final.parity),
            *_embedded_issues(embedded, len(target)),
        ],
    )


def _check(target: np.typing.NDArray[np.int64], models: tuple[str, ...], folds: int) -> None:
    rarer = int(min(target.sum(), len(target) - target.sum()))
    if rarer < folds:
        message = f"the rarer class has {rarer} training rows, too few for {folds} folds"
        raise InputError(message, hint="give more customers, or fewer folds")
    if not models:
        message = "models names no model"
        raise InputError(message, hint=f"name at least one of {', '.join(RECIPES)}")


def _checked(dealt: Dealt, target: Ints, folds: int) -> Dealt:
    """Return the rows as dealt, if all folds hold both classes. Raises InputError when one does not."""
    whole = sum(0 < target[dealt.folds == fold].sum() < (dealt.folds == fold).sum() for fold in range(folds))
    if whole < folds:
        message = f"only {whole} of {folds} folds hold both classes, for equal rows stay together"
        raise InputError(message, hint="give fewer folds, or more customers that differ from each other")
    return dealt


def _outputs(final: Final, chosen: Contender, target: Ints, board: dict[str, Any]) -> dict[str, object]:
    """Return what the step hands on.

    `out_of_fold` tells of the training rows what `evaluate` tells of the test rows, each as scored by a model that has
    not seen it.
    """
    model = final.model
    out_of_fold = pd.DataFrame(
        {
            "row": np.arange(1, len(target) + 1),
            "label": np.where(target == 1, model.positive, model.negative),
            "probability": chosen.probabilities,
            "decision": np.where(chosen.probabilities >= model.threshold, model.positive, model.negative),
        }
    )
    return {"model": model, "leaderboard": board, "out_of_fold": out_of_fold}


def _search_metrics(outcome: Outcome, choice: Choice) -> dict[str, float | Measure]:
    return {
        "trials": outcome.done,
        "trials_pruned": outcome.pruned,
        "models": len(outcome.best),
        "models_tied": len(choice.tied),
    }


def _model_metrics(choice: Choice, final: Final, rows: int) -> dict[str, float | Measure]:
    chosen = choice.contender
    scores = chosen.candidate.scores
    mean, low, high = interval(scores)
    loss = chosen.log_loss + choice.optimism
    middle, below, _ = interval(chosen.fold_losses)
    half = middle - below
    return {
        "cv_roc_auc": Measure(value=mean, low=max(0.0, low), high=min(1.0, high), n=rows),
        "cv_log_loss": Measure(value=loss, low=max(0.0, loss - half), high=loss + half, n=rows),
        "cv_roc_auc_sd": Measure(value=float(np.std(scores, ddof=1)), n=len(scores)),
        "selection_optimism": Measure(value=choice.optimism, n=rows),
        "threshold": final.model.threshold,
        "parity_max_abs_diff": Measure(value=final.parity, n=rows),
        "model_bytes": len(final.model.to_bytes()),
    }


def _facts(contenders: dict[str, Contender], choice: Choice, outcome: Outcome) -> dict[str, str]:
    ranked = sorted(contenders, key=lambda name: contenders[name].log_loss)
    chosen = choice.contender.candidate
    runner_up = next((name for name in ranked if name != chosen.model), None)
    facts = {
        "chosen": f"{chosen.model}, {_scores(choice.contender)} over {len(chosen.scores)} folds",
        "best": f"{choice.best}, {_scores(contenders[choice.best])}",
        "tied": ", ".join(choice.tied) if len(choice.tied) > 1 else "no",
        "parameters": ", ".join(f"{key}={_listed(value)}" for key, value in plain(chosen.params).items()),
        "seconds": ", ".join(f"{name} {spent:.1f}" for name, spent in outcome.seconds.items()),
        "calibrated by": _calibration(choice.contender),
        "selection": f"best of {len(outcome.tried)} candidates: {choice.optimism:.4f} added to its log loss for that",
    }
    if runner_up:
        facts["runner_up"] = f"{runner_up}, {_scores(contenders[runner_up])}"
    return facts


def _calibration(contender: Contender) -> str:
    lines = ["Platt's line"] if contender.calibration[0] != 1 else []
    lines += ["the weights of the blend"] if contender.members else []
    curves = ["a curve, which was better than noise"] if contender.curve != STRAIGHT else []
    return " and ".join([*lines, *curves]) or "nothing: no calibration was better"


def _scores(contender: Contender) -> str:
    return f"log loss {contender.log_loss:.4f}, ROC AUC {contender.candidate.mean:.4f}"


def _listed(value: Any) -> str:
    return " + ".join(value) if isinstance(value, list) else str(value)


def _threshold(final: Final, objective: Objective) -> str:
    return f"{final.model.threshold:.4f}, {described(objective)} on out-of-fold predictions of training rows"


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
    return [Issue(text=f"tied: {chosen} and {others} differ by less than noise; {chosen} is {choice.why} of them")]


def _embedded_issues(embedded: int, rows: int) -> list[Issue]:
    if not embedded:
        return []
    text = f"the stored model holds customers: {told_embedded(embedded, rows)}; keep it where the table may be kept"
    return [Issue(text=text, severity="critical", about="customers in the model")]


def _parity_issues(parity: float) -> list[Issue]:
    if parity <= PARITY_LIMIT:
        return []
    text = f"the stored model differs from its library by up to {parity:.1e} in probability; do not serve it"
    return [Issue(text=text, severity="critical")]
