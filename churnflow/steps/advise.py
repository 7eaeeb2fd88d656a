"""The step that says what is to be done about what was found: nothing, roll back, train again, label, or look."""

from churnflow import Evidence, StepResult

_GOES_ON = "the release goes on serving"
_KEEP = f"nothing: {_GOES_ON}"
_ROLLBACK = "roll back, for {0} did better in the same window: `churnflow rollback {0}`"
_RETRAIN = "train again, for the model has become worse: `churnflow plan --new`"
_LABEL = "tell outcomes, for only they say whether the model still holds: `churnflow monitor --labels FILE`"
_SERVICE = "see why the service fails or stands still; the log of `churnflow serve` says what happened"
_SOURCE = "mend the source of the columns that the reasons name; if they stay so, train again: `churnflow plan --new`"
_WATCH = "see why customers have changed; as measured the model still holds: `churnflow monitor` again next week"
_LIMIT = "look at what the reasons name: a limit of this workflow does not hold"
_FEWEST = 50


def advise(evidence: Evidence) -> StepResult:
    """Name the one next action that the watching steps lead to, as the fact `next_action_fix` that the gate takes up.

    A release that did worse than the one before it in the same window is rolled back; one that became worse than it was
    on its test part is trained again; where drift shows and too few outcomes are known to tell whether it matters,
    these are asked for.
    """
    action = _action(evidence)
    done = {"fix": action or _LIMIT, "rework": action or _LIMIT, "ship": f"{_GOES_ON}; {action}" if action else _KEEP}
    return StepResult(facts={f"next_action_{verdict}": text for verdict, text in done.items()})


def _action(evidence: Evidence) -> str:
    better = next((record.facts["better_before"] for record in evidence.steps if "better_before" in record.facts), "")
    found = [
        (bool(better), _ROLLBACK.format(better)),
        (_value(evidence, "dropped_metrics") > 0, _RETRAIN),
        (_warned(evidence, "churn.watch_service"), _SERVICE),
        (_value(evidence, "degraded_columns") > 0, _SOURCE),
        (_drifted(evidence) and not _judged(evidence), _LABEL),
        (_warned(evidence, "churn.watch_performance"), _LABEL),
        (_drifted(evidence), _WATCH),
    ]
    return next((action for holds, action in found if holds), "")


def _drifted(evidence: Evidence) -> bool:
    return _value(evidence, "drifted_features") + _value(evidence, "score_drifted") > 0


def _judged(evidence: Evidence) -> bool:
    """Tell whether outcomes were enough to judge the release by, also of the time in which drift would matter."""
    return _value(evidence, "labels_suffice") > 0 and _value(evidence, "recent_labels") >= _FEWEST


def _warned(evidence: Evidence, uses: str) -> bool:
    records = [record for record in evidence.steps if record.uses == uses]
    return any(issue.severity != "note" for record in records for issue in record.issues)


def _value(evidence: Evidence, metric: str) -> float:
    return next((record.metrics[metric].value for record in evidence.steps if metric in record.metrics), 0.0)
