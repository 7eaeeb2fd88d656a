"""Words that usually stand for a missing value and are a value in this column: Namibia's NA, a customer named Null."""

import re
from dataclasses import dataclass
from typing import Final

from churnflow.modelling.texts import fold
from churnflow.modelling.values import Present

LEAST_OTHERS: Final = 3
MOSTLY: Final = 0.95
# ISO 3166-1 alpha-2, without NA itself.
_COUNTRY_CODES: Final = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY
    QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN
    TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
_COUNTRIES: Final = frozenset(_COUNTRY_CODES.split())
_NAMES: Final = re.compile(
    r"(^|[_\s.-])(name|surname|forename|vorname|nachname)$|(first|last|sur|fore)name", re.IGNORECASE
)
_NAME: Final = re.compile(r"[^\W\d_][^\W\d_]*(['\u2019 -][^\W\d_]+)*")


@dataclass(frozen=True)
class Kept:
    """A word that is read as a value here: as it is written, in how many rows, and why."""

    word: str
    rows: int
    because: str


def kept_words(name: str, values: Present) -> list[Kept]:
    """Return the words among those read as missing that are values in this column.

    NA is Namibia where all other values are country codes; a word such as Null is a name where the column is one of
    names and the word is written as they are, and not more often than the most frequent of them.
    """
    words = {text: count for text, count in values.absent.items() if text}
    if not words or len(values.counts) < LEAST_OTHERS:
        return []
    if "NA" in words and _COUNTRIES.issuperset(map(str.upper, values.counts)):
        return [Kept("NA", words["NA"], "all other values are country codes, and NA is Namibia's")]
    if not _NAMES.search(name) or not _are_names(values):
        return []
    most = max(values.counts.values())
    return [
        Kept(word, count, "written like the names beside it, and as rare as they are")
        for word, count in words.items()
        if word.istitle() and count <= most
    ]


def without(words: frozenset[str], kept: list[Kept]) -> frozenset[str]:
    """Return the folded words for missing without those that are values."""
    return words - {fold(one.word) for one in kept}


def _are_names(values: Present) -> bool:
    sample = values.sample()
    return sum(text[:1].isupper() and bool(_NAME.fullmatch(text)) for text in sample) >= MOSTLY * len(sample)
