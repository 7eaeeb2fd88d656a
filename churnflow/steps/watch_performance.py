"""The step that tells how well the release does: measured where outcomes are known, estimated where they are not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from churnflow import InputError, Issue, Measure, Released, StepResult, reports
from churnflow.modelling.live_performance import (
    FEWEST_LABELS,
    FEWEST_OF_CLASS,
    Drop,
    added,
    difference,
    drops,
    enough,
    estimated,
    f1_of,
    measured,
    miscalibrated,
    selective,
)
from churnflow.modelling.metrics import Estimate, wilson
from churnflow.modelling.served_bundle import tested
from churnflow.modelling.sufficiency import Sample
from churnflow.modelling.tracking import table

_LABEL = "`churnflow monitor --labels FILE` takes outcomes from a file, POST /api/v1/feedback one by one"


@reports(
    "f1",
    "precision",
    "recall",
    "log_loss",
    "brier",
    "observed_expected_ratio",
    "labelled_ratio",
    "labelled_customers",
    "labels_suffice",
    "recent_labels",
    "drifted_labels",
    "drifted_labels_suffice",
    "dropped_metrics",
    "outdone",
    "vs_before_f1",
    "estimated_f1",
    "estimated_precision",
    "estimated_recall",
    "judged",
    "sample",
    "sample_needed",
)
def watch_performance(
    observed: dict[str, Any],
    against: Released | None = None,
    drift: dict[str, Any] | None = None,
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.01,
) -> StepResult:
    """Measure the release on customers whose outcome is known, and estimate it on the others.

    A metric has dropped when it is worse than on the release's own test part by more than the noise of both; of windows
    in which nothing has changed, at most the share `false_alarms` has any. drift: what churn.watch_drift has found;
    where customers have drifted, the time since then is judged by itself, too, and `drifted_labels_suffice` tells
    whether it could be. outdone: 1 where another release answered in the same window and did better. Metrics
    `estimated_*`: what calibrated probabilities let expect of customers without an outcome, kept apart, for they assume
    that the calibration still holds. Output `tracking`: the table of periods. Raises InputError without a release.
    """
    if against is None or not against.version:
        message = "there is no release whose performance could be compared"
        raise InputError(message, hint="with: {against: served} names it")
    promised = {name: _estimate(one) for name, one in tested(against.files).items()}
    view = _View(observed, promised, false_alarms, drifted_since(observed, drift))
    return StepResult(
        outputs={"tracking": table(observed)},
        metrics={name: _measure(value) for name, value in view.metrics()},
        facts={**dict(view.facts()), **view.sample.facts()},
        issues=[*view.issues()],
    )


def drifted_since(observed: Mapping[str, Any], drift: Mapping[str, Any] | None) -> str | None:
    """Return the first period in which what has drifted is seen, None without drift.

    Where no period shows it by itself, that is the one in the middle of the window.
    """
    names = {test["name"] for test in (drift or {}).get("tests", ()) if test["drifted"]}
    if not names:
        return None
    periods = [period["period"] for period in observed["periods"]]
    shifted = [one["period"] for one in (drift or {})["periods"] if names.intersection(one["shifted"])]
    return str(next(iter(shifted), periods[len(periods) // 2]))


@dataclass(frozen=True)
class _View:
    """What is known of a window, beside what the release has promised. since: the period from which it has drifted."""

    observed: Mapping[str, Any]
    promised: Mapping[str, Estimate]
    false_alarms: float
    since: str | None = None

    @property
    def labelled(self) -> Mapping[str, Any]:
        """The sums of customers with an outcome."""
        found: Mapping[str, Any] = self.observed["whole"]["labelled"]
        return found

    @property
    def unlabelled(self) -> Mapping[str, Any]:
        """The expected sums of customers without one."""
        found: Mapping[str, Any] = self.observed["whole"]["unlabelled"]
        return found

    @property
    def drifted(self) -> Mapping[str, Any]:
        """The sums of customers with an outcome since it has drifted."""
        periods = self.observed["periods"]
        names = [period["period"] for period in periods]
        first = names.index(self.since) if self.since in names else len(names)
        return added([period["labelled"] for period in periods[first:]])

    @property
    def sample(self) -> Sample:
        """The outcomes that it is judged by: all of them, or those of the rarer class where that has too few."""
        if self.labelled["n"] < FEWEST_LABELS:
            return Sample(self.labelled["n"], FEWEST_LABELS, "labels")
        cells = self.labelled
        rarer = min(cells["tp"] + cells["fn"], cells["fp"] + cells["tn"])
        return Sample(rarer, FEWEST_OF_CLASS, "labels of the rarer outcome")

    def metrics(self) -> Iterator[tuple[str, Estimate]]:
        """Yield what is measured, then what is estimated."""
        yield from measured(self.labelled).items()
        yield "labelled_ratio", self._share()
        yield "labelled_customers", self._exact(self.labelled["n"])
        yield "labels_suffice", self._exact(int(enough(self.labelled)))
        yield "recent_labels", self._exact(self._recent())
        if self.since:
            yield "drifted_labels", self._exact(self.drifted["n"])
            yield "drifted_labels_suffice", self._exact(int(enough(self.drifted)))
        yield "dropped_metrics", self._exact(len(self._drops()) + len(self._drops_there()) + self._miscalibrated())
        before = self._before()
        yield "outdone", self._exact(int(before is not None and before[1].low > 0))
        yield from self.sample.metrics()
        if before is not None:
            yield "vs_before_f1", before[1]
        yield from ((f"estimated_{name}", value) for name, value in estimated(self.unlabelled).items())

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield what the numbers rest on."""
        share = self._share()
        yield "labelled", f"{self.labelled['n']:,} of {share.n:,} customers, {share.value:.1%}"
        yield "false alarms", f"where nothing changes, at most {self.false_alarms:.1%} of windows show a drop"
        if self.unlabelled["n"]:
            text = f"of {self.unlabelled['n']:,} customers without an outcome; right as long as the calibration holds"
            yield "estimated", text
        if self.since:
            yield "drifted since", self.since
            yield "where it drifted", self._there()
        before = self._before()
        if before is not None and before[1].low > 0:
            yield "better_before", _reference(before[0])
        if not self.promised:
            yield "compared with", "nothing, for the card of the release holds no metrics with intervals"

    def issues(self) -> Iterator[Issue]:
        """Yield what has dropped, and what can not be told."""
        yield from (Issue(text=_dropped(drop), severity="critical") for drop in self._drops())
        there = f", from {self.since} on, where customers have drifted"
        yield from (Issue(text=_dropped(drop, there), severity="critical") for drop in self._drops_there())
        if self._miscalibrated():
            ratio = measured(self.labelled)["observed_expected_ratio"]
            text = f"the probabilities are off: {_shown(ratio)} times as many positives as expected"
            yield Issue(text=text, severity="critical")
        before = self._before()
        if before is not None and before[1].low > 0:
            text = f"{before[0]} did better in the same window: F1 higher by {_shown(before[1])}"
            yield Issue(text=text, severity="critical")
        if not enough(self.labelled):
            text = f"too few labels to judge the release by: {self.labelled['n']} of {FEWEST_LABELS}"
            yield Issue(text=f"{text}, at least 10 of each class; {_LABEL}", severity="note")
        yield from self._about_the_rest()

    def _about_the_rest(self) -> Iterator[Issue]:
        apart = selective(self.labelled, self.unlabelled)
        if apart is not None:
            text = f"outcomes are known of other customers than of all: mean probability {apart[0]:.3f}, of the rest "
            yield Issue(text=f"{text}{apart[1]:.3f}; what is measured tells of the former; {_LABEL}", severity="note")
        expected = estimated(self.unlabelled)
        fallen = [drop for drop in drops(expected, self.promised, self.false_alarms) if drop.metric == "f1"]
        if fallen and self.unlabelled["n"] >= FEWEST_LABELS:
            text = f"the estimate without labels is low: F1 {_shown(fallen[0].now)}, {_shown(fallen[0].tested)} on test"
            yield Issue(text=f"{text}; it assumes that the calibration holds; {_LABEL}", severity="warning")

    def _exact(self, count: int) -> Estimate:
        return Estimate(count, count, count, self.labelled["n"])

    def _share(self) -> Estimate:
        return wilson(self.labelled["n"], self.labelled["n"] + self.unlabelled["n"])

    def _recent(self) -> int:
        """Return how many outcomes are known of the newer half of the window, of which drift tells most."""
        periods = self.observed["periods"]
        return sum(period["labelled"]["n"] for period in periods[len(periods) // 2 :])

    def _drops(self) -> list[Drop]:
        return self._drops_of(self.labelled)

    def _drops_there(self) -> list[Drop]:
        """Return what has dropped since it has drifted, and not in the whole window, which may hide it."""
        known = {drop.metric for drop in self._drops()}
        return [drop for drop in self._drops_of(self.drifted) if drop.metric not in known]

    def _drops_of(self, labelled: Mapping[str, Any]) -> list[Drop]:
        if not enough(labelled):
            return []
        # Two parts are looked at where it has drifted, and have the alarms of one together.
        share = self.false_alarms / (2 if self.since else 1)
        return drops(measured(labelled), self.promised, share)

    def _there(self) -> str:
        known = self.drifted
        if not enough(known):
            return f"from {self.since} on it is not measured: {known['n']:,} labels of {FEWEST_LABELS} needed"
        return f"from {self.since} on F1 {_shown(f1_of(known))} on {known['n']:,} labelled customers"

    def _miscalibrated(self) -> bool:
        rows = next((one.n for one in self.promised.values()), 0)
        return bool(rows) and enough(self.labelled) and miscalibrated(self.labelled, rows, self.false_alarms)

    def _before(self) -> tuple[str, Estimate] | None:
        """Return the release that answered last before this one, and how much higher its F1 is on its customers."""
        others = sorted(self.observed["others"].items(), key=lambda one: -one[1]["until"])
        known = [(version, one["labelled"]) for version, one in others if enough(one["labelled"])]
        if not known or not enough(self.labelled):
            return None
        version, sums = known[0]
        return version, difference(f1_of(sums), f1_of(self.labelled))


def _estimate(one: Mapping[str, float]) -> Estimate:
    return Estimate(one["value"], one["low"], one["high"], int(one["n"]))


def _reference(version: str) -> str:
    """Return how a rollback names a release: by its version, or as the one before where the log does not know that."""
    return version if version.startswith("v") else "served~1"


def _measure(value: Estimate) -> Measure:
    if value.low == value.high:
        return Measure(value=value.value, n=value.n)
    return Measure(value=value.value, low=value.low, high=value.high, n=value.n)


def _shown(value: Estimate) -> str:
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _dropped(drop: Drop, where: str = "") -> str:
    name = {"f1": "F1", "log_loss": "log loss", "brier": "Brier score"}.get(drop.metric, drop.metric)
    now = f"{_shown(drop.now)} on {drop.now.n:,} labelled customers"
    return f"{name} is worse than on the test part{where}: {now}, {_shown(drop.tested)} on test"
