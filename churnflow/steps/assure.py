"""The step `assure`: how likely it is that every requirement holds together on the next batch of customers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
from pydantic import Field

from churnflow import Evidence, InputError, Issue, Measure, StepResult, reports
from churnflow.modelling.assurance import (
    PREDICTED,
    Among,
    Drawing,
    Exact,
    Gap,
    Known,
    Labelled,
    Predicted,
    Prospect,
    Requirement,
    Share,
    Spread,
    agreement,
    gain_over,
    pooled,
    probability,
    value_of,
)
from churnflow.modelling.checklist import share_drawn
from churnflow.modelling.fairness import group_labels
from churnflow.modelling.metrics import Scored, Statistic, brier_skill

SCHEMA: Final = "churnflow/assurance@1"
UNLIKE: Final = 0.01
_GAPS: Final[Mapping[str, Among]] = {"recall_gap_": "positives", "selection_gap_": "all", "fpr_gap_": "negatives"}
_OVER_RATE: Final[Mapping[str, Callable[[float], Statistic]]] = {
    "log_loss_gain": gain_over,
    "brier_skill": brier_skill,
}
_LAWS: Final[Mapping[type, str]] = {
    Predicted: "drawn batches",
    Gap: "drawn batches",
    Share: "beta-binomial",
    Spread: "normal",
    Exact: "exact",
}


@reports("requirements_hold", "batch_rows", "draws", "requirement_*_holds", "requirement_*_takes")
def assure(
    evidence: Evidence,
    predictions: pd.DataFrame,
    evaluation: dict[str, Any],
    schema: dict[str, Any],
    train: pd.DataFrame,
    test: pd.DataFrame,
    out_of_fold: pd.DataFrame | None = None,
    batch: Annotated[int, Field(ge=1, le=10_000_000)] | None = None,
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000,
    seed: int = 0,
) -> StepResult:
    """Estimate the probability that all requirements of the workflow hold together on the next batch of customers.

    It is the share of `draws` batches in which all hold, drawn from the test rows and, where `needs` names them, the
    out-of-fold rows, unless their decisions differ from those on the test part by more than chance. Customers are taken
    to come from the same source as these: drift is no part of it. Requirements on metrics of predictions are tested on
    the batches, shares of events by a beta-binomial law, other numbers by their interval, exact ones as they are.
    Out-of-fold rows also chose the model: they are weighed so that their log loss is higher by the optimism that
    `train` has estimated for that, its `selection_optimism`.
    batch: customers in the next batch; default as many as in the test part. Output `assurance`: a dict with what each
    requirement contributes. `requirement_K_takes`: the share of batches that the K-th requirement fails, and none that
    was counted before it, so that these and `requirements_hold` add up to one. Raises InputError when predictions and
    rows do not belong together.
    """
    tested = _Part(predictions, test, schema["positive"])
    seen = None if out_of_fold is None else _Part(out_of_fold, train, schema["positive"])
    chance = 1.0 if seen is None else agreement(seen.scored(), tested.scored())
    parts = [tested] if seen is None or chance < UNLIKE else [seen, tested]
    drawing = Drawing(batch or len(test), draws, seed)
    predictions_of = _Predictions(evaluation, parts, _optimism(evidence) if len(parts) > 1 else 0.0)
    found = _weighed(evidence, predictions_of, drawing)
    return StepResult(
        outputs={"assurance": {**_described(found, drawing), "optimism": predictions_of.optimism}},
        metrics=_metrics(found, drawing, sum(len(part.customers) for part in parts)),
        facts={f"requirement_{line.place}": line.text() for line in found.lines}
        | {"drawn": _drawn(drawing, predictions_of)},
        issues=[*_issues(evidence, chance)],
    )


def _weighed(evidence: Evidence, predictions: "_Predictions", drawing: Drawing) -> "_Found":
    """Return the probability of all measured requirements; one that was not measured is left to the gate."""
    asked = [(place, rule) for place, rule in enumerate(evidence.requirements, start=1) if _measured(evidence, rule)]
    bases = [_basis(rule.metric, evidence, predictions) for _, rule in asked]
    required = [Requirement(rule.op, rule.limit, basis.known) for (_, rule), basis in zip(asked, bases, strict=True)]
    rows = predictions.rows({basis.known.column for basis in bases if isinstance(basis.known, Gap)})
    found = probability(required, rows, drawing)
    lines = [
        _Line(place, str(rule), basis, prospect, _seen(basis.known, rows))
        for (place, rule), basis, prospect in zip(asked, bases, found.prospects, strict=True)
    ]
    return _Found(found.probability, lines)


def _seen(known: Known, rows: Labelled) -> float | None:
    """Return a metric on the rows that batches are drawn from, None where they do not tell it."""
    value = value_of(known, rows) if isinstance(known, Predicted | Gap) else float("nan")
    return value if np.isfinite(value) else None


def _optimism(evidence: Evidence) -> float:
    """Return by how much the log loss out of fold is too low, as the step that trained has estimated it; else 0."""
    found = [
        record.metrics["selection_optimism"] for record in evidence.steps if "selection_optimism" in record.metrics
    ]
    return max(0.0, found[-1].value) if found else 0.0


@dataclass(frozen=True)
class _Part:
    """Scored rows beside what is known of the same customers."""

    predictions: pd.DataFrame
    customers: pd.DataFrame
    positive: str

    def __post_init__(self) -> None:
        if len(self.predictions) != len(self.customers):
            message = f"{len(self.predictions):,} predictions do not belong to {len(self.customers):,} customers"
            raise InputError(message, hint="give the predictions that this run's train and evaluate steps made")

    def scored(self) -> Scored:
        """Return what the model says of the rows, and their outcome."""
        positive, decided = (self.predictions[name] == self.positive for name in ("label", "decision"))
        probabilities = self.predictions["probability"].to_numpy(dtype=np.float64)
        return Scored(probabilities, positive.to_numpy().astype(np.int64), decided.to_numpy(dtype=np.bool_))


@dataclass(frozen=True)
class _Basis:
    """What is known of a metric for the next batch, and in words what it is drawn from."""

    known: Known
    text: str


@dataclass(frozen=True)
class _Line:
    """A requirement by its place in the workflow, with what became of it in the drawn batches.

    seen: its metric on the rows that they are drawn from, None where these do not tell it.
    """

    place: int
    claim: str
    basis: _Basis
    prospect: Prospect
    seen: float | None

    def text(self) -> str:
        """Return the line as the sum of the score shows it."""
        low, high = self.prospect.low, self.prospect.high
        values = "no batch tells it"
        if low is not None and high is not None:
            values = f"95% of its values within [{low:.4g}, {high:.4g}]"
        seen = "" if self.seen is None else f", {self.seen:.4g} over all rows"
        held = f"{self.claim} holds in {share_drawn(self.prospect.holds)} of the batches"
        return f"{held}{seen}, {values}; drawn from {self.basis.text}"


@dataclass(frozen=True)
class _Found:
    """The probability that all requirements hold together, and the line of each."""

    probability: float
    lines: list[_Line]


@dataclass(frozen=True)
class _Predictions:
    """The evaluation, which says how metrics follow from predictions, and the parts whose predictions count.

    optimism: by how much the log loss of the out-of-fold part is too low.
    """

    evaluation: Mapping[str, Any]
    parts: Sequence[_Part]
    optimism: float

    def rows(self, columns: set[str]) -> Labelled:
        """Return the rows of all parts, each with its group in `columns`, those out of fold weighed for optimism."""
        customers = pd.concat([part.customers for part in self.parts], ignore_index=True)
        groups = {column: group_labels(customers[column]).to_numpy(dtype=np.str_) for column in sorted(columns)}
        first = len(self.parts[0].customers)
        if len(self.parts) == 1:
            return Labelled(self.parts[0].scored(), groups)
        seen, tested = (
            Labelled(part.scored(), {name: labels[place] for name, labels in groups.items()})
            for part, place in zip(self.parts, (slice(first), slice(first, None)), strict=True)
        )
        return pooled(seen, tested, self.optimism)

    @property
    def origin(self) -> str:
        """The names of the artifacts that they stand in."""
        return "predictions" if len(self.parts) == 1 else "predictions and out_of_fold"

    def tells(self, metric: str) -> Predicted | Gap | None:
        """Return how `metric` follows from predictions, None where it does not."""
        if metric in _OVER_RATE:
            return Predicted(_OVER_RATE[metric](float(self.evaluation["baseline"]["probability"])))
        for prefix, among in _GAPS.items():
            if metric.startswith(prefix):
                column = self.evaluation.get("group_metrics", {}).get(metric, metric.removeprefix(prefix))
                return Gap(column, among) if column in self.parts[-1].customers.columns else None
        return Predicted(PREDICTED[metric]) if metric in PREDICTED else None


def _measured(evidence: Evidence, rule: Any) -> bool:
    step, _, metric = rule.metric.partition(".")
    record = evidence.step(step)
    return record is not None and metric in record.metrics


def _basis(dotted: str, evidence: Evidence, predictions: _Predictions) -> _Basis:
    """Return what is known of a measured metric for the next batch."""
    step, _, metric = dotted.partition(".")
    record = next(record for record in evidence.steps if record.name == step)
    of_rows = any(artifact.name == "predictions" for artifact in record.outputs)
    known = predictions.tells(metric) if of_rows else None
    return _apart(dotted, record.metrics[metric]) if known is None else _Basis(known, predictions.origin)


def _apart(dotted: str, measure: Measure) -> _Basis:
    """Return what is known of a metric that predictions do not tell."""
    text = f"{dotted} = {measure.value:.4g}"
    if dotted.endswith("_ratio") and measure.n and 0 <= measure.value <= 1:
        hits = round(measure.value * measure.n)
        return _Basis(Share(hits, measure.n), f"{text}, {hits:,} of {measure.n:,} (beta-binomial)")
    if measure.low is not None and measure.high is not None:
        known = Spread(measure.value, measure.low, measure.high, measure.n)
        return _Basis(known, f"{text} [{measure.low:.4g}, {measure.high:.4g}] (normal)")
    return _Basis(Exact(measure.value), f"{text}, taken as it is")


def _metrics(found: _Found, drawing: Drawing, rows: int) -> dict[str, float | Measure]:
    if not found.lines:
        return {}
    whole = {"requirements_hold": Measure(value=found.probability, n=rows)}
    drawn = {"batch_rows": drawing.batch, "draws": drawing.draws}
    holds = {f"requirement_{line.place}_holds": line.prospect.holds for line in found.lines}
    return {
        **whole,
        **drawn,
        **holds,
        **{f"requirement_{line.place}_takes": line.prospect.takes for line in found.lines},
    }


def _drawn(drawing: Drawing, predictions: _Predictions) -> str:
    parts = predictions.parts
    rows = " and ".join(f"{len(part.predictions):,}" for part in parts)
    which = "test rows" if len(parts) == 1 else "out-of-fold and test rows"
    drawn = f"{drawing.draws:,} batches of {drawing.batch:,} customers, from {rows} {which}"
    if not predictions.optimism:
        return drawn
    return f"{drawn}, the former weighed so that their log loss is {predictions.optimism:.4f} higher, for choosing"


def _described(found: _Found, drawing: Drawing) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "probability": found.probability,
        **asdict(drawing),
        "requirements": [
            {
                "claim": line.claim,
                "from": line.basis.text,
                "law": _LAWS[type(line.basis.known)],
                "value": line.seen,
                **asdict(line.prospect),
            }
            for line in found.lines
        ],
    }


def _issues(evidence: Evidence, chance: float) -> Iterator[Issue]:
    if not evidence.requirements:
        text = "the workflow declares no requirements, so that there is nothing whose probability could be told"
        yield Issue(text=text, severity="warning")
    if chance < UNLIKE:
        text = (
            f"decisions out of fold differ from those on the test part by more than chance (p = {chance:.1e}), so that "
            f"the test part alone counts; were the folds scored by models that had seen them, or is there no signal?"
        )
        yield Issue(text=text, severity="warning")
