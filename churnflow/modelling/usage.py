"""What a process takes while something else happens: its peak memory and its mean CPU."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

import psutil

SAMPLE_SECONDS: Final = 0.05


@dataclass
class Usage:
    """Peak memory and mean CPU of a process while the block runs; None where it could not be asked."""

    pid: int
    peak_bytes: int | None = None
    cpu_percent: float | None = None
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin to look every SAMPLE_SECONDS. Raises psutil.Error when there is no such process."""
        self._process = psutil.Process(self.pid)
        self._started = time.perf_counter(), self._cpu_seconds()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look for the last time."""
        self._done.set()
        self._thread.join()
        wall, cpu = self._started
        # An API that died meanwhile shows in the answers, not here.
        with suppress(psutil.Error):
            self._look()
            self.cpu_percent = 100 * (self._cpu_seconds() - cpu) / (time.perf_counter() - wall)

    def _sample(self) -> None:
        with suppress(psutil.Error):
            while not self._done.is_set():
                self._look()
                self._done.wait(SAMPLE_SECONDS)

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes or 0, self._process.memory_info().rss)

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)
