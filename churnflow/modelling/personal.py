"""Personal data among the columns: recognised by its form, or by a column's name and form, never by name alone.

A model has no use for it, so its columns are no features, and no output but the id itself repeats a value of it.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from churnflow.modelling.values import Present

MOST: Final = 0.8
SOME: Final = 0.1
LONGEST_NAME: Final = 100
# An e-mail address has at most 254 characters (RFC 5321), and nothing else that is recognised has more.
LONGEST: Final = 254
MANY: Final = 20
LONGEST_SHAPE: Final = 40
# Bounded as RFC 5321 has it, so that a long cell is searched in linear time.
_EMAIL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_CARD: Final = re.compile(r"(?<!\d)[2-6](?:[ -]?\d){12,18}(?!\d)")
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
_NATIONAL: Final = re.compile(r"\d{3}-\d{2}-\d{4}")
_PHONE: Final = re.compile(r"(?:\+|00)[1-9][\d ()./-]{6,18}\d|\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}")
_DIALLED: Final = re.compile(r"\+?[\d ()./x-]{6,22}")
_MAC: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_STREET: Final = re.compile(
    r"\d+[a-z]?,? [\w.' -]*\b(?:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|way|court|ct|rue)\b.*"
    r"|[\w.' -]*(?:(?:straße|strasse|str\.|weg|platz|allee|gasse|laan|straat)(?!\w)|\b(?:via|calle|rua|rue)\b[\w.' -]*)"
    r" ?,? ?\d+\b.*",
    re.IGNORECASE,
)
# What sets two words apart is never empty: else the words of one run could be told apart in very many ways.
_PERSON: Final = re.compile(r"[^\W\d_]+(?:(?:['\u2019.-] ?| )[^\W\d_]+){0,4}\.?")
# Given names of many countries; enough of them in a column show what it holds, so that the list need not be complete.
_GIVEN_NAMES: Final = """
    ada adam ahmed alan albert alex alice amanda amy ana andrea andrew angela anita anna anne anthony antonio
    barbara ben brian carlos carol caroline catherine charles chloe chris christian christine claudia daniel david
    deborah diana diego donald dorothy edward elena elizabeth emily emma eric erika eva fatima felix fernando
    francesco frank george grace hannah hans heidi helen henry ian ibrahim isabel jack jacob james jane jason
    javier jean jennifer jessica joan joao john jonas jonathan jorge jose joseph juan julia karen karl katherine
    kenneth kevin klaus kumar laura lena leon linda lisa louis lucas lucia luis luke maria marie mario mark markus
    martin mary matthew mehmet melissa michael michelle miguel mohamed mohammed nancy natalie nicholas nina nicole
    olga oliver olivia omar pamela patricia patrick paul pedro peter philip pierre priya rachel rebecca ricardo
    richard robert roberto roger ronald rosa ruth ryan samuel sandra sara sarah scott sergio sharon simon sofia
    sophie stefan stephanie stephen steven susan svetlana teresa thomas timothy tom ursula victor victoria wei
    werner william yuki yusuf zoe
"""
_GIVEN: Final = frozenset(_GIVEN_NAMES.split())
_NAME: Final = re.compile(r"^name$", re.IGNORECASE)
_GIVEN_OR_FAMILY: Final = re.compile(
    r"(^|[_\s.-])((first|last|full|given|family|middle|maiden|birth)[_\s.-]?name|[fl]name"
    r"|surname|forename|vorname|nachname|familienname|nom|prenom|prénom|apellidos?|nombre|cognome)[_\s.-]?\d*$",
    re.IGNORECASE,
)
_NAMES: Final = re.compile(r"(^|[_\s.-])(customer|client|contact|holder|person)[_\s.-]?name[_\s.-]?\d*$", re.IGNORECASE)
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PHONES: Final = re.compile(r"phone|mobile|(^|[_\s.-])(tel|cell|fax|msisdn)([_\s.-]|$)|telefon|handy", re.IGNORECASE)
_ADDRESSES: Final = re.compile(
    r"addr|street|stra(ß|ss)e|(^|[_\s.-])(rue|calle|via)([_\s.-]|$)|anschrift", re.IGNORECASE
)
_NATIONALS: Final = re.compile(
    r"(^|[_\s.-])(ssn|nin|passport|tax[_\s.-]?id|national[_\s.-]?id|social[_\s.-]?security)", re.IGNORECASE
)


@dataclass(frozen=True)
class Personal:
    """What kind of personal data a column holds, in the plural; critical: its loss harms at once, as a card's does."""

    kind: str
    severity: Literal["warning", "critical"]


