"""A value of a customer in words, short and the same every time: "month-to-month contract", "2 months tenure".

The standard library only, so that the API can say it, too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from churnflow.modelling.readings import Reading
from churnflow.modelling.texts import fold, missing_words

LONGEST: Final = 60
_YES: Final = frozenset({"yes", "true", "y", "t", "1"})
_NO: Final = frozenset({"no", "false", "n", "f", "0"})
_UNITS: Final = frozenset({"year", "month", "week", "day", "hour", "minute"})
_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_]+|\d+")
_PLAIN: Final = re.compile(r"[^\W\d_][\w-]*(?: [\w-]+){0,2}")


@dataclass(frozen=True)
class Wording:
    """How the values of one feature are said.

    name: the feature in words. unit, rest: the unit that the name ends or begins with, as "months" of "tenure months",
    and what is left of it, "" for none. yes_no: whether it is a number that says yes or no.
    """

    name: str
    unit: str
    rest: str
    yes_no: bool
    reading: Reading

    @classmethod
    def of(cls, column: Mapping[str, Any], missing: frozenset[str] = missing_words()) -> "Wording":
        """Return the wording of a feature of the schema. missing: the words of its table. Raises ValueError."""
        name = in_words(str(column["name"]))
        words = name.split()
        unit = next((word for word in (*words[-1:], *words[:1]) if word.removesuffix("s") in _UNITS), "")
        rest = " ".join(word for word in words if word != unit) if unit else ""
        yes_no = bool(column.get("integer")) and (column.get("low"), column.get("high")) == (0, 1)
        return cls(name, unit, rest, yes_no, Reading.from_json(column, missing))

    def said(self, value: str | float | None) -> str:
        """Return a value in words: a level of a category, a number, or None for a missing one."""
        if value is None or value != value:  # noqa: PLR0124 - NaN
            return f"{self.name} unknown"
        return self._level(value) if isinstance(value, str) else self._number(value)

    def _level(self, level: str) -> str:
        text = " ".join("".join(letter if letter.isprintable() else " " for letter in level).split())
        if fold(text) in _YES:
            return self.name
        if fold(text) in _NO:
            return f"no {self.name}"
        shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
        plain = _lowered(shown)
        if fold(self.name) in fold(plain):
            return plain
        # "no phone service" of another column's does not read as a kind of this one.
        natural = _PLAIN.fullmatch(plain) and not plain.startswith("no ")
        return f"{plain} {self.name}" if natural else f"{self.name}: {plain}"

    def _number(self, value: float) -> str:
        if self.yes_no and value in {0, 1}:
            return self.name if value else f"no {self.name}"
        if self.reading.calendar is not None:
            return f"{self.name} {self.reading.calendar.in_source(value)}"
        number = self._written(value)
        if not self.unit:
            return f"{self.name} {number}"
        unit = self.unit.removesuffix("s") if value == 1 else f"{self.unit.removesuffix('s')}s"
        return f"{number} {unit} {self.rest}".rstrip()

    def _written(self, value: float) -> str:
        way = self.reading.numerals
        plain = f"{value:.10g}"
        return plain if way is None else f"{plain.replace('.', way.decimal)}{way.unit and f' {way.unit}'}"


def in_words(name: str) -> str:
    """Return the name of a column as words: `MonthlyCharges` and `monthly_charges` as "monthly charges"."""
    words = _WORD.findall(name)
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words) or name


def _lowered(text: str) -> str:
    """Return a text without the capital that only its place at the beginning gives it."""
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first[1:].replace("-", "").islower() else text
