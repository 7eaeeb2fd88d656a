"""What sending and fetching checkpoints have in common: what a run's refs are, and what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from churnflow.adapters.git_inventory import RUNS, Line, Ref
from churnflow.adapters.git_plumbing import GitFailure, Plumbing
from churnflow.adapters.git_reviewers import REF as REVIEWERS
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact
from churnflow.engine.reachable import needed_by
from churnflow.errors import ChurnflowError, ConflictError, IntegrityError


@dataclass
class Shared:
    """What was moved. refused: what was not, each by name; the rest was moved all the same. notes: what to look at."""

    runs: list[str] = field(default_factory=list)
    checkpoints: int = 0
    records: int = 0
    objects: int = 0
    size_bytes: int = 0
    refused: list[ChurnflowError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def failure(self) -> ChurnflowError | None:
        """Return the refusal that weighs most, with the number of the others; None where all was moved."""
        broken = [one for one in self.refused if isinstance(one, IntegrityError)]
        first = next(iter(broken or self.refused), None)
        if first is None or len(self.refused) == 1:
            return first
        return type(first)(f"{first} (and {len(self.refused) - 1} more)", hint=first.hint)


def lacking(line: Line, own: Mapping[str, Ref], other: Iterable[Ref]) -> list[Ref]:
    """Return the refs of a run that the other side has to be given: the run's own, then the tags.

    line: the run's chain on the side that gives. own: its refs by name. other: those of the side that takes. Raises
    ConflictError when that side has checkpoints of the run which the chain has not, IntegrityError for a moved tag.
    """
    run_ref = Ref(f"{RUNS}{line.run}", line.links[-1].commit, line.links[-1].commit)
    taken = {ref.name: ref for ref in other if ref.run == line.run}
    commits = {link.commit: link.tag for link in line.links}
    tags = {f"refs/tags/{link.tag}": link.commit for link in line.links}
    # Two lines of one run have tags of the same names: only where one holds the other's end is such a tag a moved one.
    if taken.get(run_ref.name, run_ref).commit not in commits:
        raise _went_on(line)
    for name, ref in taken.items():
        if name in tags and tags[name] != ref.commit:
            tag, ours, theirs = name.removeprefix("refs/tags/"), tags[name][:12], ref.commit[:12]
            message = f"the tag {tag} names {ours} on one side and {theirs} on the other: it was moved"
            hint = f"`churnflow verify {tag}` says whether it is right here; the other side has to put its own right"
            raise IntegrityError(message, hint=hint)
        if ref.commit not in commits:
            raise _went_on(line)
    given = [own[name] for name in tags if name in own and name not in taken]
    is_behind = taken.get(run_ref.name, Ref("", "", "")).commit != run_ref.commit
    return [*([run_ref] if is_behind else []), *given]


def _went_on(line: Line) -> ConflictError:
    message = (
        f"the run {line.run} has other checkpoints on the other side, which do not lead up to {line.links[-1].tag}"
    )
    hint = "`churnflow pull` if they are only newer; two lines of one run are not merged: go on in a new run"
    return ConflictError(message, hint=hint)


def refs_by_run(refs: Iterable[Ref]) -> dict[str, list[Ref]]:
    """Return the refs of each run."""
    runs: dict[str, list[Ref]] = {}
    for ref in refs:
        if ref.run is not None:
            runs.setdefault(ref.run, []).append(ref)
    return runs


def artifacts_of(checkpoints: Iterable[Checkpoint]) -> list[Artifact]:
    """Return every artifact that checkpoints need, each once."""
    return list({one.sha256: one for checkpoint in checkpoints for one in needed_by(checkpoint)}.values())


def reviewers_of(refs: Sequence[Ref]) -> Ref | None:
    """Return the ref of the list of reviewers, None if there is none."""
    return next((ref for ref in refs if ref.name == REVIEWERS), None)


def leads_to(older: str, newer: str, plumbing: Plumbing) -> bool:
    """Tell whether one commit is an ancestor of another, both being here."""
    try:
        plumbing.run("merge-base", "--is-ancestor", older, newer)
    except GitFailure:
        return False
    return True
