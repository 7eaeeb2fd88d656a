"""kubectl as a program: whether it is there, and a run of it that people can follow."""

import shutil
import subprocess
from collections.abc import Sequence

from churnflow.errors import ConflictError, UsageError

STDERR = 2


def require_kubectl() -> None:
    """Raise UsageError where there is no kubectl."""
    if shutil.which("kubectl") is None:
        message = "kubectl is not installed, or not on the PATH"
        raise UsageError(message, hint="install it (kubernetes.io/docs/tasks/tools), or go without --apply")


def run_kubectl(commands: Sequence[Sequence[str]]) -> None:
    """Run commands of kubectl in order; what they print goes to stderr, for stdout is the answer's alone.

    Raises ConflictError when one fails.
    """
    for command in commands:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=STDERR, check=False)
        except OSError as failure:
            message = f"kubectl can not be run: {failure.strerror}"
            raise ConflictError(message, hint="try `kubectl version`") from failure
        if done.returncode != 0:
            verb = next(word for word in command[1:] if not word.startswith("-"))
            message = f"kubectl {verb} ended with {done.returncode}, for the reason that it gave above"
            raise ConflictError(message, hint="try `kubectl cluster-info`, then the same again")
