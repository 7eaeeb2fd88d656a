"""A listed reviewer is known in the work of others and in their own, however a name is spelled."""

import unicodedata

import pytest
from pydantic import ValidationError

from churnflow.domain.reviewers import Acknowledged, ReviewerList
from tests.engine.signing import reviewer
from tests.fakes import START

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


@pytest.mark.parametrize("number", [2, 3])
def test_a_version_holds_what_it_acknowledges_to_one_before_it(number: int) -> None:
    first = ReviewerList(
        project="0" * 32, number=1, previous=None, at=START, by="ann", reviewers=(reviewer("ann", "admin"),)
    )
    assert b"acknowledged" not in first.text()
    fields = {**first.model_dump(by_alias=True), "number": 2, "previous": first.sha256}
    known = Acknowledged(checkpoint="1" * 64, number=1)
    assert ReviewerList.model_validate({**fields, "acknowledged": [known]}).acknowledged == (known,)
    with pytest.raises(ValidationError, match="held to a version that is not before this one"):
        ReviewerList.model_validate({**fields, "acknowledged": [known.model_copy(update={"number": number})]})
