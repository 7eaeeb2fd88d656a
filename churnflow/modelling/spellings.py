"""Spellings of one value: texts that differ by case, blanks or Unicode form, and the many ways to write yes and no."""

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final

import numpy as np

from churnflow.modelling.fingerprints import Equals, of_values
from churnflow.modelling.texts import fold
from churnflow.modelling.values import Counts

_AT_ONCE: Final = 1 << 18

YES: Final = frozenset(("yes", "y", "true", "t", "1", "1.0", "on", "ja", "oui", "si", "sí", "sim"))
NO: Final = frozenset(("no", "n", "false", "f", "0", "0.0", "off", "nein", "non", "não"))
# More spellings than these of yes and no are none of them.
MOST_SPELLINGS: Final = 100


def united(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the usual spelling of every folded text, the most frequent one. counts: how often each text occurs."""
    best: dict[str, tuple[int, str]] = {}
    for text, count in counts.items():
        key = fold(text)
        most, known = best.get(key, (0, text))
        if (count, known) > (most, text):
            best[key] = count, text
    return {key: text for key, (_, text) in best.items()}


def different(counts: Mapping[str, int]) -> int:
    """Count the texts that differ by more than their spelling."""
    if not isinstance(counts, Counts):
        return len(set(map(fold, counts)))
    equals, texts = Equals(), map(fold, counts)
    for some in iter(lambda: list(islice(texts, _AT_ONCE)), []):
        equals.add(of_values(np.array(some, dtype=object)), np.zeros(len(some)))
    return equals.distinct()


def as_yes_and_no(counts: Mapping[str, int]) -> dict[str, str] | None:
    """Return the usual spelling of every folded text, where all are words for yes and no and more than two; else None.

    Yes and no, true and false, Y and N, 1 and 0: the most frequent word for either stands for all.
    """
    if len(counts) > MOST_SPELLINGS:
        return None
    folded = {fold(text) for text in counts}
    if len(folded) <= 2 or not folded <= YES | NO or folded <= YES or folded <= NO:  # noqa: PLR2004
        return None
    usual = united(counts)
    sums: dict[str, int] = {}
    for text, count in counts.items():
        sums[fold(text)] = sums.get(fold(text), 0) + count
    found: dict[str, str] = {}
    for side in (YES, NO):
        words = sorted(folded & side, key=lambda word: (-sums[word], word))
        found |= dict.fromkeys(words, usual[words[0]])
    return found


def is_yes_and_no(folded: Collection[str]) -> bool:
    """Tell whether folded texts are one word for yes and one for no."""
    return len(folded) == 2 and not YES.isdisjoint(folded) and not NO.isdisjoint(folded)  # noqa: PLR2004


def variants(counts: Mapping[str, int], usual: Mapping[str, str]) -> dict[str, list[str]]:
    """Return, for each value with several spellings, the others than the usual one, most frequent first."""
    found: dict[str, list[str]] = {}
    for text in sorted(counts, key=lambda text: (-counts[text], text)):
        level = usual[fold(text)]
        if text != level:
            found.setdefault(level, []).append(text)
    return found
