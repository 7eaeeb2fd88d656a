"""What a person may call a checkpoint: its name, its tag, `HEAD~1`, or the short form of the user's document."""

import re

from churnflow.adapters.git_chain import Chain, is_tag, split_tag
from churnflow.adapters.git_plumbing import Plumbing

_BACK = re.compile(r"HEAD(?:~(\d{0,6}))?\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,80}\Z")
_SHORT = "checkpoint-"


class Names:
    """Finds the tag that a name means."""

    def __init__(self, plumbing: Plumbing, chain: Chain) -> None:
        """Take the plumbing and the chains."""
        self._plumbing = plumbing
        self._chain = chain

    def find(self, run_id: str | None, name: str) -> str | None:
        """Return the tag that `name` means: in the run first, then in all runs by age; None if none does."""
        if is_tag(name):
            return name if self._exists(name) else None
        back = _BACK.match(name)
        if back:
            return self._back(run_id, int(back[1] or 1) if "~" in name else 0)
        if not _NAME.match(name):
            return None
        for pattern in _patterns(name):
            found = self._newest(run_id, pattern)
            if found:
                return found
        return None

    def _back(self, run_id: str | None, steps: int) -> str | None:
        tip = self._chain.tip(run_id) if run_id else None
        if tip is None or steps >= tip.number:
            return None
        link = self._chain.at(tip, tip.number - steps)
        return link.tag if link else None

    def _newest(self, run_id: str | None, pattern: str) -> str | None:
        tags = self._chain.tags(run_id, pattern) if run_id else []
        if tags:
            return tags[-1]
        listed = self._plumbing.line(
            "for-each-ref",
            "--sort=creatordate",
            "--format=%(refname:lstrip=2)",
            f"refs/tags/churnflow/*/{pattern}",
        )
        names = [tag for tag in listed.splitlines() if is_tag(tag)]
        return names[-1] if names else None

    def _exists(self, tag: str) -> bool:
        if self._plumbing.read([f"refs/tags/{tag}"])[0] is not None:
            return True
        run_id, number, _ = split_tag(tag)
        tip = self._chain.tip(run_id)
        link = self._chain.at(tip, number)
        return link is not None and link.tag == tag


def _patterns(name: str) -> list[str]:
    patterns = [name] if re.match(r"\d+-", name) else []
    patterns.append(f"[0-9]*-{name}")
    if name.startswith(_SHORT):
        patterns.append(f"[0-9]*-{name.removeprefix(_SHORT)}*")
    return patterns
