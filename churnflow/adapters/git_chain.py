"""The checkpoints of a run as a chain of commits: how one is named, found and proved."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import ValidationError

from churnflow.adapters.git_plumbing import Found, Plumbing
from churnflow.adapters.record_yaml import from_yaml, is_written_so
from churnflow.adapters.repository import Repository
from churnflow.domain.base import canonical_json
from churnflow.domain.checkpoint import Checkpoint, Summary, file_of, summary_of
from churnflow.errors import IntegrityError, UsageError

_TAG = re.compile(r"churnflow/(?P<run>[A-Za-z0-9][A-Za-z0-9._-]*)/(?P<number>\d+)-(?P<name>[a-z0-9][a-z0-9._-]*)\Z")
_SUMMARY = re.compile(r"^summary: (\{.*\})$", re.MULTILINE)


class Link(NamedTuple):
    """A commit of the chain: what it states of its checkpoint, and its parents."""

    commit: str
    summary: Summary
    parents: tuple[str, ...]

    @property
    def tag(self) -> str:
        """The checkpoint's tag."""
        return self.summary.tag

    @property
    def sha256(self) -> str:
        """The digest of the checkpoint's record."""
        return self.summary.sha256

    @property
    def number(self) -> int:
        """The checkpoint's number in its run."""
        return self.summary.number


class Chain:
    """Reads commits of checkpoints and the YAML in them; a digest that does not match is never passed over."""

    def __init__(self, plumbing: Plumbing, repository: Repository) -> None:
        """Take the repository's plumbing."""
        self._plumbing = plumbing
        self._repository = repository

    def tip(self, run_id: str) -> Link | None:
        """Return the newest link of a run, None if it has none.

        A clone brings the tags without our refs: there the newest tag is the tip.
        """
        (found,) = self._plumbing.read([ref_of(run_id)])
        if found is None:
            tags = self.tags(run_id)
            (found,) = self._plumbing.read([f"refs/tags/{tags[-1]}^{{commit}}"]) if tags else [None]
        return None if found is None else link_of(found, ref_of(run_id))

    def tags(self, run_id: str) -> list[str]:
        """Return the names of a run's tags by number."""
        where = f"refs/tags/churnflow/{run_id}/"
        names = self._plumbing.line("for-each-ref", "--format=%(refname:lstrip=2)", where).splitlines()
        return sorted((name for name in names if _TAG.match(name)), key=lambda name: split_tag(name)[1])

    def links(self, run_id: str) -> list[Link]:
        """Return the chain of a run, oldest first. Raises IntegrityError for a link that is missing or foreign."""
        tip = self.tip(run_id)
        return [] if tip is None else self.links_to(tip)

    def links_to(self, tip: Link) -> list[Link]:
        """Return the chain that ends at `tip`, oldest first. Raises IntegrityError as `links` does."""
        run_id = split_tag(tip.tag)[0]
        listed = self._plumbing.line("rev-list", "--first-parent", f"--max-count={tip.number}", tip.commit)
        links = [link_of(found, run_id) for found in self._plumbing.read(listed.splitlines())]
        links.reverse()
        if [(link.number, split_tag(link.tag)[0]) for link in links] != [(n + 1, run_id) for n in range(tip.number)]:
            message = f"the chain of run {run_id} has {len(links)} links that do not follow each other to {tip.tag}"
            raise IntegrityError(message, hint="churnflow verify names the first that is broken")
        return links

    def refuse_strays(self, run_id: str, links: Sequence[Link]) -> None:
        """Raise IntegrityError for a tag of the run that is not in its chain, as after the run's ref was moved back."""
        known = {link.tag for link in links}
        for tag in self.tags(run_id):
            if tag not in known:
                raise _moved(tag, None)

    def tagged(self, tag: str) -> Link:
        """Return the link that a tag names. Raises UsageError (no such tag), IntegrityError (out of its chain)."""
        run_id, number, _ = split_tag(tag)
        ref = f"refs/tags/{tag}"
        target, note = self._plumbing.read([f"{ref}^{{commit}}", ref])
        tip = self.tip(run_id)
        placed = self.at(tip, number)
        if target is None or note is None:
            if placed is not None and placed.tag == tag:
                return placed
            message = f"no such checkpoint: {tag}"
            raise UsageError(message, hint="churnflow log lists the checkpoints")
        if placed is None or placed.tag != tag or placed.commit != target.oid:
            raise _moved(tag, placed)
        if note.kind != "tag" or _summary_in(note.content) != placed.summary:
            raise _moved(tag, placed)
        return placed

    def at(self, tip: Link | None, number: int) -> Link | None:
        """Return the link of that number in the chain that ends at `tip`, None if there is none."""
        if tip is None or number < 1 or number > tip.number:
            return None
        (found,) = self._plumbing.read([f"{tip.commit}~{tip.number - number}"])
        return None if found is None else link_of(found, tip.tag)

    def blob(self, link: Link) -> bytes:
        """Return the YAML of a link as git has it."""
        (found,) = self._plumbing.read([self._name(link)])
        return self._content(found, link)

    def record(self, link: Link) -> Checkpoint:
        """Return the checkpoint of a link, proved by its digest."""
        return prove(self.blob(link), link)

    def records(self, links: Sequence[Link]) -> list[Checkpoint]:
        """Return the checkpoints of a whole chain, each proved by its digest and by that of its parent."""
        found = self._plumbing.read([self._name(link) for link in links])
        records = [prove(self._content(blob, link), link) for blob, link in zip(found, links, strict=True)]
        for before, record in zip((None, *links), records, strict=False):
            check_parent(record, before)
        return records

    def parent(self, link: Link) -> Link | None:
        """Return the link before this one, None for the first."""
        if link.number == 1:
            return None
        (found,) = self._plumbing.read([f"{link.commit}^"])
        return link_of(found, link.tag)

    def _name(self, link: Link) -> str:
        prefix = self._repository.prefix
        file = file_of(*split_tag(link.tag))
        return f"{link.commit}:{prefix}/{file}" if prefix else f"{link.commit}:{file}"

    def _content(self, found: Found | None, link: Link) -> bytes:
        if found is None:
            message = f"the YAML of {link.tag} is missing from its commit {link.commit[:12]}"
            raise IntegrityError(message, hint="fetch it from another clone: git fetch --all --tags")
        return found.content


