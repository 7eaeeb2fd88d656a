"""Which version a new release gets, and what it says of why."""

from functools import partial

import pytest

from churnflow import StepResult
from churnflow.domain.release import Change, Level, Release
from churnflow.domain.serving import Privacy
from churnflow.engine.advance import advance
from churnflow.engine.refs import resolve
from churnflow.engine.rollback import rollback
from churnflow.errors import IntegrityError, UsageError
from tests.fakes import World

WORKFLOW = """
name: small
task: Pack a release
phases:
  build:
    - step: pack
      uses: pack
      produces: {bundle: release}
  decision:
    - gate: ship
      ship: 0
      fix: 0
    - checkpoint: shipped
"""


class Shipper:
    """Ships bundles of the given content, each in a run of its own."""

    def __init__(self) -> None:
        self.world = World()
        self.runs = 0

    def ship(self, content: int, section: str = "") -> Release:
        self.runs += 1
        self.world.step("pack", lambda: StepResult(outputs={"bundle": {"v": content}}))
        self.world.catalog.versions["pack"] = self.runs
        run = self.world.begin(section + WORKFLOW, f"26112{self.runs}-aaaa")
        advance(run, self.world.ports, phases=("build", "decision"))
        return self.served

    def says(self, before: int, after: int, level: Level, *reasons: str) -> None:
        """Let the comparison of two bundles say this."""
        self.world.changes[str({"v": before}), str({"v": after})] = Change(level=level, reasons=reasons or ("so",))

    def back(self, ref: str) -> None:
        rollback(resolve(ref, self.world.journal.current(), self.world.ports), self.world.ports)

    @property
    def served(self) -> Release:
        served = self.world.pointer.read()
        assert served is not None
        return served


@pytest.fixture
def shipper() -> Shipper:
    return Shipper()


def test_the_first_release_is_v1_0_0_and_changes_nothing(shipper: Shipper) -> None:
    first = shipper.ship(1)
    assert (first.version, first.change) == ("v1.0.0", None)


@pytest.mark.parametrize(("level", "version"), [("patch", "v1.0.1"), ("minor", "v1.1.0"), ("major", "v2.0.0")])
def test_a_version_rises_by_what_changes_since_what_is_served(shipper: Shipper, level: Level, version: str) -> None:
    shipper.says(1, 2, level, "the threshold", "the card")
    shipper.ship(1)
    second = shipper.ship(2)
    assert (second.version, second.change) == (version, f"{level} since v1.0.0: the threshold, the card")


def test_the_same_bundle_again_is_the_same_release(shipper: Shipper) -> None:
    assert shipper.ship(1) == shipper.ship(1)


def test_the_same_bundle_under_another_privacy_is_a_patch_that_carries_it(shipper: Shipper) -> None:
    first = shipper.ship(1)
    assert first.privacy is None
    second = shipper.ship(1, "privacy: {inputs: none}\n")
    assert (second.version, second.artifact) == ("v1.0.1", first.artifact)
    assert second.change == "patch since v1.0.0: the same bundle, as the workflow declares it now"
    assert second.privacy == Privacy(inputs="none")


def test_of_many_reasons_the_first_are_told_and_the_others_counted(shipper: Shipper) -> None:
    shipper.says(1, 2, "major", *[f"column {number}" for number in range(8)])
    shipper.ship(1)
    change = shipper.ship(2).change
    assert change == "major since v1.0.0: column 0, column 1, column 2, column 3, column 4 and 3 more"


def test_after_a_rollback_the_next_version_is_above_every_other_and_true_beside_the_highest(shipper: Shipper) -> None:
    shipper.says(1, 2, "major", "the target")
    shipper.says(1, 3, "patch", "the threshold")
    shipper.says(2, 3, "major", "the target")
    shipper.ship(1)
    assert shipper.ship(2).version == "v2.0.0"
    shipper.back("v1.0.0")
    third = shipper.ship(3)
    # To clients of v2.0.0 a v2.0.1 that asks for what v1.0.0 did would be a lie.
    assert (third.version, third.change) == ("v3.0.0", "major since v2.0.0: the target")


def test_after_a_rollback_a_change_since_what_is_served_counts_too(shipper: Shipper) -> None:
    shipper.says(1, 2, "minor")
    shipper.says(1, 3, "minor", "the model")
    shipper.says(2, 3, "patch")
    shipper.ship(1)
    shipper.ship(2)
    shipper.back("v1.0.0")
    third = shipper.ship(3)
    assert (third.version, third.change) == ("v1.2.0", "minor since v1.0.0: the model")


def test_where_the_pointer_is_gone_the_highest_version_is_compared_with(shipper: Shipper) -> None:
    shipper.says(1, 2, "patch", "the card")
    shipper.ship(1)
    shipper.world.pointer.gone = True
    second = shipper.ship(2)
    assert (second.version, second.change) == ("v1.0.1", "patch since v1.0.0: the card")


def test_nothing_is_promised_where_the_bundle_before_is_lost(shipper: Shipper) -> None:
    first = shipper.ship(1)
    shipper.world.store.lost.add(first.artifact.sha256)
    second = shipper.ship(2)
    assert second.version == "v2.0.0"
    assert second.change == ("major since v1.0.0: its bundle is missing or altered, so that nothing can be promised")


def test_a_candidate_whose_bytes_are_altered_is_not_released(shipper: Shipper) -> None:
    first = shipper.ship(1)
    world = shipper.world
    world.step("pack", lambda: StepResult(outputs={"bundle": {"v": 2}}))
    world.catalog.versions["pack"] = 9
    run = advance(world.begin(WORKFLOW, "261129-aaaa"), world.ports, phases=("build",))
    world.store.altered.add(run.artifacts()["bundle"].sha256)
    with pytest.raises(IntegrityError):
        advance(run, world.ports, phases=("build", "decision"))
    assert shipper.served == first
    assert world.checkpoints.head(run.id) is None


def test_a_version_that_was_never_served_here_means_the_one_checkpoint_that_released_it(shipper: Shipper) -> None:
    first = shipper.ship(1)
    shipper.world.pointer.served.clear()
    find = partial(resolve, run=None, ports=shipper.world.ports)
    assert find("v1.0.0") == first.checkpoint
    for unknown in ("v1.0.1", "served"):
        with pytest.raises(UsageError):
            find(unknown)
    shipper.ship(2)
    shipper.world.pointer.served.clear()
    with pytest.raises(UsageError, match=f"v1.0.0 was released in more than one clone: {first.checkpoint}, "):
        find("v1.0.0")
