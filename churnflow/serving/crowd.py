"""Load shedding: how many requests one turn of the event loop takes on; the others are told to come back.

A prediction takes a fraction of a millisecond and does not wait for anything, so that requests queue in front of the
event loop, not inside of the application. All that have arrived are started in one turn of the loop, one after the
other: those beyond `most` would wait longer than the accepted ones may, and are refused.
"""

import asyncio
import random
import time
from typing import Final

from churnflow.serving.guard import retry_after
from churnflow.serving.requests import Problem, RefusedRequestError

# So many are taken on in any turn, and more as long as it has not taken this long.
MOST_A_TURN: Final = 16
TURN_SECONDS: Final = 0.003
# The same for so long after a refusal: sixteen at once are welcome, a crowd that stays makes short turns.
MOST_IN_A_CROWD: Final = 8
CROWDED_TURN_SECONDS: Final = 0.001
CROWDED_SECONDS: Final = 0.5
MOST_HEAVY: Final = 4
# A refusal that comes at once is asked again at once; what a client that does not wait may cost is bounded by this.
REFUSE_AFTER: Final = 0.25
# So many bytes of a body count as one more request of one customer.
_BYTES_A_SHARE: Final = 4_096
# What a refusal names as its field.
SHED: Final = "server"


class Crowd:
    """Counts what is taken on in this turn of the event loop, and how many long requests are under way."""

    def __init__(self, most: int = MOST_A_TURN, heavy: int = MOST_HEAVY) -> None:
        """Take the most of both."""
        self._most = most
        self._heavy = asyncio.Semaphore(heavy)
        self._taken = 0
        self._began = 0.0
        self._crowded_until = 0.0

    def enter(self, length: int) -> None:
        """Take on a request whose body has `length` bytes. Raises RefusedRequestError (503) when this turn is full.

        The first of a turn is always taken on, however long it is.
        """
        if not self._taken:
            asyncio.get_running_loop().call_soon(self._next_turn)
            self._began = time.monotonic()
        elif self._taken >= MOST_IN_A_CROWD and self._is_full(time.monotonic()):
            raise RefusedRequestError(503, [Problem(SHED, "too many requests at once")], (retry_after(1.0),))
        self._taken += 1 + length // _BYTES_A_SHARE

    def heavy(self) -> asyncio.Semaphore:
        """Return what holds the place of a long request. Raises RefusedRequestError (503) when there is none left."""
        if self._heavy.locked():
            raise RefusedRequestError(503, [Problem(SHED, "too many long requests at once")], (retry_after(1.0),))
        return self._heavy

    @staticmethod
    async def hold_back() -> None:
        """Wait before a refusal, not equally long for all: they would come back together."""
        await asyncio.sleep(REFUSE_AFTER * random.uniform(0.5, 1.5))  # noqa: S311 - no secret

    def _is_full(self, now: float) -> bool:
        crowded = now < self._crowded_until
        most, seconds = (MOST_IN_A_CROWD, CROWDED_TURN_SECONDS) if crowded else (self._most, TURN_SECONDS)
        if self._taken < most or now - self._began <= seconds:
            return False
        self._crowded_until = now + CROWDED_SECONDS
        return True

    def _next_turn(self) -> None:
        self._taken = 0
