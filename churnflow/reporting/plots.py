"""The figures of the report, drawn from the evaluation and the leaderboard; what was not measured is left out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from churnflow.reporting.svg import BLUE, GREEN, GREY, ORANGE, SHADES, Plot, cells, shortened

Values = Mapping[str, Any]

CAPTIONS: Final[Mapping[str, str]] = {
    "roc.svg": "Receiver operating characteristic on the test part, against chance",
    "precision-recall.svg": "Precision against recall on the test part, against the share of positives",
    "calibration.svg": "Observed against predicted share of positives with 95% intervals, after and before calibration",
    "confusion.svg": "Confusion matrix on the test part at the decision threshold",
    "threshold.svg": "Precision, recall and F1 on the test part by threshold, with the one that was chosen",
    "profit.svg": "Profit per customer by the share of customers contacted, highest scores first",
    "importance.svg": "Permutation importance: how much the ROC AUC drops when one column is shuffled",
    "shap.svg": "Shapley values: what a column adds to a customer's log odds, before any curve, coloured by its value",
    "groups.svg": "Share of positives found, and of negatives falsely marked, in each group, with 95% intervals",
    "gains.svg": "Gains: share of all positives among the customers with the highest scores",
    "lift.svg": "Lift: how many times more positives than at random among the highest scores",
    "leaderboard.svg": "Cross-validated ROC AUC of each model with its interval",
}
MOST_BARS: Final = 12
LONGEST_LABEL: Final = 24
LONGEST_CLASS: Final = 16
EVALUATION: Final = "churnflow/evaluation@1"
LEADERBOARD: Final = "churnflow/leaderboard@1"


def plots(evaluation: Values, leaderboard: Values) -> dict[str, str]:
    """Return the figures as SVG by file name, in the order of `CAPTIONS`.

    What does not name the schema that is drawn here is somebody else's, and left alone.
    """
    evaluation = evaluation if evaluation.get("schema") == EVALUATION else {}
    leaderboard = leaderboard if leaderboard.get("schema") == LEADERBOARD else {}
    makers: Mapping[str, Callable[[], str | None]] = {
        "roc.svg": lambda: _roc(evaluation.get("roc", {})),
        "precision-recall.svg": lambda: _precision_recall(evaluation),
        "calibration.svg": lambda: _calibration(evaluation),
        "confusion.svg": lambda: _confusion(evaluation),
        "threshold.svg": lambda: _threshold(evaluation),
        "profit.svg": lambda: _profit(evaluation.get("profit", {})),
        "importance.svg": lambda: _importance(evaluation.get("importance", [])),
        "shap.svg": lambda: _shap(evaluation.get("shap", {})),
        "groups.svg": lambda: _groups(evaluation.get("groups", [])),
        "gains.svg": lambda: _gains(evaluation.get("lift", [])),
        "lift.svg": lambda: _lift(evaluation.get("lift", [])),
        "leaderboard.svg": lambda: _leaderboard(leaderboard),
    }
    drawn = {name: make() for name, make in makers.items()}
    return {name: text for name, text in drawn.items() if text is not None}


def _roc(curve: Values) -> str | None:
    points = list(zip(curve.get("fpr", []), curve.get("tpr", []), strict=False))
    if not points:
        return None
    plot = Plot("ROC curve", "false positive rate", "true positive rate (recall)")
    plot.line([(0, 0), (1, 1)], GREY, name="chance", dashed=True)
    plot.line(points, name="model")
    return plot.svg()


def _precision_recall(evaluation: Values) -> str | None:
    curve = evaluation.get("pr", {})
    points = list(zip(curve.get("recall", []), curve.get("precision", []), strict=False))
    if not points:
        return None
    plot = Plot("Precision and recall", "recall", "precision")
    counts = evaluation.get("confusion", {})
    total = sum(counts.values())
    if total:
        share = (counts["tp"] + counts["fn"]) / total
        plot.line([(0, share), (1, share)], GREY, name="share of positives", dashed=True)
    plot.line(points, name="model")
    return plot.svg()


def _calibration(evaluation: Values) -> str | None:
    bins, before = evaluation.get("calibration", []), evaluation.get("calibration_before", [])
    if not bins:
        return None
    plot = Plot("Calibration", "predicted probability", "observed share of positives")
    plot.line([(0, 0), (1, 1)], GREY, name="perfect", dashed=True)
    for each in before:
        plot.point((each["predicted"], each["observed"]), None, GREY)
    for each in bins:
        plot.point((each["predicted"], each["observed"]), (each["low"], each["high"]))
    if before:
        plot.named("before calibration", GREY)
        plot.named("as served", BLUE)
    return plot.svg()


def _confusion(evaluation: Values) -> str | None:
    counts = evaluation.get("confusion")
    if not counts:
        return None
    named = (evaluation.get("positive", "positive"), evaluation.get("negative", "negative"))
    positive, negative = (shortened(str(name), LONGEST_CLASS) for name in named)
    title = f"Confusion at the threshold {evaluation.get('threshold', 0.5):.3f}"
    rows = [(f"was {positive}", [counts["tp"], counts["fn"]]), (f"was {negative}", [counts["fp"], counts["tn"]])]
    return cells(title, [f"predicted {positive}", f"predicted {negative}"], rows)


def _importance(features: Sequence[Values]) -> str | None:
    top = sorted(features, key=lambda each: (-each["mean"], each["feature"]))[:MOST_BARS]
    if not top:
        return None
    low = min(0.0, *(each["low"] for each in top), 0.0)
    high = max(0.001, *(max(each["mean"], each["high"]) for each in top))
    plot = Plot("Permutation importance", "drop of ROC AUC", "", x=(low * 1.05, high * 1.05), left=168)
    for place, each in enumerate(top):
        label = shortened(str(each["feature"]), LONGEST_LABEL)
        plot.bar((place, len(top)), label, each["mean"], (each["low"], each["high"]))
    return plot.svg(y_ticks=False)


def _threshold(evaluation: Values) -> str | None:
    curve = evaluation.get("thresholds", {})
    rows = list(zip(*(curve.get(key, []) for key in ("threshold", "precision", "recall")), strict=False))
    if not rows:
        return None
    plot = Plot("Threshold", "threshold", "precision, recall, F1")
    plot.line([(at, precision) for at, precision, _ in rows], ORANGE, name="precision")
    plot.line([(at, recall) for at, _, recall in rows], BLUE, name="recall")
    plot.line([(at, _f1(precision, recall)) for at, precision, recall in rows], GREEN, name="F1")
    if "threshold" in evaluation:
        plot.upright(evaluation["threshold"], name=f"chosen: {evaluation['threshold']:.3f}")
    return plot.svg(legend="title")


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _profit(profit: Values) -> str | None:
    curve = profit.get("curve", {})
    points = list(zip(curve.get("share", []), curve.get("profit", []), strict=False))
    if not points:
        return None
    low, high = min(value for _, value in points), max(value for _, value in points)
    room = 0.08 * (high - low) or 1.0
    plot = Plot("Profit", "share of customers contacted", "profit per customer", y=(low - room, high + room))
    plot.line([(0, 0), (1, 0)], GREY, name="nobody", dashed=True)
    plot.line(points, name="model")
    plot.point((profit["decided"]["share"], profit["decided"]["profit"]), None, ORANGE)
    plot.named(f"as decided: {profit['decided']['profit']:.4g}", ORANGE)
    return plot.svg(legend="title")


def _shap(shap: Values) -> str | None:
    drawn = [each for each in shap.get("features", []) if each.get("values")][:MOST_BARS]
    if not drawn:
        return None
    low, high = (end(value for each in drawn for value in each["values"]) for end in (min, max))
    room = 0.05 * (high - low) or 1.0
    plot = Plot("Shapley values", "added to the log odds", "", x=(low - room, high + room), left=168)
    plot.upright(0.0)
    for place, each in enumerate(drawn):
        points = [(value, _shade(rank)) for value, rank in zip(each["values"], each["ranks"], strict=True)]
        plot.swarm((place, len(drawn)), shortened(str(each["feature"]), LONGEST_LABEL), points)
    for name, colour in (("low value", SHADES[0]), ("high value", SHADES[-1]), ("category", GREY)):
        plot.named(name, colour)
    return plot.svg(y_ticks=False, legend="title")


def _shade(rank: float | None) -> str:
    return GREY if rank is None else SHADES[min(int(rank * len(SHADES)), len(SHADES) - 1)]


def _groups(groups: Sequence[Values]) -> str | None:
    known = [each for each in groups if {"recall", "false_positive_rate"} <= each.keys()][:MOST_BARS]
    if not known:
        return None
    plot = Plot("Groups", "share of the group", "", left=168)
    for place, each in enumerate(known):
        label = shortened(f"{each['column']}: {each['group']}", LONGEST_LABEL)
        for half, (rate, colour) in enumerate((("recall", BLUE), ("false_positive_rate", ORANGE))):
            bounds = (each[f"{rate}_low"], each[f"{rate}_high"])
            row = (2 * place + half, 2 * len(known))
            plot.dot(row, "" if half else label, each[rate], bounds, colour)
    plot.named("positives found", BLUE)
    plot.named("negatives marked", ORANGE)
    return plot.svg(y_ticks=False, legend="title")


def _gains(steps: Sequence[Values]) -> str | None:
    points = [(each["share"], each["captured"]) for each in steps if "captured" in each]
    if not points:
        return None
    plot = Plot("Gains", "share of customers contacted, highest scores first", "share of all positives")
    plot.line([(0, 0), (1, 1)], GREY, name="at random", dashed=True)
    plot.line([(0, 0), *points], name="model")
    return plot.svg()


def _lift(steps: Sequence[Values]) -> str | None:
    if not steps:
        return None
    high = max(each["lift"] for each in steps)
    plot = Plot("Lift", "share of customers contacted, highest scores first", "lift", y=(0.0, max(2.0, high * 1.1)))
    start = 0.0
    for each in steps:
        plot.column(((start + each["share"]) / 2, each["lift"]), 0.8 * (each["share"] - start))
        start = each["share"]
    plot.line([(0, 1), (1, 1)], ORANGE, name="at random", dashed=True)
    return plot.svg(legend="top")


def _leaderboard(leaderboard: Values) -> str | None:
    ranked = sorted(leaderboard.get("models", []), key=lambda each: (-each["mean"], each["model"]))
    if not ranked:
        return None
    bounds = [(each.get("low", each["mean"]), each.get("high", each["mean"])) for each in ranked]
    low, high = min(each[0] for each in bounds), max(each[1] for each in bounds)
    margin = max(0.01, (high - low) * 0.2)
    plot = Plot("Models, cross-validated", "ROC AUC", "", x=(max(0.0, low - margin), min(1.0, high + margin)), left=200)
    for place, (each, bound) in enumerate(zip(ranked, bounds, strict=True)):
        chosen = " (chosen)" if each["model"] == leaderboard.get("chosen") else ""
        plot.dot((place, len(ranked)), f"{each['model']}{chosen}", each["mean"], bound)
    return plot.svg(y_ticks=False)
