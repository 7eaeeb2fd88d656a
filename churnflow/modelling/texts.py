"""How a text of the source or of a request is read: one rule for ingestion and the API, so that they cannot differ."""

from collections.abc import Iterable
from typing import Final

USUAL: Final = ("?", "n/a", "na", "nan", "none", "null")
# A category keeps so many of its levels, the most frequent.
MAX_LEVELS: Final = 100


def missing_words(declared: Iterable[str] | None = None) -> frozenset[str]:
    """Return the words that stand for a missing value, folded; None for the usual ones. A blank text is always one."""
    words = USUAL if declared is None else declared
    return frozenset({"", *(word.strip().casefold() for word in words)})


def present(text: str, words: frozenset[str]) -> str | None:
    """Return a text without the blanks around it, None if it is one of `words`, in whatever case."""
    bare = text.strip()
    return None if bare.casefold() in words else bare
