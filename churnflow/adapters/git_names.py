"""What a person may call a checkpoint: its name, its tag, `HEAD~1`, or the short form of the user's document."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from churnflow.adapters.git_chain import Chain, is_tag, ref_of, split_tag
from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.repository import Repository
from churnflow.domain.checkpoint import file_of

_BACK = re.compile(r"HEAD(?:~(\d{0,6}))?\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,80}\Z")
_SHORT = "checkpoint-"


class Kept(NamedTuple):
    """A run that git has checkpoints of. tag: of the newest; has_ref: False in a clone, which brings only tags."""

    run_id: str
    tag: str
    has_ref: bool


class Names:
    """Finds the tag that a name means."""

    def __init__(self, plumbing: Plumbing, chain: Chain, repository: Repository) -> None:
        """Take the plumbing, the chains, and the project whose runs are searched."""
        self._plumbing = plumbing
        self._chain = chain
        self._repository = repository

    def find(self, run_id: str | None, name: str) -> str | None:
        """Return the tag that `name` means: in the run first, then in the project's runs by age; None if none does.

        Only a whole tag reaches a run of another project or of another work tree.
        """
        if is_tag(name):
            return name if self._exists(name) else None
        back = _BACK.match(name)
        if back:
            return self._back(run_id, int(back[1] or 1) if "~" in name else 0)
        if not _NAME.match(name):
            return None
        for meant in _meanings(name):
            found = self._in_run(run_id, meant) or self._in_project(meant)
            if found:
                return found
        return None

    def kept(self) -> list[Kept]:
        """Return the runs of the project that have checkpoints here, begun here or not, the newest checkpoint last."""
        own, foreign = self._runs()
        newest: dict[str, str] = {}
        for tag in self._tags():
            newest.setdefault(split_tag(tag)[0], tag)
        of_project = [
            (run_id, tag)
            for run_id, tag in reversed(newest.items())
            if run_id in own or (run_id not in foreign and self._is_of_project(tag))
        ]
        refs = self._plumbing.read([ref_of(run_id) for run_id, _ in of_project])
        return [Kept(*one, ref is not None) for one, ref in zip(of_project, refs, strict=True)]

    def _back(self, run_id: str | None, steps: int) -> str | None:
        tip = self._chain.tip(run_id) if run_id else None
        if tip is None or steps >= tip.number:
            return None
        link = self._chain.at(tip, tip.number - steps)
        return link.tag if link else None

    def _in_run(self, run_id: str | None, meant: re.Pattern[str]) -> str | None:
        tags = self._chain.tags(run_id) if run_id else []
        return next((tag for tag in reversed(tags) if meant.search(tag)), None)

    def _in_project(self, meant: re.Pattern[str]) -> str | None:
        tags = [tag for tag in self._tags() if meant.search(tag)]
        own, foreign = self._runs()
        if own:
            return next((tag for tag in tags if split_tag(tag)[0] in own), None)
        # A clone has no runs of its own yet, but tags: those of this project's folder are its history.
        return next((tag for tag in tags if split_tag(tag)[0] not in foreign and self._is_of_project(tag)), None)

    def _tags(self) -> list[str]:
        """Return all tags of checkpoints, the newest first."""
        listed = self._plumbing.line(
            "for-each-ref", "--sort=creatordate", "--format=%(refname:lstrip=2)", "refs/tags/churnflow/"
        )
        return [tag for tag in reversed(listed.splitlines()) if is_tag(tag)]

    def _runs(self) -> tuple[set[str], set[str]]:
        """Return the runs that this work tree has been at, and those that only others of the repository have."""
        state = self._repository.state_dir
        own = _names_in(state / "runs")
        common = self._repository.common_dir
        others = [common, *(common / "worktrees" / name for name in _names_in(common / "worktrees"))]
        place = state.relative_to(self._repository.git_dir)
        return own, {run for folder in others for run in _names_in(folder / place / "runs")} - own

    def _is_of_project(self, tag: str) -> bool:
        prefix = self._repository.prefix
        file = file_of(*split_tag(tag))
        path = f"{prefix}/{file}" if prefix else file
        (found,) = self._plumbing.read([f"refs/tags/{tag}^{{commit}}:{path}"])
        return found is not None

    def _exists(self, tag: str) -> bool:
        if self._plumbing.read([f"refs/tags/{tag}"])[0] is not None:
            return True
        run_id, number, _ = split_tag(tag)
        tip = self._chain.tip(run_id)
        link = self._chain.at(tip, number)
        return link is not None and link.tag == tag


def _names_in(folder: Path) -> set[str]:
    with suppress(OSError):
        return {path.name for path in folder.iterdir()}
    return set()


def _meanings(name: str) -> Iterator[re.Pattern[str]]:
    """Yield what the end of a tag may look like: number and name, the name, a name that begins so."""
    yield re.compile(rf"/{re.escape(name)}\Z")
    yield re.compile(rf"/\d+-{re.escape(name)}\Z")
    short = name.removeprefix(_SHORT)
    if short and short != name:
        yield re.compile(rf"/\d+-{re.escape(short)}[^/]*\Z")
