"""What the figures of a run say of its model: each line passes, fails or asks a person, with the evidence in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

State = Literal["pass", "fail", "ask"]

GAP_LIMIT: Final = 0.1
PARITY_LIMIT: Final = 1e-6
MOST_INVALID: Final = 0.02
MOST_UNSEEN: Final = 0.01
GENERALISES_WITHIN: Final = 0.02
MOST_NOISE: Final = 0.05
OVERFITS_FROM: Final = 0.1
GUESSING: Final = 0.5
_MOST_SHOWN: Final = 5
_ROUNDED: Final = 1e-3
_SMALL: Final = 0.01
_Z: Final = 1.959963984540054


@dataclass(frozen=True)
class Figure:
    """A number with, where they are known, the ends of its 95% interval and the count that it rests on."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None

    def turned(self) -> "Figure":
        """Return it with the opposite sign."""
        low, high = (None if end is None else -end for end in (self.high, self.low))
        return Figure(-self.value, low, high, self.n)


@dataclass(frozen=True)
class Answer:
    """What became of a claim, and the evidence for that."""

    state: State
    evidence: str


def judged(evidence: str, *, passed: bool) -> Answer:
    """Return the answer to a claim that the figures decide."""
    return Answer("pass" if passed else "fail", evidence)


def asked(evidence: str) -> Answer:
    """Return the answer to a claim that a person has to decide."""
    return Answer("ask", evidence)


def counted(number: float, noun: str) -> str:
    """Return a count with its noun, as in `1 note` and `2 notes`."""
    return f"{number:.0f} {noun}" + ("" if number == 1 else "s")


def shown(figure: Figure) -> str:
    """Return a figure with its interval and count."""
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4g}"
    ends = f"[{_digits(figure.low)}, {_digits(figure.high)}]"
    return f"{_digits(figure.value)} {ends}" + (f", n = {figure.n}" if figure.n else "")


def set_aside(found: Mapping[str, float], *, limited: bool) -> Answer:
    """Judge whether every row of the source is either kept or counted as invalid.

    found: metrics by name; `rows` are those of the source before, without the ragged ones or with them. limited:
    whether a check of the workflow limits the share of invalid rows.
    """
    ratio = found.get("invalid_ratio")
    if ratio is None:
        return asked("no step measured invalid_ratio; what became of invalid rows?")
    text = f"{ratio:.2%} of all rows set aside"
    if "records" in found and "invalid_rows" in found:
        invalid, rows = found["invalid_rows"], found["records"] + found["invalid_rows"]
        text = f"{invalid:.0f} of {counted(rows, 'row')} set aside ({ratio:.2%}), {found['records']:.0f} kept"
        if abs(ratio * rows - invalid) > _ROUNDED * rows:
            return judged(f"{text}: the counts give another ratio", passed=False)
        before = found.get("rows", rows)
        if rows - before not in {0, found.get("rejected_ragged", 0)}:
            return judged(f"{text}, but the source held {before:.0f}", passed=False)
    if ratio > MOST_INVALID and not limited:
        return asked(f"{text}; no check limits invalid_ratio: may so many be left out?")
    return judged(text, passed=True)


def scored_whole(
    evaluation: Mapping[str, Any], names: Sequence[str], schema: Mapping[str, Any], expected: float | None
) -> Answer:
    """Judge whether every row of the test part was scored, whatever it lacked. names: the features of the model."""
    if not {"missing_values", "unseen_values", "n_test"} <= evaluation.keys():
        return asked("the evaluation did not count them")
    rows, missing, unseen = (evaluation[key] for key in ("n_test", "missing_values", "unseen_values"))
    optional = sum(not column["required"] for column in schema["columns"] if column["name"] in names)
    text = (
        f"{optional} of {counted(len(names), 'feature')} may be missing; the test part held "
        f"{counted(missing, 'missing value')} and {counted(unseen, 'unseen value')}"
    )
    if expected is not None and rows != expected:
        return judged(f"{text}; {rows} of its {counted(expected, 'row')} were scored", passed=False)
    if unseen > MOST_UNSEEN * rows * len(names):
        return asked(f"{text}, more than {MOST_UNSEEN:.0%} of all: is it of the same source as the training part?")
    return judged(f"{text}; {'all ' if expected is not None else ''}{counted(rows, 'row')} scored", passed=True)


def refuses_malformed(ratio: Figure | None) -> Answer:
    """Judge whether the API refused all requests that it had to refuse."""
    if ratio is None:
        return asked("no step measured bad_requests_refused_ratio; what does the API do with a malformed request?")
    return judged(f"share of the malformed requests that were refused: {ratio.value:.4g}", passed=ratio.value == 1)


def stored_equals(parities: Mapping[str, Figure]) -> Answer:
    """Judge the differences of the stored model's probabilities, by the step that measured each."""
    if not parities:
        return asked("no step compared them")
    largest = max(parity.value for parity in parities.values())
    passed = all(parity.value <= PARITY_LIMIT for parity in parities.values())
    return judged(f"probabilities differ by at most {largest:.1e} ({', '.join(parities)})", passed=passed)


def holds_nobody(embedded: Figure | None) -> Answer:
    """Judge whether customers of the training part can be read out of the stored model; n: how many there are."""
    if embedded is None:
        return asked("no step looked for training rows in the model; does it keep any, as a kernel machine does?")
    of = "" if not embedded.n else f" of {embedded.n:,}, {embedded.value / embedded.n:.1%}"
    return judged(f"training rows found in its arrays: {embedded.value:,.0f}{of}", passed=embedded.value == 0)