def ref_of(run_id: str) -> str:
    """Return the ref whose one step forward makes a checkpoint."""
    return f"refs/churnflow/runs/{run_id}"


def is_tag(name: str) -> bool:
    """Tell whether `name` has the form of a checkpoint's tag."""
    return _TAG.match(name) is not None


def is_run(name: str) -> bool:
    """Tell whether `name` has the form of a run's id."""
    return is_tag(f"churnflow/{name}/1-a")


def split_tag(tag: str) -> tuple[str, int, str]:
    """Return run, number and name of a checkpoint's tag. Raises UsageError for another form."""
    match = _TAG.match(tag)
    if match is None:
        message = f"{tag} is not a checkpoint's tag (churnflow/RUN/NN-NAME)"
        raise UsageError(message, hint="churnflow log lists the checkpoints")
    return match["run"], int(match["number"]), match["name"]


def message_of(summary: Summary) -> str:
    """Return the message of a checkpoint's commit and tag; the digest in it is what everything is proved by."""
    return f"{summary.tag}\n\nsummary: {canonical_json(summary.model_dump(mode='json')).decode()}\n"


def link_of(found: Found | None, where: str) -> Link:
    """Read a commit as a link. Raises IntegrityError when it is none of ours."""
    if found is not None and found.kind == "commit":
        summary = _summary_in(found.content)
        if summary is not None:
            head = found.content.decode(errors="replace").partition("\n\n")[0]
            parents = tuple(line[7:] for line in head.splitlines() if line.startswith("parent "))
            return Link(found.oid, summary, parents)
    oid = "a missing object" if found is None else found.oid[:12]
    message = f"{where} leads to {oid}, which is no checkpoint"
    raise IntegrityError(message, hint="see where it was before: git reflog show refs/churnflow/runs/RUN")


def prove(data: bytes, link: Link) -> Checkpoint:
    """Read a checkpoint's YAML. Raises IntegrityError unless it has the digest and the place that its commit states.

    It is written in one way only, but for signs that once stood as they are: other bytes are not churnflow's own.
    """
    checkpoint = from_yaml(data, link.tag)
    if summary_of(checkpoint) != link.summary or not is_written_so(checkpoint, data):
        message = f"{link.tag} does not match its digest {link.sha256[:12]}"
        raise IntegrityError(message, hint="fetch the true one from another clone, or go back to the one before it")
    return checkpoint


def check_parent(checkpoint: Checkpoint, before: Link | None) -> None:
    """Raise IntegrityError unless the checkpoint names the one before it in the chain, by tag and digest."""
    named = None if checkpoint.parent is None else (checkpoint.parent.tag, checkpoint.parent.sha256)
    real = None if before is None else (before.tag, before.sha256)
    if named != real:
        message = f"{checkpoint.tag} follows {real and real[0]}, but states {named and named[0]} as its parent"
        raise IntegrityError(message, hint="churnflow verify names the first link that is broken")


def _summary_in(content: bytes) -> Summary | None:
    match = _SUMMARY.search(content.decode(errors="replace"))
    try:
        summary = Summary.model_validate_json(match[1]) if match else None
    except ValidationError:
        return None
    return summary if summary is not None and is_tag(summary.tag) else None


def _moved(tag: str, placed: Link | None) -> IntegrityError:
    if placed is None or placed.tag != tag:
        ref = ref_of(split_tag(tag)[0])
        return IntegrityError(
            f"the tag {tag} lies in no chain: it is forged, or its run was moved back",
            hint=f"if it is yours: git update-ref {ref} {tag}^{{commit}}; if not: git tag -d {tag}",
        )
    return IntegrityError(
        f"the tag {tag} was moved: it no longer names {placed.commit[:12]}",
        hint=f"git tag -d {tag}; the next churnflow command makes it again where it was",
    )
