"""The step that says what is to be done about what was found: nothing, roll back, train again, label, or look."""

from collections.abc import Iterator

from churnflow import Evidence, StepResult, reports
from churnflow.modelling.sufficiency import NOT_TOLD

_GOES_ON = "the release goes on serving"
_KEEP = f"nothing: {_GOES_ON}"
_ROLLBACK = "roll back, for {0} did better in the same window: `churnflow rollback {0}`"
_RETRAIN = "train again, for the model has become worse: `churnflow plan --new`"
_LABEL = "tell outcomes, for only they say whether the model still holds: `churnflow monitor --labels FILE`"
_SERVICE = "see why the service fails or stands still; the log of `churnflow serve` says what happened"
_SOURCE = "mend the source of the columns that the reasons name; if they stay so, train again: `churnflow plan --new`"
_LABEL_NEWEST = (
    "tell outcomes of customers from {} on: there they have drifted, and how the model does is not measured: "
    "`churnflow monitor --labels FILE`"
)
_WATCH = (
    "see why customers have changed; as measured, also where they have, the model still holds: "
    "`churnflow monitor` again next week"
)
_ROOM = "see that the disk or database of the predictions log has room: some predictions are not in it"
_SILENT = "see whether anybody still asks it: no prediction lies in the window"
_MEASURE = "tell outcomes as they arrive, for how it does is not measured: `churnflow monitor --labels FILE`"
_WAIT = "there is too little to tell by yet: `churnflow monitor` again once there is more"
_LIMIT = "look at what the reasons name: a limit of this workflow does not hold"
_FEWEST = 50


@reports("watched_parts", "unjudged_parts")
def advise(evidence: Evidence) -> StepResult:
    """Name the one next action that the watching steps lead to, as the fact `next_action_fix` that the gate takes up.

    A release that did worse than the one before it in the same window is rolled back; one that became worse than it was
    on its test part is trained again; where drift shows and too few outcomes are known to tell whether it matters,
    these are asked for. watched_parts: how many steps have looked for something; unjudged_parts: of these, those that
    had too little to judge by.
    """
    action = _action(evidence)
    calm = action or _unjudged(evidence)
    done = {"fix": action or _LIMIT, "rework": action or _LIMIT, "ship": f"{_GOES_ON}; {calm}" if calm else _KEEP}
    judged = [record.metrics["judged"].value for record in evidence.steps if "judged" in record.metrics]
    return StepResult(
        metrics={"watched_parts": len(judged), "unjudged_parts": judged.count(0)},
        facts={f"next_action_{verdict}": text for verdict, text in done.items()},
    )


def _action(evidence: Evidence) -> str:
    return next((action for holds, action in _actions(evidence) if holds), "")


def _actions(evidence: Evidence) -> Iterator[tuple[bool, str]]:
    """Yield whether each action is called for, the most pressing first."""
    better = _fact(evidence, "better_before")
    since = _fact(evidence, "drifted since")
    lost, troubles = (_value(evidence, name) > 0 for name in ("lost_predictions", "troubles"))
    unseen = _drifted(evidence) and not _judged(evidence)
    yield from (
        (bool(better), _ROLLBACK.format(better)),
        (_value(evidence, "dropped_metrics") > 0, _RETRAIN),
        (troubles or (_warned(evidence, "churn.watch_service") and not lost), _SERVICE),
        (_value(evidence, "degraded_columns") > 0, _SOURCE),
        (unseen and bool(since), _LABEL_NEWEST.format(since)),
        (unseen, _LABEL),
        (_warned(evidence, "churn.watch_performance"), _LABEL),
        (_drifted(evidence), _WATCH),
        (lost, _ROOM),
        (_value(evidence, "predictions", 1.0) == 0, _SILENT),
    )


def _unjudged(evidence: Evidence) -> str:
    """Return what brings more to judge by: outcomes where these alone are wanting, else time."""
    wanting = {record.uses for record in evidence.steps if NOT_TOLD in record.facts}
    if not wanting:
        return ""
    return _MEASURE if wanting == {"churn.watch_performance"} else _WAIT


def _drifted(evidence: Evidence) -> bool:
    return _value(evidence, "drifted_features") + _value(evidence, "score_drifted") > 0


def _judged(evidence: Evidence) -> bool:
    """Tell whether outcomes were enough to judge the release by, also of the time in which drift would matter."""
    recent = _value(evidence, "recent_labels") >= _FEWEST
    there = _value(evidence, "drifted_labels_suffice", float(recent))
    return _value(evidence, "labels_suffice") > 0 and there > 0


def _warned(evidence: Evidence, uses: str) -> bool:
    records = [record for record in evidence.steps if record.uses == uses]
    return any(issue.severity != "note" for record in records for issue in record.issues)


def _fact(evidence: Evidence, name: str) -> str:
    return next((record.facts[name] for record in evidence.steps if name in record.facts), "")


def _value(evidence: Evidence, metric: str, usual: float = 0.0) -> float:
    return next((record.metrics[metric].value for record in evidence.steps if metric in record.metrics), usual)
