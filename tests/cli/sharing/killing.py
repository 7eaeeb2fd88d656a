"""A program that kills itself, as kill -9 does, before it touches the outside for the n-th time."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import environment

_KILLED = """
import os, signal, sys
left = int(sys.argv[1])
watched = {"os.rename", "os.remove", "os.link", "os.mkdir", "subprocess.Popen", "shutil.move", "shutil.copyfile"}
def hook(event, _):
    global left
    if event in watched:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from churnflow.cli.app import main
main(sys.argv[2:])
"""


def killed(folder: Path, number: int, *arguments: str) -> bool:
    """Run the program; return whether it was killed before its `number`-th touch, False where it ended well."""
    command = [sys.executable, "-c", _KILLED, str(number), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0
