"""A command dies, or one step of it fails, wherever that is: nothing is lost or half, and the next command goes on.

What fails are Python's audit events (PEP 578), which need no tool: opening to write, rename, unlink, mkdir, chmod and
so on. `benchmarks/reliability` has the long runs: `kills.py` over a whole life, and with strace `faults.py`, which lets
each system call fail, those of git too, and `powercut.py`, which drops what was not synced.
"""

import errno
import random
from collections.abc import Iterator

import pytest
from hatchery import Mishap
from keeper import Keeper, resets
from life import edit

FAILED = {2, 5, 6}
ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES)
COMMANDS = {
    "run": ("run", "--answers", "answers.yaml"),
    "rollback": ("rollback", "planned"),
    "keys": ("keys", "add", "web"),
    "deploy": ("deploy", "--target", "docker"),
    "report": ("report",),
}
STEPS = {"run": 400, "rollback": 300, "keys": 7, "deploy": 400, "report": 30}


def drawn(name: str, attempts: int) -> Iterator[random.Random]:
    """Yield, for each attempt, what chance is drawn from; the same at every run."""
    return (random.Random(f"{name} {attempt}") for attempt in range(attempts))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_anywhere_loses_nothing_and_the_next_one_goes_on(shipped: Keeper, name: str) -> None:
    edit(shipped.root, 0.7, "edited")
    for chance in drawn(name, 4):
        before, killed = shipped.state(), Mishap(at=chance.randint(1, STEPS[name]))
        ended = shipped.hatchery.run(shipped.root, COMMANDS[name], killed)
        now = shipped.state()
        assert ended.code in {-9, 0, 5}, ended
        shipped.compare(before, now, f"{name} {killed}", restoring=name == "rollback")
        shipped.settled(f"{name} {killed}", now)
    shipped.told(
        shipped.hatchery.run(shipped.root, COMMANDS[name]), f"{name} again", (0, 5) if name == "keys" else (0,)
    )
    shipped.whole(name)
    shipped.clean(name)
    assert [*shipped.lost, *shipped.half] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_which_one_step_fails_says_so_and_succeeds_when_given_again(shipped: Keeper, name: str) -> None:
    edit(shipped.root, 0.7, "edited")
    for chance in drawn(name, 2):
        before = shipped.state()
        failing = Mishap(at=chance.randint(1, STEPS[name] // 3), error=chance.choice(ERRORS))
        ended = shipped.hatchery.run(shipped.root, COMMANDS[name], failing)
        shipped.told(ended, f"{name} {failing}", (0, *FAILED))
        shipped.compare(before, shipped.state(), f"{name} {failing}", restoring=name == "rollback")
        if name != "rollback" or (ended.code and resets(shipped.state()) == resets(before)):
            again = shipped.hatchery.run(shipped.root, COMMANDS[name])
            shipped.told(again, f"{name} again", (0, 5) if name == "keys" else (0,))
    shipped.whole(name)
    shipped.clean(name)
    assert [*shipped.lost, *shipped.half] == []
