"""Faults that need no set-up and no special rights: a disk without room, and a user without permission."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A file can grow to `room` bytes while the block runs; git inherits that. Python keeps its own files small.
FULL = """
import resource, signal, sys
from contextlib import contextmanager
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
@contextmanager
def full(room):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
"""

SAID = """
from churnflow.errors import ChurnflowError
@contextmanager
def said():
    try:
        yield
    except ChurnflowError as error:
        print(error.exit_code, error, "|", error.hint)
    else:
        print("done")
"""

# Permissions bind the administrator too when these two of his powers are dropped before the program begins.
_PLAIN = (
    "import ctypes, os, sys\n"
    "for power in (1, 2):\n"
    "    ctypes.CDLL(None).prctl(24, power, 0, 0, 0)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
)


def in_a_process(code: str, *arguments: object, plain: bool = False) -> str:
    """Run code with `full(room)` and `said()` at hand; return what it printed. plain: without root's powers."""
    command = ["-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{FULL}{SAID}{code}", *map(str, arguments)]
    launched = ["-c", _PLAIN, *command] if plain else command
    done = subprocess.run([sys.executable, *launched], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
