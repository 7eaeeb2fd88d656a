"""The step that looks into the predictions log, once: what it finds is kept as sums, and other steps read that."""

import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from churnflow import InputError, Released, StepResult, precheck, reports
from churnflow.modelling.logged import read_window
from churnflow.modelling.observed import observed
from churnflow.modelling.prediction_log import LogError, PredictionLog, ServiceRow
from churnflow.modelling.served_bundle import digest_of, reference_in
from churnflow.modelling.window import Period, Window
from churnflow.modelling.window import window as window_of

_MINUTE = 60
_DAY_OF_MINUTES = 1440


def _look(given: Mapping[str, Any]) -> Iterator[tuple[str, InputError]]:
    try:
        window_of(given["window"], given["period"], given["until"])
    except InputError as error:
        yield ("until" if str(error).startswith("until") else "window"), error


@reports("predictions", "customers", "other_predictions")
@precheck(_look)
def observe(
    against: Released | None = None,
    log: str = "CHURNFLOW_LOG",
    window: Annotated[str, Field(pattern=r"^[1-9]\d{0,3}[dw]$")] = "14d",
    period: Period = "day",
    until: str = "",
) -> StepResult:
    """Sum up what a release has predicted in a window, what became of it, and how the service did.

    against: the release, `served` in most cases. log: the environment variable that holds the URL of the predictions
    log, or the URL itself, which every record repeats and that therefore holds no password. window: how many days or
    weeks, whole ones of UTC, the present one among them. period: of the table. until: an ISO time with its zone, the
    present where it is left out; an equal call is answered from what is kept, so `churnflow monitor` always names it.

    Output `observed`: counts and sums for the whole window and each period: of each feature's bins and of scores, of
    decisions by outcome, of requests; fewer than ten customers are never told by a level or a tenth. Of a customer who
    is known by an id the newest prediction counts, for an hourly one is no evidence by the hour. Raises InputError when
    no release is served, or the log can not be read.
    """
    if against is None or not against.version:
        message = "there is no release to monitor"
        raise InputError(message, hint="`churnflow run` leads to one; with: {against: served} names it")
    span = window_of(window, period, until)
    found = _summed_up(against, _opened(log), span)
    others = sum(one["predictions"] for one in found["others"].values())
    return StepResult(
        outputs={"observed": found},
        metrics={
            "predictions": found["predictions"],
            "customers": found["whole"]["customers"],
            "other_predictions": others,
        },
        facts=_facts(found, span, others),
    )


def _summed_up(against: Released, book: PredictionLog, span: Window) -> dict[str, Any]:
    release, reference = digest_of(against.files), reference_in(against.files)
    try:
        read = read_window(book, span, release, reference)
        found = observed(read, _service(book, span), span, reference)
    finally:
        book.close()
    return {**found, "release": {"version": against.version, "sha256": release}}


def _opened(log: str) -> PredictionLog:
    url = log if "://" in log else os.environ.get(log, "")
    if not url:
        message = f"the predictions log is not named: the environment variable {log} is empty"
        raise InputError(message, hint="`churnflow monitor` sets it; or export it as the URL that the server writes to")
    try:
        return PredictionLog.open(url, create=False)
    except LogError as error:
        message = f"the predictions log can not be reached: {error}"
        raise InputError(message, hint="see that its database runs and lets you in") from None


def _service(book: PredictionLog, span: Window) -> list[ServiceRow]:
    try:
        return book.service(int(span.start // _MINUTE) - _DAY_OF_MINUTES, int(span.end // _MINUTE) + 1)
    except LogError as error:
        message = f"the predictions log can not be read: {error}"
        raise InputError(message, hint="see that its database answers, then monitor again") from None


def _facts(found: dict[str, Any], span: Window, others: int) -> dict[str, str]:
    first, last = span.names[0], span.names[-1]
    known, all_of = found["with_id"], found["predictions"]
    counted = f"{all_of:,} predictions of {found['release']['version']} from {first} to {last}"
    text = "of a customer the newest prediction counts, in the window and in each period"
    if known < all_of:
        text += f"; {all_of - known:,} predictions without an id count one by one, so that none may be a repetition"
    return {
        "window": f"{counted}, {found['whole']['customers']:,} customers" + (f"; {others:,} of others" * bool(others)),
        "repeated customers": text,
    }
