"""A listed reviewer is known in the work of others and in their own, however a name is spelled."""

import unicodedata

import pytest

from tests.engine.signing import reviewer

COMPOSED = unicodedata.normalize("NFC", "José Núñez")


@pytest.mark.parametrize(
    "written",
    [
        COMPOSED,
        unicodedata.normalize("NFD", COMPOSED),
        COMPOSED.upper(),
        "  José   Núñez\t",
        "\N{FULLWIDTH LATIN CAPITAL LETTER J}osé Núñez",
        "José\N{NO-BREAK SPACE}Núñez",
        "JOSE@EXAMPLE.ORG",
        "STRASSE",
        "jose",
    ],
)
def test_another_spelling_of_a_name_is_the_same_person(written: str) -> None:
    one = reviewer("jose", identities=(COMPOSED, " jose@example.org ", "straße"))
    assert one.is_one_of(frozenset({"someone", written}))


@pytest.mark.parametrize("written", ["jose nunez", "jos", "", "josé"])
def test_another_name_is_another_person(written: str) -> None:
    assert not reviewer("jose", identities=(COMPOSED,)).is_one_of(frozenset({written}))
