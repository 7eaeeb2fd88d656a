"""What a workflow lets the predictions log keep."""

import pytest
from pydantic import ValidationError

from churnflow.domain.serving import Privacy


@pytest.mark.parametrize(("written", "days"), [("90d", 90), ("2w", 14)])
def test_retention_is_written_in_days_or_weeks(written, days) -> None:
    assert Privacy(retention=written).retention_days == days


@pytest.mark.parametrize("wrong", [{"retention": "0d"}, {"retention": "1y"}, {"inputs": "all"}, {"costumer": "plain"}])
def test_what_it_does_not_know_is_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        Privacy.model_validate(wrong)