def recognise(name: str, values: Present) -> Personal | None:
    """Return what personal data a column holds, None for none that is recognised.

    A form that nothing else has counts from a tenth of the values; one that other things have too, from four fifths and
    where the values are many, or together with the column's name.
    """
    sample = values.sample()
    if not sample:
        return None
    spread = len(values.counts) >= min(MANY, values.total / 2)
    spaced = _HUMP.sub("_", name)
    for kind, severity, holds, least, named in _FORMS:
        if named is not None and not named.search(spaced):
            continue
        telling = spread or least == SOME or named not in {None, _NAME}
        if telling and sum(map(holds, sample)) >= least * len(sample):
            return Personal(kind, severity)
    return None


def masked(text: str) -> str:
    """Return a text with what reads as personal data in it replaced by what it is, in brackets."""
    text = _EMAIL.sub("[e-mail address]", text)
    text = _IBAN.sub(lambda found: "[IBAN]" if is_iban(found[0]) else found[0], text)
    text = _CARD.sub(lambda found: "[card number]" if is_card(found[0]) else found[0], text)
    return _PHONE.sub("[phone number]", _NATIONAL.sub("[national id]", text))


def shape_of(text: str) -> str:
    """Return how a text is written without what it says: x for a letter, 0 for a digit, at most 40 characters."""
    return "".join(
        "x" if letter.isalpha() else "0" if letter.isdecimal() else letter for letter in text[:LONGEST_SHAPE]
    )


def is_card(text: str) -> bool:
    """Tell whether a text is the number of a payment card: 13 to 19 digits with the check digit of ISO/IEC 7812."""
    digits = text.replace(" ", "").replace("-", "")
    if not _CARD.fullmatch(text) or not 13 <= len(digits) <= 19:  # noqa: PLR2004 - the lengths of ISO/IEC 7812
        return False
    # Luhn: every second digit from the right counts twice, and its digits are added.
    total = sum(int(digit) for digit in digits[-1::-2])
    return (total + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])) % 10 == 0


def is_iban(text: str) -> bool:
    """Tell whether a text is an international bank account number, by its check digits (ISO 13616)."""
    plain = text.replace(" ", "")
    if not _IBAN.fullmatch(text):
        return False
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1


def _is_address(text: str) -> bool:
    """Tell whether a text is an address of the internet, of version 4 in full or 6, or of a network card."""
    if _MAC.fullmatch(text):
        return True
    if text.count(".") != 3 and text.count(":") < 2:  # noqa: PLR2004 - the least that each version has
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_name(text: str) -> bool:
    return text[:1].isupper() and _is_name_in_any_case(text)


def _is_name_in_any_case(text: str) -> bool:
    return len(text) <= LONGEST_NAME and bool(_PERSON.fullmatch(text))


def _is_whole_name(text: str) -> bool:
    first, _, rest = text.partition(" ")
    return first.lower() in _GIVEN and _is_name(rest)


def _matching(form: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: len(text) <= LONGEST and form.fullmatch(text) is not None


def _is_dialled(text: str) -> bool:
    return bool(_DIALLED.fullmatch(text)) and 7 <= sum(map(str.isdigit, text)) <= 15  # noqa: PLR2004 - ITU-T E.164


def _is_place(text: str) -> bool:
    return " " in text and any(map(str.isdigit, text)) and any(map(str.isalpha, text))


_Form = tuple[str, Literal["warning", "critical"], Callable[[str], bool], float, re.Pattern[str] | None]
_FORMS: Final[Sequence[_Form]] = (
    ("e-mail addresses", "warning", _matching(_EMAIL), SOME, None),
    ("bank account numbers (IBAN)", "critical", is_iban, SOME, None),
    ("payment card numbers", "critical", is_card, MOST, None),
    ("national identity numbers", "critical", _matching(_NATIONAL), MOST, None),
    ("national identity numbers", "critical", lambda text: sum(map(str.isdigit, text)) > 5, MOST, _NATIONALS),  # noqa: PLR2004
    ("internet addresses", "warning", _is_address, MOST, None),
    ("phone numbers", "warning", _matching(_PHONE), MOST, None),
    ("phone numbers", "warning", _is_dialled, MOST, _PHONES),
    ("postal addresses", "warning", _matching(_STREET), MOST, None),
    ("postal addresses", "warning", _is_place, MOST / 2, _ADDRESSES),
    # Nobody has another thing in such a column, so that neither capitals nor many different ones are needed.
    ("names of persons", "warning", _is_name_in_any_case, MOST, _GIVEN_OR_FAMILY),
    ("names of persons", "warning", _is_name, MOST, _NAMES),
    ("names of persons", "warning", _is_whole_name, MOST / 4, None),
    # A plan may have a name, too: what a column of this name holds has to be spread like names of persons.
    ("names of persons", "warning", _is_name, MOST, _NAME),
)
