"""The answers of the checklist that a difference to the released model gives."""

import pytest

from churnflow.modelling.checklist import Figure, no_worse


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
