"""The list of reviewers at the command line: who may change it, and what of it is shown."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_signing import Keys, add, keys

__all__ = ["keys"]

BO = ["add", "bo", "--key", "bo.pub", "--role", "risk"]


def test_without_a_list_it_says_what_approvals_are_worth(here: Cli) -> None:
    outcome = here("reviewers")
    assert outcome.out.startswith("nobody is listed: approvals are unsigned, which shows intent and proves nobody\n")
    assert here("--json", "reviewers", "list").json["data"]["first"] is None


def test_the_digest_of_the_first_list_stays_and_that_of_the_newest_changes(here: Cli, keys: Keys) -> None:
    assert add(here, keys, "ann", "--role", "admin").code == 0
    first = here("--json", "reviewers").json["data"]
    assert first["first"] == first["newest"]
    assert add(here, keys, "bo", "--role", "risk", "--identity", "bo@x", "--expires", "2099-01-01").code == 0
    second = here("--json", "reviewers").json["data"]
    assert (second["first"], second["version"]) == (first["first"], 2)
    assert second["newest"] != first["newest"]
    (bo,) = [one for one in second["reviewers"] if one["name"] == "bo"]
    assert (bo["identities"], bo["expires"], bo["roles"]) == (["bo@x"], "2099-01-01T00:00:00Z", ["risk"])
    assert "compare it with those of your colleagues" in here("reviewers").out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["add", "bo", "--key", "bo.pub", "--role", "risk", "--sign-with", "bo"], 4, "is not in the list of reviewers"),
        (["add", "Bo!", "--key", "bo.pub", "--role", "risk", "--sign-with", "ann"], 2, "name is wrong"),
        (["add", "bo", "--key", "bo.pub", "--role", "A B", "--sign-with", "ann"], 2, "roles is wrong"),
        (["add", "bo", "--key", "bo", "--role", "risk", "--sign-with", "ann"], 2, "is a private key"),
        (["add", "bo", "--key", "ann.pub", "--role", "risk", "--sign-with", "ann"], 5, "that key is listed already"),
        (["remove", "ann", "--sign-with", "ann"], 2, "nobody has the role admin"),
        (["remove", "cy", "--sign-with", "ann"], 2, "nobody of that name or fingerprint is listed: 'cy'"),
        (["require", "sealed", "--sign-with", "ann"], 2, "grade is wrong"),
        (["require", "unsigned", "--approvers", "2", "--sign-with", "ann"], 2, "grade unsigned demands nothing"),
        (["require", "unsigned", "--role", "admin", "--sign-with", "ann"], 2, "grade unsigned demands nothing"),
        (["require", "signed", "--approvers", "2", "--sign-with", "ann"], 2, "need 2, and 1 are listed for it"),
        (["require", "signed", "--role", "risk", "--sign-with", "ann"], 2, "need 1, and 0 are listed for it"),
        ([*BO, "--expires", "2001-01-01", "--sign-with", "ann"], 2, "2001-01-01 is not later than now"),
        ([*BO, "--identity", "", "--sign-with", "ann"], 2, "identity is wrong: '' is empty"),
        ([*BO, "--identity", " Bo ", "--sign-with", "ann"], 2, "identity is wrong: ' Bo '"),
    ],
)
def test_a_change_that_can_not_be_is_refused_and_changes_nothing(
    project: Path, here: Cli, keys: Keys, arguments: list[str], code: int, says: str
) -> None:
    add(here, keys, "ann", "--role", "admin")
    keys("bo")
    before = here("--json", "reviewers").json["data"]["newest"]
    places = [str(project.parent / one) if one in {"bo", "bo.pub", "ann.pub"} and place > 1 else one
              for place, one in enumerate(arguments)]  # fmt: skip
    places[-1] = str(project.parent / arguments[-1])
    outcome = here("reviewers", *places)
    assert (outcome.code, len(outcome.error)) == (code, 2)
    assert says in outcome.error[0]
    assert here("--json", "reviewers").json["data"]["newest"] == before


def test_a_reviewer_is_taken_off_by_name_or_by_the_fingerprint_of_a_key(here: Cli, keys: Keys) -> None:
    add(here, keys, "ann", "--role", "admin")
    for name in ("bo", "cy"):
        add(here, keys, name, "--role", "risk")
    listed = here("--json", "reviewers").json["data"]["reviewers"]
    fingerprint = next(one["fingerprint"] for one in listed if one["name"] == "cy")
    for who in ("bo", fingerprint):
        assert here("reviewers", "remove", who, "--sign-with", str(keys("ann"))).code == 0
    assert [one["name"] for one in here("--json", "reviewers").json["data"]["reviewers"]] == ["ann"]


def test_what_a_gate_needs_at_least_is_set_by_an_admin(here: Cli, keys: Keys) -> None:
    assert here("reviewers", "require", "signed", "--sign-with", str(keys("ann"))).code == 5
    for name, role in (("ann", "admin"), ("bo", "risk"), ("cy", "risk")):
        add(here, keys, name, "--role", role)
    ann = str(keys("ann"))
    assert (
        here("reviewers", "require", "signed+distinct", "--approvers", "2", "--role", "risk", "--sign-with", ann).code
        == 0
    )
    floor = here("--json", "reviewers").json["data"]["floor"]
    assert floor == {"grade": "signed+distinct", "approvers": 2, "role": "risk"}


def test_where_the_list_demands_no_signature_it_says_that_it_demands_nothing(here: Cli, keys: Keys) -> None:
    add(here, keys, "ann", "--role", "admin")
    assert here("reviewers", "require", "unsigned", "--sign-with", str(keys("ann"))).code == 0
    assert "floor    nothing is demanded beside what a workflow says" in here("reviewers").out


def test_whoever_is_listed_without_a_name_in_git_is_warned_of(here: Cli, keys: Keys) -> None:
    bare = add(here, keys, "ann", "--role", "admin")
    assert "warning: signed+distinct compares names and addresses in git" in bare.err
    assert "give those of ann with --identity" in bare.err
    assert add(here, keys, "bo", "--role", "risk", "--identity", "Bo Li").err == ""


def test_a_list_of_which_every_admin_expires_is_warned_of(here: Cli, keys: Keys) -> None:
    known = ("--role", "admin", "--identity", "x@example.org", "--expires")
    for name, last in (("ann", "2098-01-01"), ("bo", "2099-01-01")):
        said = add(here, keys, name, *known, last)
        assert said.code == 0
        assert f"every admin's key expires, the last one at {last}" in said.err
    assert add(here, keys, "cy", *known[:-1]).err == ""


def test_whoever_takes_off_so_many_that_nobody_could_ship_is_told(here: Cli, keys: Keys) -> None:
    for name, role in (("ann", "admin"), ("bo", "risk"), ("cy", "risk")):
        add(here, keys, name, "--role", role)
    ann = str(keys("ann"))
    assert here("reviewers", "require", "signed", "--approvers", "2", "--role", "risk", "--sign-with", ann).code == 0
    outcome = here("reviewers", "remove", "bo", "--sign-with", ann)
    assert outcome.code == 0
    assert "warning: nobody could ship: 2 approvals of grade signed, in the role risk need 2, and 1" in outcome.err
