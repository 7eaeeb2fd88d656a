"""Whether there is enough to judge by, and how a step of monitoring says that there is not."""

from collections.abc import Iterator
from dataclasses import dataclass

from churnflow.modelling.metrics import Estimate

# The fact by which a step says that it could not judge; the gate takes it up.
NOT_TOLD = "not_told"


@dataclass(frozen=True)
class Sample:
    """How many there are of what is judged by, and how many are needed. why_not: what keeps from judging beside that.

    what: the name of what is counted, in the plural.
    """

    have: int
    needed: int
    what: str
    why_not: str = ""

    @property
    def suffices(self) -> bool:
        """Whether there is enough to judge by."""
        return self.have >= self.needed and not self.why_not

    def metrics(self) -> Iterator[tuple[str, Estimate]]:
        """Yield what every part of monitoring reports: judged (1 or 0), sample and sample_needed."""
        for name, value in (("judged", self.suffices), ("sample", self.have), ("sample_needed", self.needed)):
            yield name, Estimate(int(value), int(value), int(value), self.have)

    def facts(self) -> dict[str, str]:
        """Return the fact `not_told` with what there is and what is needed, nothing where there is enough."""
        if self.suffices:
            return {}
        return {NOT_TOLD: self.why_not or f"{self.have:,} of the {self.needed:,} {self.what} needed"}
