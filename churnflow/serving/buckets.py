"""Rate limits: a token bucket for each API key, shared by the worker processes.

The generic cell rate algorithm (ITU-T I.371), which is a token bucket that needs one number: the time at which the
bucket will be full again. `limits` has no token bucket and shares nothing between processes without a server of its
own, so this stands here: a file of doubles that all workers map, each locked for the microsecond in which it changes.
"""

import fcntl
import mmap
import struct
import time
from collections.abc import Callable
from pathlib import Path

_SIZE = 8


class Buckets:
    """The buckets of `slots` keys by number. A bucket holds `burst` tokens and gains `rate` of them a second."""

    def __init__(self, slots: int, path: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Take how many buckets there are, and the file that other processes share, None for this process alone.

        clock: seconds that all these processes agree on, as the monotonic clock of one machine.
        """
        self._clock = clock
        self._file = None
        if path is not None:
            self._file = path.open("r+b")
            self._file.truncate(slots * _SIZE)
        self._full_at = mmap.mmap(-1 if self._file is None else self._file.fileno(), slots * _SIZE)

    def take(self, slot: int, rate: float, burst: int) -> float:
        """Take a token from a bucket; return 0, or the seconds until there is one again, if it is empty."""
        if self._file is None:
            return self._take(slot * _SIZE, rate, burst)
        fcntl.lockf(self._file, fcntl.LOCK_EX, _SIZE, slot * _SIZE)
        try:
            return self._take(slot * _SIZE, rate, burst)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _SIZE, slot * _SIZE)

    def close(self) -> None:
        """Give the file back."""
        self._full_at.close()
        if self._file is not None:
            self._file.close()

    def _take(self, offset: int, rate: float, burst: int) -> float:
        now = self._clock()
        full_at = max(struct.unpack_from("d", self._full_at, offset)[0], now) + 1 / rate
        wait: float = full_at - burst / rate - now
        # A sum of many thousandths is a hair off.
        if wait > 1e-9:  # noqa: PLR2004
            return wait
        struct.pack_into("d", self._full_at, offset, full_at)
        return 0.0
