"""The words of the checklist: shares of drawn batches, and what a difference to the released model gives."""

import pytest

from churnflow.modelling.checklist import Figure, no_worse, share_drawn


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100.0%"), (0.9996, "99.9%"), (0.996, "99.6%"), (0.64, "64.0%"), (0.0, "0.0%")]
)
def test_a_hundred_percent_is_said_only_of_all_that_was_drawn(share: float, text: str) -> None:
    assert share_drawn(share) == text


@pytest.mark.parametrize(
    ("loss", "state", "said"),
    [
        (Figure(-0.01, -0.02, 0.004), "pass", "log loss lower by 0.010 [-0.004, 0.020]"),
        (Figure(0.0), "pass", "log loss lower by"),
        (Figure(0.02, 0.01, 0.03), "fail", "log loss higher by 0.020 [0.010, 0.030]"),
        (Figure(0.02), "fail", "log loss higher by 0.02"),
        (Figure(0.01, -0.01, 0.03), "ask", "which may be chance"),
    ],
)
def test_a_model_that_is_worse_fails_only_beyond_noise(loss: Figure, state: str, said: str) -> None:
    answer = no_worse(loss)
    assert answer.state == state
    assert said in answer.evidence
