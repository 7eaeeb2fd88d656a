"""Which release the API serves: one small file, replaced atomically, and the list of what was served before."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from churnflow.adapters.durable import append_durably, explained, make_folder, write_durably
from churnflow.adapters.sealed_lines import opened, sealed, whole_lines
from churnflow.domain.base import canonical_json
from churnflow.domain.release import Release
from churnflow.errors import IntegrityError


class ReleaseFiles:
    """`served.json`, which a running server follows, and `served.jsonl`, which only grows."""

    def __init__(self, state_dir: Path) -> None:
        """Take the folder of the two files; nothing is created before the first switch."""
        self.path = state_dir / "served.json"
        self._past = state_dir / "served.jsonl"

    def read(self) -> Release | None:
        """Return what is served, None before the first ship. Raises IntegrityError for a file that cannot be read."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        aside = f"mv {shlex.quote(str(self.path))} {shlex.quote(f'{self.path}.damaged')}"
        return _parse(text, str(self.path), f"{aside}, then serve the newest release again: churnflow rollback served")

    def switch(self, release: Release) -> None:
        """Serve `release` from now on, by one atomic replacement."""
        with explained(self.path):
            make_folder(self.path.parent)
        line = _line(release)
        # Written before the switch as "about to be served", a kill in between would leave a release in the list that
        # was never served; written after it, `past` adds what a kill kept out of the list.
        self._complete()
        write_durably(self.path, line)
        self._note(line)

    def past(self) -> Sequence[Release]:
        """Return what was served over time, oldest first."""
        listed = self._listed()
        served = self.read()
        if served is not None and _was_kept_out(served, listed):
            listed.append(served)
        return listed

    def _complete(self) -> None:
        served = self.read()
        if served is not None and _was_kept_out(served, self._listed()):
            self._note(_line(served))

    def _listed(self) -> list[Release]:
        lines, wrong, _ = opened(self._past.read_bytes() if self._past.exists() else b"")
        mend = shlex.quote(str(self._past))
        # Without that line the seals after it do not fit; the next line that is written covers what is left.
        unseal = """-e 's/^{"chain":"[0-9a-f]*",/{/'"""
        if wrong:
            message = f"the list of what was served was altered: {self._past}, line {wrong}"
            raise IntegrityError(message, hint=f"remove that line: sed -i -e {wrong}d {unseal} {mend}")
        return [
            _parse(line, f"{self._past}, line {number}", f"remove that line: sed -i -e {number}d {unseal} {mend}")
            for number, line in enumerate(lines, 1)
        ]

    def _note(self, line: bytes) -> None:
        append_durably(self._past, sealed(line, whole_lines(self._past)))


def _was_kept_out(served: Release, listed: Sequence[Release]) -> bool:
    """Tell whether a kill between switch and list kept what is served out of the list.

    What has the version or the checkpoint of another one there is that one, spoiled, and never enters the list.
    """
    if not listed or served in listed:
        return not listed or listed[-1] != served
    return not any(served.version == one.version or served.checkpoint == one.checkpoint for one in listed)


def _line(release: Release) -> bytes:
    return canonical_json(release.model_dump(mode="json", by_alias=True)) + b"\n"


def _parse(text: bytes, where: str, hint: str) -> Release:
    try:
        return Release.model_validate_json(text)
    except ValidationError as failure:
        message = f"the record of what is served was altered: {where}"
        raise IntegrityError(message, hint=hint) from failure
