"""Outcomes from a file: what became of customers whose predictions are in the log."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from churnflow.errors import UsageError
from churnflow.modelling.prediction_log import OutcomeRow, PredictionLog
from churnflow.modelling.pseudonyms import pseudonym
from churnflow.modelling.sources import read_table
from churnflow.modelling.texts import as_number, fold

# What is accepted beside the release's own labels, as far as it can not be confused with them: positive, negative.
_NUMBERS: Final = ("1", "0")
_TRUTHS: Final = ("true", "false")
_LONGEST: Final = 40


@dataclass(frozen=True)
class Taken:
    """How many customers of a file were matched, are unknown to the log, have no label yet, or contradict themselves.

    matched: those that were told before among them. wrong: labels that are neither of the two.
    """

    matched: int
    repeated: int
    unknown: int
    unlabelled: int
    contradictory: int
    wrong: int


@dataclass(frozen=True)
class Naming:
    """How the log calls a customer: as the release's privacy says, with the key of pseudonyms."""

    customer: str
    secret: bytes

    def of(self, identifier: str) -> str:
        """Return what the log has in the place of an id."""
        return pseudonym(self.secret, identifier) if self.customer == "pseudonym" else identifier


def take_outcomes(path: Path, files: Mapping[str, bytes], log: PredictionLog, naming: Naming, now: float) -> Taken:
    """Add the outcomes of a file to the log, of the customers that it knows.

    The file is of any format that a source may have, with the columns of id and target that the release was trained
    with. Raises UsageError for a file without them, or none of whose outcomes can be used, and where the log keeps no
    customers; LogError.
    """
    schema = json.loads(files["schema.json"])
    if naming.customer == "none" or not schema.get("id"):
        why = "the log of this release keeps no customers" if schema.get("id") else "its workflow names no id"
        message = f"labels can not be joined by customer: {why}"
        raise UsageError(message, hint="tell them by prediction: POST /api/v1/feedback with prediction_id")
    table = read_table(path)
    labels, counts = _labels(zip(table.column(schema["id"]), table.column(schema["target"]), strict=True), schema)
    if not labels:
        raise _no_label(path, schema, counts)
    names = {identifier: naming.of(identifier) for identifier in labels}
    _, known = log.known([], list(names.values()))
    rows = [
        OutcomeRow(now, None, names[identifier], label, None)
        for identifier, label in labels.items()
        if names[identifier] in known
    ]
    if not rows:
        raise _no_customer(path, schema, list(labels))
    # What was told before is no news of the predictions since: a file that is given every day must not repeat it.
    before = log.told([row.customer for row in rows if row.customer is not None])
    news = [row for row in rows if before.get(row.customer or "") != row.label]
    log.add_outcomes(news)
    return Taken(len(rows), len(rows) - len(news), unknown=len(labels) - len(rows), **counts)


def _labels(pairs: Any, schema: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the label of each customer, and how many have none, several, or another."""
    meaning = _meaning(schema)
    missing = {fold(word) for word in schema.get("missing", ("",))} | {""}
    found: dict[str, set[int]] = {}
    counts = {"unlabelled": 0, "contradictory": 0, "wrong": 0}
    for identifier, text in pairs:
        label = meaning.get(fold(text))
        if label is not None:
            found.setdefault(identifier.strip(), set()).add(label)
        else:
            counts["unlabelled" if fold(text) in missing else "wrong"] += 1
    counts["contradictory"] = sum(len(labels) > 1 for labels in found.values())
    return {name: labels.pop() for name, labels in found.items() if len(labels) == 1}, counts


def _meaning(schema: Mapping[str, Any]) -> dict[str, int]:
    """Return what each folded label means: the schema's own, and 1/0 and true/false beside labels of another kind."""
    own = {fold(text): label for text, label in schema.get("labels", {}).items()}
    own |= {fold(schema["positive"]): 1, fold(schema["negative"]): 0}
    # 0 beside labels 1 and 2 could be anything.
    usual = [] if any(as_number(text) is not None for text in own) else [_NUMBERS]
    usual += [] if set(_TRUTHS) & set(own) else [_TRUTHS]
    return {word: label for pair in usual for word, label in zip(pair, (1, 0), strict=True)} | own


def _no_label(path: Path, schema: Mapping[str, Any], counts: Mapping[str, int]) -> UsageError:
    rows = {"unlabelled": "without a label", "contradictory": "with both labels", "wrong": "with another label"}
    found = ", ".join(f"{counts[name]:,} {what}" for name, what in rows.items() if counts[name]) or "it has no rows"
    target, known = schema["target"], _meaning(schema)
    also = "".join(f", or {pair[0]} and {pair[1]}" for pair in (_NUMBERS, _TRUTHS) if set(pair) <= set(known))
    expected = f"{schema['positive']} and {schema['negative']}{also}"
    return UsageError(
        f"no outcome of {path.name} can be used: {found}", hint=f"the labels of the column {target!r} are {expected}"
    )


def _no_customer(path: Path, schema: Mapping[str, Any], identifiers: Sequence[str]) -> UsageError:
    """Return the error that no id is known; of ids it tells the most frequent form, and none of them."""
    forms = Counter(re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "9", one)) for one in identifiers)
    seen = f", which look like {forms.most_common(1)[0][0][:_LONGEST]}"
    message = f"none of the {len(identifiers):,} customers of {path.name} has a prediction in the log"
    hint = f"the ids of the column {schema['id']!r}{seen}, have to be those that predictions were asked with"
    return UsageError(message, hint=hint)
