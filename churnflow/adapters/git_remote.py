"""The records of checkpoints at a git remote: seen, sent and fetched, never forced, nothing of the user's with them."""

from collections.abc import Iterator, Sequence

from churnflow.adapters.git_chain import is_run
from churnflow.adapters.git_inventory import RUNS, TAGS, Ref
from churnflow.adapters.git_plumbing import GitFailure, Plumbing
from churnflow.adapters.git_reviewers import REF as REVIEWERS
from churnflow.adapters.repository import Repository
from churnflow.domain.remote import NAME
from churnflow.errors import ConflictError, UsageError

DEADLINE_SECONDS = 6 * 3600.0
_MOST_AT_ONCE = 500
_PEELED = "^{}"


class GitRemote:
    """One configured remote of the repository, by its name."""

    def __init__(self, repository: Repository, name: str) -> None:
        """Take the repository and the name. Raises UsageError where git knows no remote of that name."""
        self._plumbing = Plumbing(repository, DEADLINE_SECONDS)
        self._name = name
        known = remotes_of(self._plumbing)
        if name not in known:
            message = f"git knows no remote {name!r}"
            named = f"its remotes are {', '.join(known)}" if known else f"add it: git remote add {name} URL"
            raise UsageError(message, hint=f"{named}; `churnflow remote set URL --git NAME` says which to use")

    def refs(self) -> list[Ref]:
        """Return the refs of churnflow's that the remote has, of the form that they have to have; others are left out.

        Raises ConflictError when it can not be reached.
        """
        with_remote = ("ls-remote", "--quiet", "--refs", "--", self._name)
        listed = self._asked(*with_remote, f"{RUNS}*", f"{TAGS}*", REVIEWERS)
        peeled = self._asked("ls-remote", "--quiet", "--", self._name, f"{TAGS}*{_PEELED}")
        commits = {name.removesuffix(_PEELED): oid for oid, name in _pairs(peeled) if name.endswith(_PEELED)}
        refs = (Ref(name, oid, commits.get(name, oid)) for oid, name in _pairs(listed))
        return [ref for ref in refs if (ref.run is not None and is_run(ref.run)) or ref.name == REVIEWERS]

    def send(self, refs: Sequence[Ref]) -> None:
        """Make these the remote's refs, each new there or a step forward. Raises ConflictError when one is refused."""
        for start in range(0, len(refs), _MOST_AT_ONCE):
            specs = [f"{ref.oid}:{ref.name}" for ref in refs[start : start + _MOST_AT_ONCE]]
            options = (
                "--quiet",
                "--no-verify",
                "--no-follow-tags",
                "--recurse-submodules=no",
                "--no-signed",
                "--no-force",
            )
            self._asked("push", *options, "--", self._name, *specs)

    def fetch(self, refs: Sequence[Ref]) -> None:
        """Bring the objects of refs, durably; no ref of ours moves by this. Raises ConflictError when that fails."""
        if not refs:
            return
        options = (
            "--quiet",
            "--no-tags",
            "--no-prune",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--no-show-forced-updates",
            # Else what the user configured to be fetched would move refs of theirs along.
            "--refmap=",
            "--stdin",
        )
        names = "".join(f"{ref.name}\n" for ref in refs).encode()
        with self._plumbing.quarantine() as env:
            try:
                self._plumbing.run("fetch", *options, "--", self._name, stdin=names, env=env)
            except GitFailure as failure:
                raise self._unreached(failure) from failure

    def _asked(self, *arguments: str) -> str:
        try:
            return self._plumbing.line(*arguments)
        except GitFailure as failure:
            raise self._unreached(failure) from failure

    def _unreached(self, failure: GitFailure) -> ConflictError:
        message = f"the git remote {self._name} did not do it: {failure}"
        hint = f"`churnflow pull` if it has moved on; else see what `git ls-remote {self._name}` says, then try again"
        return ConflictError(message, hint=hint)


def remotes_of(plumbing: Plumbing) -> list[str]:
    """Return the names of git's configured remotes that can stand on a command line."""
    return [name for name in plumbing.line("remote").splitlines() if NAME.fullmatch(name)]


def _pairs(listed: str) -> Iterator[tuple[str, str]]:
    for line in listed.splitlines():
        oid, _, name = line.partition("\t")
        yield oid, name
