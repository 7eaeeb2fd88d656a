"""The step that tells whether values have become worse than those of training."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from churnflow import InputError, Issue, Measure, Released, StepResult, reports
from churnflow.modelling.data_quality import KINDS, Rise, overall, rises
from churnflow.modelling.metrics import Estimate
from churnflow.modelling.served_bundle import reference_in
from churnflow.modelling.sufficiency import Sample

_ADVICE = {
    "missing": "see whether its source still delivers it",
    "unseen": "add its new levels by training again, or mend their spelling at the source",
    "out of range": "see whether its unit or its source has changed",
}


@reports("degraded_columns", "missing_ratio", "unseen_ratio", "out_of_range_ratio", "judged", "sample", "sample_needed")
def watch_quality(
    observed: dict[str, Any],
    against: Released | None = None,
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.01,
    least: Annotated[int, Field(ge=20)] = 100,
) -> StepResult:
    """Compare missing values, levels not seen in training, and numbers outside its range with the training part.

    Each share against that of training by Fisher's exact test, adjusted by Holm's method: of windows in which nothing
    has changed, at most the share `false_alarms` raises an alarm. Ranges are known where the workflow's privacy lets
    the log keep values. least: as in churn.watch_drift. Raises InputError without a release.
    """
    if against is None or not against.version:
        message = "there is no release whose training data these could be compared with"
        raise InputError(message, hint="with: {against: served} names it")
    reference, rows = reference_in(against.files), observed["whole"]["binned"]
    why = "" if reference else f"{against.version} holds no reference of its training data"
    sample = Sample(rows, least, "customers with bins", why)
    told = {name: one.value for name, one in sample.metrics()}
    if reference is None or not sample.suffices:
        text = why or f"too few predictions with bins: {rows} of {least}"
        issue = Issue(text=f"how good the values are is not known: {text}")
        none = Measure(value=0, n=rows)
        return StepResult(metrics={"degraded_columns": none, **told}, facts=sample.facts(), issues=[issue])
    lines = rises(observed["whole"], reference, false_alarms)
    worse = [line for line in lines if line.worse]
    columns = {line.feature for line in worse}
    return StepResult(
        metrics={"degraded_columns": Measure(value=len(columns), n=rows), **dict(_metrics(lines)), **told},
        facts={"ranges": _ranges(lines), "compared with": f"{reference.rows:,} training rows of {against.version}"},
        issues=[Issue(text=_text(line), severity="warning") for line in worse],
    )


def _metrics(lines: list[Rise]) -> Iterator[tuple[str, Measure]]:
    for kind in KINDS:
        ratio = overall(lines, kind)
        if ratio is not None:
            yield f"{kind.replace(' ', '_')}_ratio", _measure(ratio)


def _measure(ratio: Estimate) -> Measure:
    return Measure(value=ratio.value, low=ratio.low, high=ratio.high, n=ratio.n)


def _ranges(lines: list[Rise]) -> str:
    if any(line.kind == "out of range" for line in lines):
        return "of the values that the log keeps"
    return "not known, for the log keeps bins and no values; `privacy: {inputs: values}` would"


def _text(line: Rise) -> str:
    shown = f"{line.ratio.value:.1%} [{line.ratio.low:.1%}, {line.ratio.high:.1%}]"
    return f"{line.feature}: {shown} {line.kind}, {line.before:.1%} in training; {_ADVICE[line.kind]}"
