"""Commands in any order, killed at any step, beside a user who edits: a state machine over a real repository."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from hatchery import Ended, Mishap, RemoteHatchery
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from keeper import Keeper, State
from life import age, edit, git

# The step that changes the disk, or starts git, before which a command is killed; None lets it end.
KILL = st.none() | st.integers(1, 250)
ITEMS = ("look", "plan", "planned", "pack", "built", "release", "ship", "shipped")
# What a command may end with: done, waiting, refused, conflict (nothing to undo yet, not its turn), fix, rework.
DOCUMENTED = {0, 2, 3, 4, 5, 8, 9}


class Life(RuleBasedStateMachine):
    """A project, its user, and its commands."""

    hatchery: ClassVar[RemoteHatchery]
    template: ClassVar[Path]

    @initialize()
    def begin(self) -> None:
        """Take a fresh project."""
        self.folder = Path(tempfile.mkdtemp(prefix="churnflow-life-"))
        root = Path(shutil.copytree(self.template, self.folder / "project", symlinks=True))
        self.keeper = Keeper(self.hatchery, root)
        self.edits = 0
        self.killed = False

    @rule(kill=KILL, until=st.sampled_from(ITEMS), new=st.booleans())
    def run(self, kill: int | None, until: str, *, new: bool) -> None:
        self._command(("run", "--answers", "answers.yaml", "--until", until, *["--new"] * new), kill)

    @rule(kill=KILL, name=st.sampled_from(("plan", "release")))
    def approve(self, kill: int | None, name: str) -> None:
        self._command(("approve", name, "--answers", "answers.yaml"), kill)

    @rule(kill=KILL)
    def decide(self, kill: int | None) -> None:
        self._command(("decide",), kill)

    @rule(kill=KILL, ref=st.sampled_from(("planned", "built", "HEAD", "HEAD~1", "HEAD~2", "served")))
    def rollback(self, kill: int | None, ref: str) -> None:
        self._command(("rollback", ref), kill, restoring=True)

    @rule(kill=KILL)
    def undo(self, kill: int | None) -> None:
        self._command(("undo",), kill, restoring=True)

    @rule(kill=KILL)
    def gc(self, kill: int | None) -> None:
        age(self.keeper.root)
        self._command(("gc", "--keep-days", "0"), kill)

    @rule(weight=st.sampled_from((0.5, 0.7, 0.9)))
    def edit_files(self, weight: float) -> None:
        """Change code and data, and leave it uncommitted."""
        self.edits += 1
        edit(self.keeper.root, weight, f"edit-{self.edits}")

    @rule()
    def verify(self) -> None:
        """Nothing is half, also right after a kill."""
        self.keeper.whole("verify")

    @invariant()
    def nothing_is_lost_or_half(self) -> None:
        """What the keeper has noted since, it would say of a user's project."""
        assert [*self.keeper.lost, *self.keeper.half] == []

    def teardown(self) -> None:
        """Let the next command go on, and look at everything once more."""
        if hasattr(self, "keeper"):
            self.keeper.settled("in the end", self.keeper.state())
            self.keeper.whole("in the end")
            self.keeper.clean("in the end")
            self.nothing_is_lost_or_half()
            shutil.rmtree(self.folder)

    def _command(self, arguments: tuple[str, ...], kill: int | None, *, restoring: bool = False) -> None:
        before, root = self.keeper.state(), self.keeper.root
        # A rollback that was killed is finished by whichever command comes next.
        restoring = restoring or self.killed
        ended: Ended = self.hatchery.run(root, arguments, Mishap(at=kill))
        after = self.keeper.state()
        what = f"{' '.join(arguments)} killed at {kill}"
        if ended.code != -9:
            self.keeper.told(ended, what, tuple(DOCUMENTED))
        self.killed = ended.code == -9
        self.keeper.compare(before, after, what, restoring=restoring)
        self.keeper.lost += [f"{what}: {name} is kept nowhere" for name in _lost(before, after, root)]


def _lost(before: State, after: State, root: Path) -> Iterator[str]:
    """Yield the files whose bytes gave way without being kept, in git or in the store."""
    for name, data in before.files.items():
        if after.files.get(name) != data:
            digest = hashlib.sha256(data).hexdigest()
            stored = root / ".git" / "churnflow" / "store" / "sha256" / digest[:2] / digest[2:]
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
            if not stored.exists() and git(root, "cat-file", "-t", blob, may_fail=True).strip() != "blob":
                yield name


def test_commands_in_any_order_killed_anywhere_lose_nothing_and_leave_nothing_half(
    hatchery: RemoteHatchery, shipped_once: Path
) -> None:
    Life.hatchery, Life.template = hatchery, shipped_once
    short = settings(
        max_examples=4,
        stateful_step_count=10,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Life, settings=short)  # type: ignore[no-untyped-call]
