"""The list of reviewers in git: one ref, a commit per version, which travels with a push; and what was seen of it."""

import os
import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from churnflow.adapters.durable import explained, make_folder, write_durably
from churnflow.adapters.git_chain import ref_of
from churnflow.adapters.git_commit import CommitWriter, Revision
from churnflow.adapters.git_plumbing import GitFailure, Plumbing
from churnflow.adapters.repository import Repository
from churnflow.domain.base import canonical_json
from churnflow.domain.reviewers import Pin, ReviewerList, SignedList
from churnflow.errors import ConflictError, IntegrityError

REF: Final = "refs/churnflow/reviewers"
LIST: Final = "reviewers.json"
SIGNATURE: Final = "reviewers.json.sig"
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class GitReviewers:
    """Each version is a commit with two files, the list and its signature, as `ssh-keygen -Y verify` takes them."""

    def __init__(self, repository: Repository, tip: str | None = None, tagged: Mapping[str, str] = _NONE) -> None:
        """Take the repository; nothing is run or written yet.

        tip: the newest version of a list that was fetched, to be read before our ref leads to it; None reads ours.
        tagged: the commits of checkpoints that were fetched, by tag, where no tag of ours names them yet.
        """
        self._tip = tip
        self._tagged = tagged
        self._plumbing = Plumbing(repository)
        self._writer = CommitWriter(self._plumbing, repository)
        self._pin = repository.shared_dir / "reviewers.pin"
        self._ref = repository.common_dir / REF
        self._packed = repository.common_dir / "packed-refs"

    def history(self) -> Sequence[SignedList]:
        """Return every version, oldest first. Raises IntegrityError for what is no list."""
        commits = self._commits()
        names = [f"{commit}:{file}" for commit in commits for file in (LIST, SIGNATURE)]
        found = [None if one is None else one.content for one in self._plumbing.read(names)] if names else []
        return [_version(found[place], found[place + 1]) for place in range(0, len(found), 2)]

    def append(self, version: SignedList) -> None:
        """Add a version, durably. Raises ConflictError when another one has been added meanwhile."""
        commits = self._commits()
        before = commits[-1] if commits else None
        if version.listed.number != len(commits) + 1:
            raise _moved()
        revision = Revision(
            tuple(commits[-1:]), f"reviewers {version.listed.number}, by {version.listed.by}\n", version.listed.at
        )
        with self._plumbing.quarantine() as env:
            blobs = [
                f"100644 blob {self._plumbing.line('hash-object', '-w', '--stdin', stdin=data, env=env)}\t{name}\0"
                for name, data in ((LIST, version.listed.text()), (SIGNATURE, version.signature.encode()))
            ]
            tree = self._plumbing.line("mktree", "-z", stdin="".join(blobs).encode(), env=env)
            commit = self._writer.commit(tree, revision, env)
        try:
            self._writer.move(REF, commit, before, f"reviewers: version {version.listed.number}")
        except GitFailure as failure:
            raise _moved() from failure

    def tips(self) -> Sequence[str]:
        """Return the id of the newest checkpoint of every run of the repository."""
        listed = self._plumbing.line("for-each-ref", "--format=%(objectname)", ref_of(""))
        return sorted(set(listed.splitlines()))

    def precedes(self, tag: str, tips: Sequence[str]) -> bool:
        """Tell whether the checkpoint called `tag` is one of `tips` or an ancestor of one.

        Nothing that only says who follows whom is believed: no graft, and no index of commits.
        """
        found, *known = self._plumbing.read([self._tagged.get(tag, f"refs/tags/{tag}^{{commit}}"), *tips])
        there = [one.oid for one in known if one is not None and one.kind == "commit"]
        if found is None or not there:
            return False
        arguments = ("-c", "core.commitGraph=false", "rev-list", "--max-count=1", found.oid, "--not", *there)
        return not self._plumbing.run(*arguments, env={"GIT_GRAFT_FILE": os.devnull})

    def pinned(self) -> Pin | None:
        """Return what was seen of the list here. Raises IntegrityError for a note that was altered."""
        try:
            return Pin.model_validate_json(self._pin.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as failure:
            message = f"what was seen of the list of reviewers was altered: {self._pin}"
            hint = f"compare `churnflow reviewers` with a clone that you trust, then rm {shlex.quote(str(self._pin))}"
            raise IntegrityError(message, hint=hint) from failure

    def pin(self, pin: Pin) -> None:
        """Remember durably what was seen, for all work trees of the repository."""
        with explained(self._pin):
            make_folder(self._pin.parent)
        write_durably(self._pin, canonical_json(pin.model_dump(mode="json")) + b"\n")

    def _commits(self) -> list[str]:
        """Return the commits of the versions, oldest first; where no ref of ours is on the disk git is not asked."""
        if self._tip is None and not self._is_on_disk():
            return []
        (tip,) = self._plumbing.read([self._tip or REF])
        if tip is None or tip.kind != "commit":
            raise _no_list()
        return self._plumbing.line("rev-list", "--first-parent", "--reverse", tip.oid).splitlines()

    def _is_on_disk(self) -> bool:
        return self._ref.exists() or (self._packed.exists() and REF in self._packed.read_text(errors="replace"))


class GitWriters:
    """Who wrote commits, as git has it."""

    def __init__(self, repository: Repository) -> None:
        """Take the repository; nothing is run yet."""
        self._plumbing = Plumbing(repository)

    def __call__(self, run_id: str, since: str | None) -> Sequence[str]:
        """Return the names and addresses of authors and committers: of a run's checkpoints, and of HEAD since a tag.

        Without a tag, or where it is gone, all commits are asked for.
        """
        names = ["HEAD", ref_of(run_id), *([f"refs/tags/{since}^{{commit}}"] if since else [])]
        head, run, base = (*self._plumbing.read(names), None)[:3]
        wanted = [one.oid for one in (head, run) if one is not None and one.kind == "commit"]
        if not wanted:
            return []
        excluded = [f"^{base.oid}"] if base is not None and base.kind == "commit" else []
        listed = self._plumbing.line(
            "log", "--no-show-signature", "--format=%an%n%ae%n%cn%n%ce", *wanted, *excluded, "--"
        )
        return sorted(set(filter(None, listed.splitlines())))


def _version(text: bytes | None, signature: bytes | None) -> SignedList:
    if text is None or signature is None:
        raise _no_list()
    try:
        listed = ReviewerList.model_validate_json(text)
        version = SignedList(listed=listed, signature=signature.decode(errors="replace"))
    except ValidationError as failure:
        raise _no_list() from failure
    if listed.text() != text:
        raise _no_list()
    return version


def _no_list() -> IntegrityError:
    message = f"{REF} leads to what is no list of reviewers"
    hint = f"fetch the true one: `git fetch REMOTE +{REF}:{REF}`"
    return IntegrityError(message, hint=hint)


def _moved() -> ConflictError:
    message = "the list of reviewers was changed meanwhile"
    return ConflictError(message, hint="look at it with `churnflow reviewers`, then run the same command again")
