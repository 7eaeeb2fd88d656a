"""What a reference on the command line means: a checkpoint's name, tag, short form, version, or place in history."""

from churnflow.domain.journal import Run
from churnflow.domain.release import REFERENCE, Release
from churnflow.engine.check import nearest
from churnflow.engine.ports import Ports
from churnflow.errors import UsageError


def resolve(ref: str, run: Run | None, ports: Ports) -> str:
    """Return the tag that `ref` means. Raises UsageError, with the nearest name, when it means none."""
    release = named_release(ref, ports)
    tag = release.checkpoint if release else ports.checkpoints.find(run.id if run else None, ref)
    tag = tag or _released(ref, ports)
    if tag is None:
        names = [summary.name for summary in ports.checkpoints.summaries(run.id)] if run else []
        message = f"no checkpoint is called {ref!r}"
        near = nearest(ref, list(dict.fromkeys(names))).removesuffix("?")
        raise UsageError(message, hint=f"{near}; `churnflow log` lists them" if names else "`churnflow log` lists them")
    return tag


def named_release(ref: str, ports: Ports) -> Release | None:
    """Return the release that `served`, `served~N` or a version means, None if there is none such."""
    asked = REFERENCE.fullmatch(ref)
    if asked is None:
        return None
    past = ports.pointer.past()
    if asked["version"]:
        return next((release for release in reversed(past) if release.version == ref), None)
    back = int(asked["back"] or 0)
    return past[-1 - back] if back < len(past) else None


def _released(ref: str, ports: Ports) -> str | None:
    """Return the checkpoint that released a version never served here, as in a clone; None where no record has it.

    Raises UsageError where two clones have released different ones under that version.
    """
    asked = REFERENCE.fullmatch(ref)
    if asked is None or not asked["version"]:
        return None
    having = (
        next((one.tag for one in ports.checkpoints.summaries(run) if one.serves == ref), None)
        for run in ports.checkpoints.runs()
    )
    releases = (ports.checkpoints.load(tag).release for tag in having if tag)
    tags = sorted({release.checkpoint for release in releases if release})
    if len(tags) > 1:
        message = f"{ref} was released in more than one clone: {', '.join(tags)}"
        raise UsageError(message, hint="name the checkpoint that is meant")
    return next(iter(tags), None)
