"""A confidence in the making: a sum of points, each with its reason, and caps that keep it low."""

import math
from typing import Final

from churnflow.domain.evidence import Confidence, Part

WHOLE: Final = 100


class Tally:
    """A sum in the making: points with their reasons, and caps that keep it low."""

    def __init__(self) -> None:
        """Begin at nought."""
        self._parts: list[Part] = []
        self._caps: list[tuple[int, str]] = []
        self._taken = 0.0

    def add(self, points: float, text: str) -> None:
        """Add points, or take them where negative."""
        self._parts.append(Part(points=points, text=text))

    def cap(self, limit: int, text: str) -> None:
        """Keep the sum at or below `limit`; the cap is named even where it takes nothing."""
        taken = min(0.0, limit - self._sum())
        self._caps.append((limit, text))
        self._taken += taken
        self.add(taken, f"cap at {limit}: {text}")

    def confidence(self, because: str) -> Confidence:
        """Return the sum as a score within 0-100, with its parts; where a cap decides, the reason names it first.

        It is rounded to the nearest, but 100 is kept for a sum of 100.
        """
        because = f"{self._decisive()}{because}"
        score = _rounded(self._sum())
        rounding = score - self._sum()
        if abs(rounding) >= 1:
            self.add(rounding, "a score lies between 0 and 100")
        elif score < math.floor(self._sum() + 0.5):
            self.add(rounding, f"rounded down, for {WHOLE} is kept for what nothing is missing from")
        return Confidence(score=score, because=because, parts=tuple(self._parts))

    def _decisive(self) -> str:
        """Return the cap that the score lies at, and the score before it; nothing where no cap changes the score."""
        before = _rounded(self._sum() - self._taken)
        if before == _rounded(self._sum()):
            return ""
        lowest = min(limit for limit, _ in self._caps)
        first, *others = (text for limit, text in self._caps if limit == lowest)
        more = f" (and {len(others)} more)" if others else ""
        return f"capped at {lowest}: {first}{more}; {before} before it: "

    def _sum(self) -> float:
        return sum(part.points for part in self._parts)


def _rounded(points: float) -> int:
    exact = round(points, 6)
    nearest = math.floor(exact + 0.5)
    return max(0, min(WHOLE - 1 if exact < WHOLE else WHOLE, nearest))
