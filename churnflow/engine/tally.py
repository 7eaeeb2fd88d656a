"""A confidence in the making: a sum of points, each with its reason, and caps that keep it low."""

import math

from churnflow.domain.evidence import Confidence, Part


class Tally:
    """A sum in the making: points with their reasons, and caps that keep it low."""

    def __init__(self) -> None:
        """Begin at nought."""
        self._parts: list[Part] = []

    def add(self, points: float, text: str) -> None:
        """Add points, or take them where negative."""
        self._parts.append(Part(points=points, text=text))

    def cap(self, limit: int, text: str) -> None:
        """Keep the sum at or below `limit`; the cap is named even where it takes nothing."""
        self.add(min(0.0, limit - self._sum()), f"cap at {limit}: {text}")

    def confidence(self, because: str) -> Confidence:
        """Return the sum as a score within 0-100, with its parts."""
        score = max(0, min(100, math.floor(round(self._sum(), 6) + 0.5)))
        rounding = score - self._sum()
        if abs(rounding) >= 1:
            self.add(rounding, "a score lies between 0 and 100")
        return Confidence(score=score, because=because, parts=tuple(self._parts))

    def _sum(self) -> float:
        return sum(part.points for part in self._parts)
