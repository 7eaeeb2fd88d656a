"""The target as two classes: which spellings mean which, and which of them says that the customer left."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from churnflow.errors import UsageError
from churnflow.modelling import personal
from churnflow.modelling.cells import FEWEST
from churnflow.modelling.disclosure import FEW
from churnflow.modelling.spellings import NO, YES, as_yes_and_no
from churnflow.modelling.texts import as_number, fold
from churnflow.modelling.values import Present

# 1 says that a customer left beside 0 or -1, or a no; beside 2 it is one code of two.
_NEGATIVES: Final = (0.0, -1.0)
# What a yes to such a question says is that the customer stays.
_STAYING: Final = re.compile(r"renew|ret(ai|e)n|(?<!de)(?<!in)(?<!non)(?<!non_)activ|stay|loyal|remain", re.IGNORECASE)
POSITIVE: Final = frozenset(
    (*YES, "positive", "churn", "churned", "churner", "left", "exited", "gone", "cancelled", "canceled", "lost")
) - {"on"}
SHOWN: Final = 4
LONGEST: Final = 30
_MARKS: Final = ".,!?:; "


@dataclass(frozen=True)
class Labels:
    """The two values of the target and which of them means that the customer left.

    meaning: the class of every text of the column, 1 for positive and 0 for negative; a missing one has none. merged:
    the spellings that were read as another, by that other.
    """

    positive: str
    negative: str
    reason: str
    meaning: Mapping[str, int]
    merged: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, int]:
        """Return the label mapping as the schema records it, each spelling of the source with its class."""
        return dict(sorted(self.meaning.items()))

    def counts(self, values: Present) -> Counter[int]:
        """Return how many rows of a target are of class 1 and of class 0; those without a label are of none."""
        found = Counter({1: 0, 0: 0})
        for text, count in values.counts.items():
            found[self.meaning[text]] += count
        return found

    def shown(self, counts: Mapping[int, int]) -> str:
        """Say which label is which class, and how many rows have it."""
        return f"{self.positive} is 1 ({counts[1]:,} rows), {self.negative} is 0 ({counts[0]:,} rows)"


def labels(target: str, values: Present, positive: str | None) -> Labels:
    """Return the two classes of a target.

    Spellings that differ by case, blanks or Unicode form are one, as are 1 and 1.0, and, where all labels are such
    words, Yes and Y and True. Raises UsageError for one class, more than two, or an unclear positive one.
    """
    usual, classes = _usual(values.counts), classes_of(values)
    if len(classes) != 2:  # noqa: PLR2004 - a binary target has two values
        raise _not_two(target, values, classes)
    chosen, reason = _positive(target, classes, usual, positive)
    merged: dict[str, tuple[str, ...]] = {}
    for text in sorted(values.counts):
        level = usual[_key(text)]
        if text != level:
            merged[level] = (*merged.get(level, ()), text)
    meaning = {text: int(usual[_key(text)] == chosen) for text in values.counts}
    return Labels(chosen, next(one for one in classes if one != chosen), reason, meaning, merged)


def classes_of(values: Present) -> list[str]:
    """Return the different labels, each in its usual spelling, sorted."""
    return sorted(set(_usual(values.counts).values()))


def means_positive(value: str) -> bool:
    """Tell whether a value is a usual word for a customer who left; 1 in any spelling is one, and so is "churned?"."""
    return fold(value).strip(_MARKS) in POSITIVE or as_number(value) == 1


def shortened(value: str) -> str:
    """Return a value in quotes as it can be shown, cut where it is long."""
    return repr(value if len(value) <= LONGEST else f"{value[:LONGEST]}...")


def _key(text: str) -> str:
    """Return what spellings of one label have in common."""
    number = as_number(text)
    return f"{number:.15g}" if number is not None else fold(text)


def _usual(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the usual spelling of each label, by its key."""
    words = as_yes_and_no(counts)
    if words is not None:
        return {_key(text): words[fold(text)] for text in counts}
    keys: dict[str, dict[str, int]] = {}
    for text, count in counts.items():
        keys.setdefault(_key(text), {})[text] = count
    return {key: min(texts, key=lambda text: (-texts[text], text)) for key, texts in keys.items()}


def _positive(target: str, classes: list[str], usual: Mapping[str, str], declared: str | None) -> tuple[str, str]:
    first, second = classes
    if declared is not None:
        chosen = usual.get(_key(declared.strip()))
        if chosen is None:
            message = f"the target {target!r} has no value {shortened(declared)}"
            raise UsageError(message, hint=f"its values: {shortened(first)} and {shortened(second)}")
        return chosen, "declared"
    likely = [value for value in classes if means_positive(value)]
    if len(likely) != 1 or not _is_clear(target, likely[0], first if likely[0] == second else second):
        shown = shortened(first), shortened(second)
        message = f"which value of {target!r} means that the customer left, {shown[0]} or {shown[1]}?"
        raise UsageError(message, hint=f"say so in the workflow: with: {{positive: {first!r}}}")
    return likely[0], "the usual word for it"


def _is_clear(target: str, positive: str, negative: str) -> bool:
    """Tell whether a usual word for a customer who left says so beside the other label and under the target's name."""
    if as_number(positive) == 1 and as_number(negative) not in _NEGATIVES and fold(negative).strip(_MARKS) not in NO:
        return False
    answers = fold(positive).strip(_MARKS) in {*YES, "positive"} or as_number(positive) == 1
    return not (answers and _STAYING.search(target))


def _not_two(target: str, values: Present, classes: list[str]) -> UsageError:
    found = personal.recognise(target, values)
    counts = sorted(values.counts.items(), key=lambda one: (-one[1], one[0]))
    usual = _usual(values.counts)
    common = (usual[_key(text)] for text, count in counts if count >= FEWEST)
    shown = [shortened(value) for value in dict.fromkeys(common)]
    listed = found.kind if found else ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")
    only = " only" if len(classes) == 1 else ""
    several = f"{len(classes):,} value{'' if len(classes) == 1 else 's'}{only}"
    rare = f"each of {FEW} rows" if classes else "none"
    message = f"the target {target!r} has {several} ({listed or rare}), not two"
    hint = "name a column with two values as target, such as Yes and No"
    return UsageError(message, hint=hint if classes else f"{hint}; every value of this one is missing")
