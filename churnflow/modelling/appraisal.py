"""The ways of looking at a finished model: each adds figures, facts worth reading, and what is to be noticed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.baselines import single_feature_rule
from churnflow.modelling.bending import STRAIGHT
from churnflow.modelling.calibration_error import calibration_line, expected_calibration_error
from churnflow.modelling.columns import Floats
from churnflow.modelling.contest import IncomparableError, Opponent, compare, no_model, released_model
from churnflow.modelling.curves import all_curves, calibration_curve, profit_points
from churnflow.modelling.cv_optimism import cv_optimism
from churnflow.modelling.fairness import Gap, group_labels, group_rates, largest_gap
from churnflow.modelling.margins import sigmoid
from churnflow.modelling.metrics import (
    Estimate,
    Scored,
    bootstrap,
    brier_skill,
    confusion,
    kolmogorov_smirnov,
    loss_gain,
    measure,
    roc_auc,
)
from churnflow.modelling.profit import Campaign, expected_maximum_profit, profit_estimates
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.thresholds import described, missed, parse_objective

FEW_POSITIVES: Final = 30
MISCALIBRATED_FROM: Final = 0.03
GAPS: Final = {
    "recall_gap": "recall",
    "selection_gap": "selection",
    "fpr_gap": "fpr",
    "calibration_gap": "calibration",
    "roc_auc_gap": "roc_auc",
}
_ROUGH_DRAWS: Final = 200
_GUESSING: Final = 0.5
_LINE: Final = ("mean", "sd", "low", "high", "log_loss")


@dataclass(frozen=True)
class Case:
    """What is looked at: the model, both parts, the test part encoded, and both parts as the model scores them.

    campaign: what keeping a customer brings and costs, where that counts.
    """

    model: PortableModel
    train: pd.DataFrame
    test: pd.DataFrame
    matrix: Floats
    scored: Scored
    known: Scored
    seed: int
    campaign: Campaign | None = None

    @property
    def worth(self) -> Floats | None:
        """What each test row is worth to the campaign, (n,); None without one. Raises UsageError as `values` does."""
        return None if self.campaign is None else self.campaign.values(self.test)

    @property
    def gains(self) -> Floats | None:
        """The profit of contacting each test row, (n,); None without a campaign."""
        values = self.worth
        return None if self.campaign is None or values is None else self.campaign.gains(self.scored.target, values)

    @property
    def rate(self) -> float:
        """The share of positives in the training part, which is the base rate."""
        return float(self.known.target.mean())


@dataclass(frozen=True)
class Notice:
    """Something that a reviewer has to know."""

    text: str
    severity: Literal["note", "warning", "critical"] = "note"


@dataclass(frozen=True)
class Part:
    """What one way of looking adds: to the evaluation as JSON values, to metrics, to facts, and to issues."""

    evaluation: Mapping[str, Any] = field(default_factory=dict)
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    notices: Sequence[Notice] = ()


def measured(case: Case) -> Part:
    """Return the metrics on the test part beside training part and base rate, and the curves."""
    scored, base = case.scored, np.full(len(case.scored.target), case.rate)
    estimates = {
        **measure(scored, case.seed),
        "ks": kolmogorov_smirnov(scored, case.seed),
        "train_roc_auc": bootstrap(case.known, {"roc_auc": roc_auc}, case.seed, _ROUGH_DRAWS)["roc_auc"],
        "log_loss_gain": loss_gain(scored.target, scored.probabilities, base, case.seed),
        **bootstrap(scored, {"brier_skill": brier_skill(case.rate)}, case.seed),
    }
    evaluation = {
        "model": case.model.name,
        "n_test": len(scored.target),
        "n_train": len(case.known.target),
        "positive": case.model.positive,
        "negative": case.model.negative,
        "threshold": case.model.threshold,
        "confusion": confusion(scored),
        **all_curves(scored),
        "baseline": {"probability": case.rate, "log_loss_gain": asdict(estimates["log_loss_gain"])},
    }
    return Part(evaluation, estimates, notices=_of_use(estimates, int(scored.target.sum())))


def _of_use(estimates: Mapping[str, Estimate], positives: int) -> list[Notice]:
    notices, gain = [], estimates["log_loss_gain"]
    if gain.value <= 0:
        how = f"{-gain.value:.2g} higher" if gain.value else "the same"
        text = f"the model predicts no better than the base rate (its log loss is {how})"
        notices.append(Notice(f"{text}; find features that say more", "critical"))
    elif gain.low <= 0 or estimates["roc_auc"].low <= _GUESSING:
        text = "the model is within noise of guessing on the test part; find features that say more"
        notices.append(Notice(text, "warning"))
    if positives < FEW_POSITIVES:
        text = f"only {positives} positives in the test part: intervals are wide; give more customers"
        notices.append(Notice(text, "warning"))
    return notices


def calibrated(case: Case) -> Part:
    """Return whether probabilities mean what they say, and the curve before the model calibrates them, if it does."""
    scored = case.scored
    ece = expected_calibration_error(scored.probabilities, scored.target, case.seed)
    line = calibration_line(scored.probabilities, scored.target)
    lines = {"calibration_slope": line.slope, "calibration_intercept": line.intercept}
    estimates = {"ece": ece, **{name: value for name, value in lines.items() if value is not None}}
    evaluation = {}
    if case.model.calibration != (1.0, 0.0) or case.model.curve != STRAIGHT:
        raw = Scored.at(sigmoid(case.model.margin(case.matrix)), scored.target, case.model.threshold)
        evaluation["calibration_before"] = calibration_curve(raw)
    slope = "slope not determined" if line.slope is None else f"slope {shown(line.slope)}, 1 is right"
    notices = []
    if ece.low > MISCALIBRATED_FROM:
        text = f"predicted and observed rates are {ece.value:.3f} apart on average, at least {ece.low:.3f} beyond noise"
        notices.append(Notice(f"{text}; calibrate the model before its probabilities are used", "warning"))
    return Part(evaluation, estimates, {"calibration": f"error {shown(ece)}; {slope}"}, notices)


def promised(case: Case, leaderboard: Mapping[str, Any], tested: Mapping[str, Estimate]) -> Part:
    """Return how the model did over the training folds, and by how much that looked better than the test part."""
    line: Mapping[str, Any] = next((one for one in leaderboard["models"] if one["model"] == case.model.name), {})
    found = cv_optimism(line, tested)
    facts = {}
    if "cv_optimism" in found:
        apart = found["cv_optimism"]
        way = "above" if apart.value > 0 else "below"
        facts["optimism"] = f"cross-validated ROC AUC {abs(apart.value):.3f} {way} the test part, {interval(apart)}"
    return Part({"cross_validated": {key: line[key] for key in _LINE if key in line}}, found, facts)


def ruled(case: Case, kinds: Mapping[str, str]) -> Part:
    """Return how much lower the log loss is than that of the best rule over one feature. kinds: of each feature."""
    rule = single_feature_rule(case.train, case.known.target, case.test, kinds)
    gain = loss_gain(case.scored.target, rule.probabilities, case.scored.probabilities, case.seed)
    gain = Estimate(-gain.value, -gain.high, -gain.low, gain.n)
    alone = Scored.at(rule.probabilities, case.scored.target, case.model.threshold)
    ranks = bootstrap(alone, {"roc_auc": roc_auc}, case.seed, _ROUGH_DRAWS)["roc_auc"]
    told = {"feature": rule.feature, "roc_auc": asdict(ranks), "log_loss_gain": asdict(gain)}
    facts = {"single feature": f"{rule.feature} alone has ROC AUC {shown(ranks)}; log loss of the model {_by(gain)}"}
    notices = []
    if gain.value <= 0:
        notices.append(Notice(f"a table of rates by {rule.feature} alone predicts as well as the model", "warning"))
    return Part({"single_feature": told}, {"rule_log_loss_gain": gain}, facts, notices)


def profitable(case: Case) -> Part:
    """Return the profit per customer of the campaign as decided, at best, and by share of customers contacted."""
    scored, campaign, values, gains = case.scored, case.campaign, case.worth, case.gains
    if campaign is None or values is None or gains is None:
        return Part()
    estimates = profit_estimates(scored, campaign, values, case.seed)
    best = expected_maximum_profit(
        scored.probabilities, campaign.saved(scored.target, values), campaign.outlay(scored.target), campaign.accepted
    )
    share = float(scored.decisions.mean())
    told = {
        "campaign": campaign.as_json(),
        "curve": profit_points(scored, gains),
        "decided": {"share": share, "profit": estimates["profit"].value},
        "empc_share": best.share,
    }
    facts = {"profit": f"{shown(estimates['profit'])} per customer, {share:.1%} of them contacted"}
    notices = []
    if not scored.decisions.any():
        notices.append(
            Notice("at its threshold the model contacts nobody: no contact pays on training rows", "warning")
        )
    elif estimates["profit"].low <= 0:
        notices.append(Notice("the campaign may earn nothing: its profit is within noise of none", "warning"))
    return Part({"profit": told}, estimates, facts, notices)


def decided(case: Case, objective: Any) -> Part:
    """Return what the threshold was chosen for, and whether a wanted recall or precision is missed beyond noise.

    objective: as the leaderboard holds it, None where that is not known.
    """
    try:
        aim = f", for {described(parse_objective(objective))}"
    except ValueError:
        aim = ""
    facts = {"threshold": f"{case.model.threshold:.4f}, chosen on training folds{aim}"}
    return Part(facts=facts, notices=[Notice(text, "warning") for text in missed(objective, case.scored)])


def contested(case: Case, release: tuple[str, Mapping[str, bytes]] | None) -> Part:
    """Return the model against a release (version and files), or against the base rate where no version is given."""
    if release is None:
        return Part()
    version, files = release
    try:
        theirs = _opponent(case, version, files)
    except IncomparableError as error:
        text = f"the released model {version} could not be compared: {error}"
        return Part(facts={"released": text}, notices=[Notice(text, "warning")])
    found = compare(case.scored, theirs, case.gains, case.seed)
    rows, loss = int(theirs.unseen.sum()), found["log_loss"]
    name = f"the released model {version}" if version else "no model"
    better = "lower" if loss.value <= 0 else "higher"
    text = f"log loss {abs(loss.value):.2g} {better} than of {name} {interval(loss)}, p = {loss.p:.2g}"
    who = f"{rows:,} customers" + (" that neither was trained on" if version and not theirs.caveat else "")
    notices = []
    if version and loss.low > 0:
        notices.append(Notice(f"{name} predicts better: {text}", "warning"))
    if theirs.caveat:
        notices.append(Notice(f"compared with {name} on {rows:,} customers: {theirs.caveat}"))
    told = {
        "version": version or None,
        "rows": rows,
        "left_out": len(theirs.unseen) - rows,
        "caveat": theirs.caveat,
        "differences": {key: asdict(value) for key, value in found.items()},
    }
    metrics = {f"vs_released_{key}": value for key, value in found.items()}
    return Part({"released": told}, metrics, {"released": f"{text}, on {who}"}, notices)


def _opponent(case: Case, version: str, files: Mapping[str, bytes]) -> Opponent:
    if not version:
        return no_model(case.rate, case.scored.target)
    return released_model(files, case.test, case.scored.target, case.model.positive)


def grouped(case: Case, columns: Sequence[str]) -> Part:
    """Return the rates of the groups of each column, and the gaps between them. Raises UsageError for no column."""
    names = metric_names(columns)
    rates: list[dict[str, Any]] = []
    gaps: dict[str, Estimate] = {}
    for name, suffix in names.items():
        if name not in case.test.columns:
            message = f"groups names {name!r}, which is no column of the test part"
            raise UsageError(message, hint=f"columns: {', '.join(map(str, case.test.columns))}")
        labels = group_labels(case.test[name])
        rates += group_rates(name, labels, case.scored)
        gaps |= _named(suffix, largest_gap(labels, case.scored, case.seed))
    metrics = {f"{gap}_{suffix}": name for name, suffix in names.items() for gap in GAPS}
    return Part({"groups": rates, "group_metrics": metrics}, gaps)


def metric_names(columns: Sequence[str]) -> dict[str, str]:
    """Return how each column is written in the name of a metric, no two of them alike."""
    names: dict[str, str] = {}
    for column in dict.fromkeys(columns):
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", column)
        forms = (plain if number == 1 else f"{plain}_{number}" for number in count(1))
        names[column] = next(form for form in forms if form not in names.values())
    return names


def _named(suffix: str, gap: Gap) -> dict[str, Estimate]:
    every = {f"{name}_{suffix}": getattr(gap, of) for name, of in GAPS.items()}
    return {name: estimate for name, estimate in every.items() if estimate is not None}


def shown(estimate: Estimate) -> str:
    """Return a value with its interval, in three significant digits."""
    return f"{estimate.value:.3g} {interval(estimate)}"


def interval(estimate: Estimate) -> str:
    """Return the 95% interval in brackets."""
    return f"[{estimate.low:.3g}, {estimate.high:.3g}]"


def _by(gain: Estimate) -> str:
    return f"{'lower' if gain.value > 0 else 'higher'} by {abs(gain.value):.3g}, {interval(gain)}"
