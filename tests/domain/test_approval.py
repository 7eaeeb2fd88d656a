"""What an approval is worth, in values: policies, statements, and the list of reviewers."""

import pytest

from churnflow.domain.approval import Policy, Statement
from churnflow.domain.base import digest
from churnflow.domain.reviewers import ReviewerList
from churnflow.engine.parse import WorkflowError, parse
from tests.engine.signing import reviewer
from tests.fakes import START

HEAD = "name: x\ntask: y\nphases:\n  all:\n    - approval: release\n"


def statement() -> Statement:
    return Statement(
        project="0" * 32,
        run="261123-aaaa",
        approval="release",
        subject="1" * 64,
        workflow="2" * 64,
        policy=Policy(grade="signed"),
        data={"data/ä.csv": "3" * 64},
        environment="4" * 64,
        models={"model": "5" * 64},
        role="risk",
        reviewer="ann",
        answer="approve",
        notes=("fine",),
        at=START,
        nonce="6" * 32,
        reviewers="7" * 64,
        wrote=("Dev",),
    )


def test_the_bytes_that_are_signed_are_the_same_after_reading_them() -> None:
    text = statement().text()
    assert Statement.model_validate_json(text).text() == text
    assert text.endswith(b'"wrote":["Dev"]}\n')
    assert '"data/ä.csv"'.encode() in text


@pytest.mark.parametrize(
    ("lines", "line", "what"),
    [
        ("grade: sealed", 6, "grade: Input should be 'unsigned', 'signed' or 'signed+distinct'"),
        ("approvers: 0", 6, "approvers: Input should be greater than or equal to 1"),
        ("role: risk", 5, "the role 'risk' can be proved by a signature alone: add grade: signed"),
        ("grade: signed\n      role: Risk Office", 7, "role: 'Risk Office' is not a name"),
        ("grad: signed", 6, "unknown key 'grad'"),
    ],
)
def test_a_wrong_demand_is_named_with_its_line(lines: str, line: int, what: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        parse(f"{HEAD}      {lines}\n", "workflows/x.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.what) == (line, what)


def test_a_workflow_without_a_demand_keeps_its_digest() -> None:
    written = parse(f"{HEAD}      grade: unsigned\n      approvers: 1\n", "workflows/x.yaml").workflow
    assert digest(written) == digest(parse(HEAD, "workflows/x.yaml").workflow)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Policy(), "1 approval of grade unsigned"),
        (Policy(grade="signed", approvers=2, role="risk"), "2 approvals of grade signed, in the role risk"),
    ],
)
def test_a_policy_in_words(policy: Policy, words: str) -> None:
    assert policy.in_words() == words


@pytest.mark.parametrize(
    "key", ["ssh-dss AAAA", "ssh-ed25519", "ssh-ed25519 AAAA\nssh-rsa BBBB", 'x namespaces="*" ssh-ed25519 AAAA', ""]
)
def test_what_is_no_public_key_is_not_listed(key: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        reviewer("ann").model_validate({**reviewer("ann").model_dump(), "key": key})


@pytest.mark.parametrize("name", ["ann,bo", "*", "!ann", "Ann", "ann ", "--ann", ""])
def test_a_name_that_could_mean_more_than_one_is_not_listed(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        reviewer("ann").model_validate({**reviewer("ann").model_dump(), "name": name})


def test_who_holds_a_role_is_named_once() -> None:
    people = (reviewer("chief", "admin"), reviewer("ann"), reviewer("ann", key="second"))
    listed = ReviewerList(project="0" * 32, number=1, previous=None, at=START, by="chief", reviewers=people)
    assert (listed.holders("risk"), listed.holders(None)) == (("ann",), ("chief", "ann"))
    assert listed.by_fingerprint(people[2].fingerprint) == people[2]
    assert listed.by_fingerprint("SHA256:x") is None
