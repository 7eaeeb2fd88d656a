"""What a person should know of the columns of a source, in words: what is left out, read otherwise, or doubted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from churnflow.modelling.disclosure import FEW
from churnflow.modelling.labels import Labels, shortened
from churnflow.modelling.outcomes import infinite_rows
from churnflow.modelling.profile import Column
from churnflow.modelling.recorded import shown_variants

SHOWN: Final = 5
MANY: Final = 10
# What several steps may say of a source, each in its own words.
SHAPE: Final = "more features than rows"
NO_LABEL: Final = "rows without a label"
RAGGED: Final = "rows of another width"
# What a rule that sets rows apart is about, where more than one step speaks of these rows.
ABOUT: Final = {"no_label": NO_LABEL, "ragged": RAGGED}
Severity = Literal["note", "warning", "critical"]


@dataclass(frozen=True)
class Notice:
    """One thing to know, and how grave it is. about: what it is about, the same whichever step says it."""

    text: str
    severity: Severity = "note"
    about: str = ""


def on_columns(columns: Sequence[Column]) -> Iterator[Notice]:
    """Yield what is worth knowing of each column; many that are left out for one reason are named together."""
    yield from _left_out([column for column in columns if column.role == "dropped"])
    for column in columns:
        if column.role in {"feature", "id"}:
            yield from _doubted(column)
        if column.role == "feature":
            yield from _read(column)
        yield from _infinite(column)


def on_labels(labels: Labels) -> Iterator[Notice]:
    """Yield that labels in several spellings were read as one."""
    for level, others in labels.merged.items():
        yield Notice(
            f"labels read as one: {shortened(level)} (also {_listed(map(shortened, others))})",
            "warning",
            f"labels {level}",
        )


def on_shape(features: int, rows: int) -> Iterator[Notice]:
    """Yield that a table has more columns to learn from than rows."""
    if features > rows:
        text = f"{features:,} features are more than the {rows:,} rows: chance alone finds some that fit"
        yield Notice(text, "warning", SHAPE)


def severity_of(column: Column) -> Severity:
    """Return how grave what was found about a column is."""
    if column.personal is not None:
        return column.personal.severity if column.role == "dropped" else "warning"
    return "warning" if column.doubt else "note"


def _left_out(columns: Sequence[Column]) -> Iterator[Notice]:
    by_reason: dict[tuple[str, Severity], list[Column]] = {}
    for column in columns:
        by_reason.setdefault((_reason(column), severity_of(column)), []).append(column)
    for (reason, severity), alike in by_reason.items():
        if len(alike) > MANY:
            names = _listed(column.name for column in alike)
            yield Notice(f"{len(alike):,} columns are left out: {reason} ({names})", severity, f"left out: {reason}")
        else:
            said = ((f"the column {column.name} is left out: {reason}", column.name) for column in alike)
            yield from (Notice(text, severity, f"left out: {name}") for text, name in said)


def _reason(column: Column) -> str:
    return f"{column.reason}; {column.doubt}" if column.doubt else column.reason


def _doubted(column: Column) -> Iterator[Notice]:
    if not column.doubt:
        return
    taken = "the id" if column.role == "id" else f"taken as a {column.kind}"
    yield Notice(f"the column {column.name} is {taken}; {column.doubt}", severity_of(column), f"doubt: {column.name}")


def _read(column: Column) -> Iterator[Notice]:
    """Yield how the texts of a feature were read, where that is not as they stand."""
    name, verdict = column.name, column.verdict
    if verdict.reading.calendar is not None or verdict.reading.numerals is not None:
        yield Notice(f"the column {name}: {verdict.reason}", about=f"reading: {name}")
    yield from _words(column)
    for one in verdict.sentinels:
        keep = f"; to keep it: columns: {{{name}: {{missing: []}}}}"
        yield Notice(
            f"{one.rows:,} values of {name} read as missing: {one.value}, {one.because}{keep}",
            about=f"sentinel {one.value}: {name}",
        )
    for kept in verdict.kept:
        text = f'{kept.rows:,} values "{kept.word}" of {name} are no missing ones: {kept.because}'
        yield Notice(text, about=f"kept {kept.word}: {name}")
    if verdict.variants:
        known = shown_variants(column)
        shown = [f"{shortened(level)} (also {_listed(map(shortened, texts))})" for level, texts in known.items()]
        rare = sum(map(len, verdict.variants.values())) - sum(map(len, known.values()))
        shown += [f"{rare:,} of {FEW} rows each"] if rare else []
        yield Notice(f"spellings of {name} read as one: {_listed(shown)}", about=f"spellings: {name}")


def _infinite(column: Column) -> Iterator[Notice]:
    rows, name = infinite_rows(column), column.name
    if rows:
        said = f"{rows:,} values of {name} are infinite, and their rows are set apart"
        keep = f"; to read them as missing: columns: {{{name}: {{missing: [inf, -inf]}}}}"
        yield Notice(said + keep, "warning", f"infinite: {name}")


def _words(column: Column) -> Iterator[Notice]:
    """Say which words were read as missing among texts, where one may be a value, such as None for no contract."""
    sentinels = {one.value for one in column.verdict.sentinels}
    absent = column.verdict.present.absent.items()
    words = {word: count for word, count in absent if word and word not in sentinels}
    if column.kind != "category" or not words:
        return
    usual = sorted(words, key=lambda word: -words[word])
    shown = ", ".join(f'"{word}" ({words[word]:,})' for word in usual[:SHOWN])
    more = "; if one of them is a value, name the other words under missing"
    text = f"{sum(words.values()):,} values of {column.name} read as missing: {shown}{more}"
    yield Notice(text, about=f"missing words: {column.name}")


def _listed(texts: Iterable[str]) -> str:
    every = list(texts)
    return ", ".join(every[:SHOWN]) + (f" and {len(every) - SHOWN:,} more" if len(every) > SHOWN else "")