def share_drawn(share: float) -> str:
    """Return a share of drawn batches (0-1) as a percentage; 100.0% is said only of all of them."""
    return f"{share if share >= 1 else min(share, 0.999):.1%}"


def can_be_lived_with(severities: Sequence[str]) -> Answer:
    """Judge the issues that were noted, by their severities."""
    critical, warnings = severities.count("critical"), severities.count("warning")
    if critical or warnings:
        return asked(f"{critical} critical, {counted(warnings, 'warning')}; each stays open until closed or waived")
    return judged(f"{counted(severities.count('note'), 'note')}, no warning", passed=True)


def beats_base_rate(gain: Figure | None) -> Answer:
    """Judge how much lower the log loss is than that of always predicting the base rate."""
    if gain is None:
        return asked("no step measured log_loss_gain")
    passed = (gain.value if gain.low is None else gain.low) > 0
    if gain.value >= 0:
        return judged(f"log loss lower by {shown(gain)}", passed=passed)
    return judged(f"log loss higher by {shown(gain.turned())}", passed=passed)


def no_worse(loss: Figure) -> Answer:
    """Judge the log loss less that of the released model, or, before the first release, of the base rate."""
    way = "lower" if loss.value <= 0 else "higher"
    text = f"log loss {way} by {shown(loss.turned() if loss.value <= 0 else loss)}"
    if loss.value <= 0:
        return judged(text, passed=True)
    if loss.low is None or loss.low > 0:
        return judged(text, passed=False)
    return asked(f"{text}, which may be chance: is there another reason to replace what is served?")


def generalises(train: Figure | None, validated: Figure | None, test: Figure | None, folds: int) -> Answer:
    """Judge how the ROC AUC falls from the training rows over cross-validation to the test part."""
    if test is None or validated is None:
        return asked("cross-validation or test was not measured")
    seen = "" if train is None else f"training {train.value:.3f}, "
    gap = validated.value - test.value
    noise = _Z * (_error(validated) ** 2 + _error(test) ** 2) ** 0.5
    text = (
        f"ROC AUC: {seen}cross-validation {shown(validated)} over {folds} folds, test {shown(test)}; "
        f"{'falls' if gap > 0 else 'rises'} by {abs(gap):.3f}, noise up to {noise:.3f}"
    )
    if gap > max(noise, GENERALISES_WITHIN):
        return judged(text, passed=False)
    excess = 0.0 if train is None else train.value - validated.value
    doubts = {
        "the test part may be no better than guessing": (test.value if test.low is None else test.low) <= GUESSING,
        "too few customers to tell": noise > MOST_NOISE,
        f"{excess:.3f} better on its training rows: does it overfit?": excess > OVERFITS_FROM,
    }
    if any(doubts.values()):
        return asked("; ".join([text, *(doubt for doubt, applies in doubts.items() if applies)]))
    return judged(text, passed=True)


def alike(recall: Figure | None, selection: Figure | None) -> Answer:
    """Judge the largest gap in recall between the groups of a column; the one in selection stands beside it."""
    beside = "" if selection is None else f"; in the share selected, largest gap {shown(selection)}"
    if recall is None:
        return asked(f"fewer than two of its groups hold enough customers to compare{beside}")
    text = f"largest gap {shown(recall)}"
    if recall.low is None or recall.high is None:
        return asked(f"{text}, measured without an interval{beside}; is it acceptable?")
    if recall.high <= GAP_LIMIT:
        return judged(f"{text}{beside}", passed=True)
    if recall.low > GAP_LIMIT:
        return judged(f"{text}, above {GAP_LIMIT:g} beyond noise{beside}", passed=False)
    if recall.value > GAP_LIMIT:
        return asked(f"{text}, perhaps above {GAP_LIMIT:g}{beside}; is it acceptable?")
    return asked(f"{text}, too few customers to tell that it is below {GAP_LIMIT:g}{beside}; is it acceptable?")


def documented(importance: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Answer:
    """Judge whether every feature of the model has an importance."""
    known = {entry["feature"] for entry in importance}
    absent = [name for name in names if name not in known]
    if absent:
        return judged(f"no importance for {', '.join(absent)}", passed=False)
    return judged(f"permutation importance of {counted(len(names), 'feature')}, none left out", passed=True)


def relied_on(importance: Sequence[Mapping[str, Any]]) -> str:
    """Return in words the features that matter beyond the noise of shuffling, the most important first."""
    clear = [entry for entry in importance if entry.get("low", 0.0) > 0]
    clear.sort(key=lambda entry: -entry["mean"])
    if not clear:
        return f"the importance of none of {counted(len(importance), 'feature')} can be told from none"
    top = ", ".join(f"{entry['feature']} {_digits(entry['mean'])}" for entry in clear[:_MOST_SHOWN])
    dull = len(importance) - len(clear)
    return (
        f"most important (fall in ROC AUC when shuffled): {top}; {dull} of {len(importance)} can not be told from none"
    )


def _digits(value: float) -> str:
    """Return three decimals, or two significant digits of what these would hide."""
    return f"{value + 0.0:.3f}" if abs(value) >= _SMALL or value == 0 else f"{value:.2g}"


def _error(figure: Figure) -> float:
    """Return the standard error that a 95% interval stands for."""
    if figure.low is None or figure.high is None:
        return 0.0
    return (figure.high - figure.low) / (2 * _Z)
