"""A run with an approval that has to be signed, reviewers who are listed, and keys that they hold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from churnflow.domain.approval import NAMESPACE, Policy, Signed, Statement
from churnflow.domain.evidence import StepResult
from churnflow.domain.journal import Approval, Decision, Run
from churnflow.domain.reviewers import ListedReviewer
from churnflow.engine.advance import advance, answer
from churnflow.engine.reviewers import Draft, amend, trusted
from churnflow.engine.scrutiny import Scrutiny
from tests.fake_signing import FakeSigner, public_key_of
from tests.fakes import START, World

WORKFLOW = """name: signed
task: Predict churn
phases:
  build:
    - step: train
      uses: train
      produces: {model: release}
    - approval: release
      DEMAND
    - checkpoint: approved
  decision:
    - gate: ship
      ship: 0
      fix: 0
    - checkpoint: shipped
"""
SIGNED = "grade: signed"


def world(demand: str = SIGNED, run_id: str = "261123-aaaa") -> tuple[World, Run]:
    """Return a world in which the run waits at its approval; nobody is listed yet."""
    made = World()
    made.step("train", lambda: StepResult(outputs={"model": {"weights": 1}}))
    made.reviewer.answer = None
    run = made.begin(WORKFLOW.replace("DEMAND", demand), run_id)
    ports = made.ports
    return made, advance(run, ports, phases=("build",), until="train")


def reviewer(name: str, *roles: str, since: datetime = START, key: str = "", **more: Any) -> ListedReviewer:
    return ListedReviewer(name=name, key=public_key_of(key or name), roles=roles or ("risk",), since=since, **more)


def listed(made: World, *reviewers: ListedReviewer, by: str = "chief", floor: Policy | None = None) -> None:
    """Make the next version of the list: the chief, who is its admin, and `reviewers`."""
    made.signer = FakeSigner(by)
    amend(Draft((reviewer("chief", "admin"), *reviewers), floor=floor, project="0" * 32), made.ports)
    made.signer = None


def approve(made: World, run: Run, name: str | None, said: str = "approve") -> Run:
    """Answer the approval, signed by a reviewer if one is named."""
    made.reviewer.answer = said  # type: ignore[assignment]
    made.signer = FakeSigner(name) if name else None
    try:
        return answer(run, "release", made.ports)
    finally:
        made.reviewer.answer, made.signer = None, None


def approval(run: Run) -> Approval:
    entry = run.latest("release")
    assert isinstance(entry, Approval)
    return entry


def decided(made: World, run: Run) -> Decision:
    """Go on to the gate and return what it decides."""
    for phase in ("build", "decision"):
        run = advance(run, made.ports, phases=(phase,), until="ship" if phase == "decision" else None)
    entry = run.latest("ship")
    assert isinstance(entry, Decision)
    return entry


def forged(signed: Signed, key: str | None = None, **changes: Any) -> Signed:
    """Return a signed answer with another statement, signed anew by a key if one is named."""
    statement = Statement.model_validate({**signed.statement.model_dump(by_alias=True), **changes})
    signature = FakeSigner(key).sign(statement.text(), NAMESPACE) if key else signed.signature
    return Signed(statement=statement, signature=signature)


def recorded(run: Run, signed: Sequence[Signed], **changes: Any) -> Run:
    """Return the run with an approval as a hand might write it into the journal."""
    entry = approval(run).model_copy(update={"signed": tuple(signed), "passed": True, "lacks": None, **changes})
    before = [other for other in run.entries if not isinstance(other, Approval)]
    return run.with_entries([*before, entry])


def refusal(made: World, run: Run, signed: Signed, *, now: datetime | None) -> str | None:
    """Return why a signed answer does not count now, or did not then."""
    request = next(item for item in run.declared.items() if item.name == "release")
    ports = replace(made.ports)
    return Scrutiny(run, request, trusted(ports), ports, now).refusal(signed)  # type: ignore[arg-type]
