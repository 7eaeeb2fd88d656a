"""How long `churnflow demo` takes after set-up, and how much memory its processes hold at their peak."""

import contextlib
import shutil
import subprocess
import sys
import threading
import time

import psutil

from measure import BUILD, CHURNFLOW, Row, table

SECONDS = 180.0
MEGABYTES = 1500.0


def main() -> bool:
    """Print time and memory; return whether both are within what is promised."""
    folder = BUILD / "bench" / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with subprocess.Popen([*CHURNFLOW, "demo", str(folder)], stdout=subprocess.DEVNULL) as process:
        peak = _watch(process)
    seconds = time.perf_counter() - began
    held = table("Demo: time", [Row("wall", seconds, SECONDS, 1.0)], peer="at most")
    return table("Demo: memory", [Row("peak", peak, MEGABYTES, 1.0)], peer="at most", unit="MB") and held


def _watch(process: "subprocess.Popen[bytes]") -> float:
    """Return the largest sum, in MB, of the proportional memory of the process and all its children."""
    peak = 0.0
    done = threading.Event()
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        done.wait(0.2)
    return peak


def _memory(pid: int) -> float:
    total = 0.0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for each in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += each.memory_full_info().pss
    return total / 1e6


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
