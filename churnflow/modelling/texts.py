"""How a text of the source or of a request is read: one rule for ingestion and the API, so that they cannot differ."""

import math
import unicodedata
from collections.abc import Iterable
from typing import Final

USUAL: Final = ("?", "n/a", "na", "nan", "none", "null")
# A category keeps so many of its levels, the most frequent.
MAX_LEVELS: Final = 100
# Characters without a width, which exports leave behind: soft hyphen, zero width space, word joiner, byte order mark.
_INVISIBLE: Final = dict.fromkeys((0x00AD, 0x200B, 0x2060, 0xFEFF))


def missing_words(declared: Iterable[str] | None = None) -> frozenset[str]:
    """Return the words that stand for a missing value, folded; None for the usual ones. A blank text is always one."""
    words = USUAL if declared is None else declared
    return frozenset({"", *(fold(word) for word in words)})


def present(text: str, words: frozenset[str]) -> str | None:
    """Return a text without the blanks around it, None if it is one of `words`, in whatever case."""
    bare = text.strip()
    return None if fold(bare) in words else bare


def fold(text: str) -> str:
    """Return what spellings of one text have in common: it without case, doubled blanks and typographic variants.

    That is Unicode's compatibility caseless form (The Unicode Standard, 3.13, D146), so that full-width letters,
    ligatures, composed and decomposed accents and non-breaking blanks read as their plain twins.
    """
    if text.isascii():
        folded = text.lower()
    else:
        plain = unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
        folded = unicodedata.normalize("NFKC", plain.casefold())
    return " ".join(folded.split())


def as_number(value: str) -> float | None:
    """Return the number that a text stands for, None if it is none; `inf` and 1e308 are numbers here."""
    text = value.strip()
    if not text or "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number
