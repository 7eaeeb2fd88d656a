"""What goes on beside a command: another time zone, a `git gc`, and what an interrupted git of the user's has left."""

import subprocess
from collections.abc import Callable

import pytest
from keeper import Keeper
from life import edit, git

ZONES = ("Pacific/Kiritimati", "America/New_York", "Asia/Kathmandu", "UTC")


def test_commands_from_different_time_zones_keep_one_order_and_verify(shipped: Keeper) -> None:
    edit(shipped.root, 0.7, "edited")
    commands = (("run", "--answers", "answers.yaml"), ("rollback", "planned"), ("undo",), ("report",))
    for zone, command in zip(ZONES, commands, strict=True):
        assert shipped.hatchery.run(shipped.root, command, env={"TZ": zone}).code == 0
    times = git(shipped.root, "for-each-ref", "--sort=taggerdate", "--format=%(taggerdate:unix)", "refs/tags").split()
    assert sorted(map(int, times)) == [*map(int, times)]
    shipped.whole("time zones")
    assert shipped.half == []


def locked(keeper: Keeper) -> None:
    for name in ("index.lock", "HEAD.lock", "config.lock", "packed-refs.lock"):
        (keeper.root / ".git" / name).touch()


def half_merged(keeper: Keeper) -> None:
    root = keeper.root
    git(root, "stash")
    git(root, "checkout", "-q", "other")
    (root / "src" / "module_0.py").write_text("theirs\n")
    git(root, "commit", "-qam", "theirs")
    git(root, "checkout", "-q", "main")
    (root / "src" / "module_0.py").write_text("ours\n")
    git(root, "commit", "-qam", "ours")
    git(root, "merge", "other", may_fail=True)
    assert (root / ".git" / "MERGE_HEAD").exists()


def half_rebased(keeper: Keeper) -> None:
    half_merged(keeper)
    git(keeper.root, "merge", "--abort")
    git(keeper.root, "rebase", "other", may_fail=True)
    assert (keeper.root / ".git" / "rebase-merge").exists()


@pytest.mark.parametrize("left", [locked, half_merged, half_rebased])
def test_what_an_interrupted_git_has_left_stops_nothing_and_stays(
    shipped: Keeper, left: Callable[[Keeper], None]
) -> None:
    left(shipped)
    before = shipped.state()
    assert shipped.hatchery.run(shipped.root, ["keys", "add", "web"]).code == 0
    assert shipped.hatchery.run(shipped.root, ["rollback", "HEAD~1"]).code == 0
    assert shipped.hatchery.run(shipped.root, ["undo"]).code == 0
    after = shipped.state()
    shipped.compare(before, after, left.__name__, restoring=True)
    assert shipped.lost == []
    assert {name: after.files[name] for name in before.files} == before.files
    assert shipped.hatchery.run(shipped.root, ["verify"]).code == 0


def test_a_git_gc_that_prunes_beside_commands_makes_nothing_half(shipped: Keeper) -> None:
    edit(shipped.root, 0.7, "edited")
    for command in (("run", "--answers", "answers.yaml"), ("rollback", "planned")):
        with subprocess.Popen(["git", "gc", "-q", "--prune=now"], cwd=shipped.root):
            shipped.told(shipped.hatchery.run(shipped.root, command), " ".join(command), (0, 5))
    shipped.told(shipped.hatchery.run(shipped.root, ["run", "--answers", "answers.yaml"]), "run again", (0,))
    shipped.whole("git gc")
    assert shipped.half == []
