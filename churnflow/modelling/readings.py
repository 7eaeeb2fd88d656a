"""How the values of one column are read, by rules that the schema records: the same in ingestion and in the API.

The standard library only, because the API reads requests by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from churnflow.modelling.dates import Calendar
from churnflow.modelling.numerals import Numerals
from churnflow.modelling.texts import as_number, fold, missing_words

Kind = Literal["number", "category"]


@dataclass(frozen=True)
class Reading:
    """How a value becomes a number, a level of a category, or a missing one.

    missing: the texts that stand for a missing value, folded; sentinels: the numbers that do. calendar: set where texts
    are dates, which are read as days. numerals: set where numbers are not written as Python writes them. levels: the
    level that each folded spelling means, None where a category is taken letter by letter.
    """

    kind: Kind
    missing: frozenset[str] = field(default_factory=missing_words)
    sentinels: frozenset[float] = frozenset()
    calendar: Calendar | None = None
    numerals: Numerals | None = None
    levels: Mapping[str, str] | None = None

    def read(self, value: str | float | None) -> str | float | None:
        """Return what a value means, None for a missing one. Raises ValueError for what this column can not hold.

        A number given as a number is one already, except where the column holds dates.
        """
        if value is None:
            return None
        if not isinstance(value, str):
            return self._number(value)
        bare = value.strip()
        if fold(bare) in self.missing:
            return None
        if self.kind == "category":
            return self.level(bare)
        if self.calendar is not None:
            return self.calendar.days(bare)
        number = as_number(bare if self.numerals is None else self.numerals.plain(bare))
        if number is None:
            message = "not a number"
            raise ValueError(message)
        return self._number(number)

    def level(self, bare: str) -> str:
        """Return the level that a text without blanks around it means: itself where no other spelling is known."""
        return bare if self.levels is None else self.levels.get(fold(bare), bare)

    def _number(self, value: float) -> float | None:
        if self.calendar is not None:
            return self.calendar.days(str(value))
        return None if value in self.sentinels else value

    def as_json(self, missing: frozenset[str]) -> dict[str, Any]:
        """Return what the schema has to record. missing: the words of the table, named only where these differ."""
        known = set(self.levels.values()) if self.levels is not None else set()
        aliases = {text: level for text, level in (self.levels or {}).items() if text != fold(level)}
        return {
            **({"missing": sorted(self.missing)} if self.missing != missing else {}),
            **({"sentinels": sorted(self.sentinels)} if self.sentinels else {}),
            **({"date": self.calendar.as_json()} if self.calendar else {}),
            **({"numerals": asdict(replace(self.numerals, doubt=""))} if self.numerals else {}),
            **({"folded": True} if self.levels is not None and known else {}),
            **({"spellings": dict(sorted(aliases.items()))} if aliases else {}),
        }

    @classmethod
    def from_json(cls, column: Mapping[str, Any], missing: frozenset[str]) -> "Reading":
        """Return the reading of a column of the schema. Raises ValueError when its parts are of the wrong kind."""
        try:
            words = missing_words(column["missing"]) if "missing" in column else missing
            sentinels = frozenset(float(value) for value in column.get("sentinels") or ())
            calendar = Calendar.from_json(column["date"]) if column.get("date") else None
            numerals = Numerals(**column["numerals"]) if column.get("numerals") else None
            levels = None
            if column.get("folded"):
                levels = spelled(column.get("levels") or (), column.get("spellings") or {})
        except (TypeError, AttributeError, KeyError) as error:
            message = f"a column of the schema says in no known way how it is read: {error}"
            raise ValueError(message) from None
        kind: Kind = "category" if column.get("kind") == "category" else "number"
        return cls(kind, words, sentinels, calendar, numerals, levels)


def spelled(levels: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Return the level that each folded spelling means: every level by its own, and what `aliases` adds."""
    return {**aliases, **{fold(level): level for level in levels}}
