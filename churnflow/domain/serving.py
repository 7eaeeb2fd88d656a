"""What a workflow declares of a served release: what the predictions log may keep of a customer, and for how long."""

from typing import Annotated, Literal

from pydantic import Field

from churnflow.domain.base import Frozen


class Privacy(Frozen):
    """What the predictions log keeps.

    inputs: of a customer's values the bins that monitoring needs (`bins`), the values themselves (`values`), or nothing
    (`none`, which leaves drift of the score alone to be watched). customer: the id as a keyed hash (`pseudonym`), as it
    came (`plain`), or not at all (`none`, so that outcomes can be told by prediction only). retention: how long, in
    days or weeks.
    """

    inputs: Literal["bins", "values", "none"] = "bins"
    customer: Literal["pseudonym", "plain", "none"] = "pseudonym"
    retention: Annotated[str, Field(pattern=r"^[1-9]\d{0,4}[dw]$")] = "90d"

    @property
    def retention_days(self) -> int:
        """How many days a prediction is kept."""
        return int(self.retention[:-1]) * (7 if self.retention.endswith("w") else 1)
