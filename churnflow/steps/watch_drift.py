"""The step that tells drift of features and of the score from chance."""

from typing import Annotated, Any

from pydantic import Field

from churnflow import InputError, Issue, Measure, Released, StepResult, reports
from churnflow.modelling.feature_drift import LEAST_PSI, SCHEMA, SCORE, Moved, by_period, moved
from churnflow.modelling.served_bundle import reference_in
from churnflow.modelling.sufficiency import Sample

_STRONG = 0.25


@reports("drifted_features", "score_drifted", "psi_max", "score_psi", "customers", "judged", "sample", "sample_needed")
def watch_drift(
    observed: dict[str, Any],
    against: Released | None = None,
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.01,
    least: Annotated[int, Field(ge=20)] = 100,
) -> StepResult:
    """Compare what the release is asked, and what it answers, with its training and test part.

    Each feature's bins and those of the score by a chi-square test, numbers by a rank sum test, too, adjusted by Holm's
    method for their number: of windows in which nothing has drifted, at most the share `false_alarms` raises any alarm.
    A shift that is significant yet too small to matter is none. least: with fewer customers the window is too short to
    tell, which is no alarm: `judged` is 0 and the fact `not_told` says why. Output `drift`: every test, and the
    stability index of each period. Raises InputError without a release.
    """
    if against is None or not against.version:
        message = "there is no release whose reference drift could be measured against"
        raise InputError(message, hint="with: {against: served} names it")
    reference, customers = reference_in(against.files), observed["whole"]["customers"]
    if reference is None or observed["whole"]["score"] is None:
        text = f"{against.version} holds no reference of its training data, so drift is not known"
        hint = "release again with `needs: {train: train}` at the step churn.rehearse"
        why = f"{against.version} holds no reference of its training data"
        return _unknown(f"{text}; {hint}", "warning", Sample(customers, least, "customers", why))
    sample = Sample(customers, least, "customers")
    if not sample.suffices:
        text = f"too few predictions to tell drift: {customers} of {least} customers; wait, or widen the window"
        return _unknown(text, "note", sample)
    lines = moved(observed["whole"], reference, false_alarms)
    periods = by_period(observed["periods"], reference, least)
    features = [line for line in lines if line.name != SCORE]
    return StepResult(
        outputs={"drift": _drift(lines, periods)},
        metrics=_metrics(lines, features, sample),
        facts=_facts(lines, features, false_alarms),
        issues=[*_unbinned(observed["whole"]), *(_issue(line, periods) for line in lines if line.drifted)],
    )


def _unknown(text: str, severity: Any, sample: Sample) -> StepResult:
    none = {name: Measure(value=0, n=sample.have) for name in ("drifted_features", "score_drifted")}
    return StepResult(
        outputs={"drift": _drift([], [])},
        metrics={**none, **_told(sample)},
        facts=sample.facts(),
        issues=[Issue(text=text, severity=severity)],
    )


def _told(sample: Sample) -> dict[str, float | Measure]:
    return {name: one.value for name, one in sample.metrics()}


def _drift(lines: list[Moved], periods: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schema": SCHEMA, "tests": [line.as_json() for line in lines], "periods": periods}


def _metrics(lines: list[Moved], features: list[Moved], sample: Sample) -> dict[str, float | Measure]:
    customers = sample.have
    score = next(line for line in lines if line.name == SCORE)
    return {
        "drifted_features": Measure(value=sum(line.drifted for line in features), n=customers),
        "score_drifted": Measure(value=float(score.drifted), n=customers),
        "psi_max": Measure(value=max((line.psi for line in features), default=0.0), n=customers),
        "score_psi": Measure(value=score.psi, n=customers),
        "customers": customers,
        **_told(sample),
    }


def _facts(lines: list[Moved], features: list[Moved], false_alarms: float) -> dict[str, str]:
    leading = sorted(features, key=lambda line: -(line.psi - line.by_chance))[:3]
    shown = ", ".join(f"{line.name} {line.psi:.3f} (by chance {line.by_chance:.3f})" for line in leading)
    return {
        "false alarms": f"where nothing drifts, at most {false_alarms:.1%} of windows raise any alarm: "
        f"{len(lines)} chi-square and rank sum tests, adjusted by Holm's method",
        "largest stability index": shown or "no bins are kept; the score alone is watched",
        "counts as drift": f"significant, and a stability index by {LEAST_PSI} above what chance gives",
    }


def _unbinned(whole: dict[str, Any]) -> list[Issue]:
    if whole["binned"] >= whole["customers"]:
        return []
    kept = f"{whole['binned']:,} of {whole['customers']:,} customers have bins in the log"
    text = f"{kept}, so features are watched by these; `privacy: {{inputs: bins}}` keeps them of all"
    return [Issue(text=text, severity="note")]


def _issue(line: Moved, periods: list[dict[str, Any]]) -> Issue:
    size = "strongly" if line.psi - line.by_chance >= _STRONG else "beyond chance"
    since = next((one["period"] for one in periods if line.name in one["shifted"]), None)
    began = f", first seen on {since}" if since else ""
    what = "the score has" if line.name == SCORE else f"the feature {line.name} has"
    text = f"{what} drifted {size}: stability index {line.psi:.3f}, adjusted p {line.adjusted:.1e}{began}"
    return Issue(text=text, severity="warning")
