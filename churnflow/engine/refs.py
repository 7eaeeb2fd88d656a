"""What a reference on the command line means: a checkpoint's name, tag, short form, version, or place in history."""

import re

from churnflow.domain.journal import Run
from churnflow.engine.check import nearest
from churnflow.engine.ports import Ports
from churnflow.errors import UsageError

_SERVED = re.compile(r"^served(?:~(\d+))?$")
_VERSION = re.compile(r"^v\d+\.\d+\.\d+$")


def resolve(ref: str, run: Run | None, ports: Ports) -> str:
    """Return the tag that `ref` means. Raises UsageError, with the nearest name, when it means none."""
    tag = _released(ref, ports) or ports.checkpoints.find(run.id if run else None, ref)
    if tag is None:
        names = [summary.name for summary in ports.checkpoints.summaries(run.id)] if run else []
        message = f"no checkpoint is called {ref!r}"
        raise UsageError(message, hint=f"{nearest(ref, list(dict.fromkeys(names)))} `churnflow log` lists them")
    return tag


def _released(ref: str, ports: Ports) -> str | None:
    served = _SERVED.match(ref)
    if served is None and _VERSION.match(ref) is None:
        return None
    past = ports.pointer.past()
    if served is None:
        return next((release.checkpoint for release in reversed(past) if release.version == ref), None)
    back = int(served[1] or 0)
    return past[-1 - back].checkpoint if back < len(past) else None
